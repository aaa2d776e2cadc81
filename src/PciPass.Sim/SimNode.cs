using System.Text;

namespace PciPass.Sim;

/// <summary>A thing in the simulated file system.</summary>
abstract class SimNode
{
    public int UserId { get; set; }
    public int GroupId { get; set; }

    /// <summary>Permission bits; the kernel judges nobody by them here, since everything runs as root.</summary>
    public int Mode { get; set; } = 0b110_100_100;
}

/// <summary>A symbolic link.</summary>
sealed class SimLink(string target) : SimNode
{
    public string Target => target;
}

/// <summary>A file that the kernel answers for: an attribute of sysfs or a file of procfs.</summary>
/// <param name="read">Its content; null when it cannot be read.</param>
/// <param name="write">Takes what is written and returns an error number or 0; null when it cannot be written.</param>
sealed class SimAttribute(Func<byte[]>? read, Func<string, int>? write = null) : SimNode
{
    public Func<byte[]>? Read => read;
    public Func<string, int>? Write => write;

    public static SimAttribute Text(Func<string> text, Func<string, int>? write = null) => new(() => Encoding.UTF8.GetBytes(text()), write);

    public static SimAttribute Text(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text + "\n");
        return new(() => bytes);
    }
}

/// <summary>A file on disk or in a tmpfs, with what the kernel would still have after a power loss.</summary>
sealed class SimFile : SimNode
{
    /// <summary>What a reader sees.</summary>
    public byte[] Content { get; set; } = [];

    /// <summary>What is on disk: at most the beginning of <see cref="Content"/>; null when not even the name is.</summary>
    public byte[]? OnDisk { get; set; }

    /// <summary>Whether some process holds the file's lock.</summary>
    public bool Locked { get; set; }
}

/// <summary>A directory.</summary>
sealed class SimDirectory : SimNode
{
    readonly Dictionary<string, SimNode> children = new(StringComparer.Ordinal);
    readonly Dictionary<string, SimNode>.AlternateLookup<ReadOnlySpan<char>> lookup;
    string[]? sorted;

    public SimDirectory() => lookup = children.GetAlternateLookup<ReadOnlySpan<char>>();

    public SimDirectory? Parent { get; private set; }

    public IReadOnlyList<string> Names => sorted ??= [.. children.Keys.Order(StringComparer.Ordinal)];

    public SimNode? Find(ReadOnlySpan<char> name) => lookup.TryGetValue(name, out var node) ? node : null;

    public T Set<T>(string name, T node)
        where T : SimNode
    {
        children[name] = node;
        if (node is SimDirectory directory)
            directory.Parent = this;
        sorted = null;
        return node;
    }

    public void Remove(string name)
    {
        if (children.Remove(name))
            sorted = null;
    }

    /// <summary>The directory at a relative path below this one, made where needed.</summary>
    public SimDirectory Make(string path)
    {
        var at = this;
        foreach (var name in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
            at = at.Find(name) as SimDirectory ?? at.Set(name, new SimDirectory());
        return at;
    }
}
