using System.Formats.Tar;
using System.IO.Compression;
using System.Text;

namespace PciPass.Host;

/// <summary>
/// A host's files as somebody took them along: a folder with <c>sys/</c>, <c>proc/</c>, <c>etc/</c> as they lie on the host, or a tar of
/// one. Everything is in memory, links are followed inside the record only, and nothing can be written.
/// </summary>
public sealed class RecordedTree : SysTree
{
    const int MostLinks = 40;
    const long MostBytes = 512L * 1024 * 1024;

    readonly Dictionary<string, Node> nodes = new(StringComparer.Ordinal) { ["/"] = new Node() };

    sealed class Node
    {
        public byte[]? Content { get; init; }
        public string? Link { get; init; }
        public SortedSet<string> Names { get; } = new(StringComparer.Ordinal);
    }

    /// <summary>Reads a folder, or a tar, packed with gzip or not.</summary>
    /// <exception cref="HostFailure">It is neither, or cannot be read; the message names it.</exception>
    public static RecordedTree Open(string path)
    {
        var tree = new RecordedTree();
        try
        {
            if (Directory.Exists(path))
            {
                tree.AddFolder(new DirectoryInfo(path), "");
            }
            else
            {
                using var file = File.OpenRead(path);
                tree.AddTar(file);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidDataException or FormatException)
        {
            throw new HostFailure($"the record {path} cannot be read: {error.Message}");
        }
        return tree.nodes.ContainsKey("/sys") ? tree : throw new HostFailure($"the record {path} holds no sys/: it is no folder of a host's files, and no tar of one");
    }

    void AddFolder(DirectoryInfo folder, string path)
    {
        foreach (var entry in folder.EnumerateFileSystemInfos())
        {
            var at = $"{path}/{entry.Name}";
            if (entry.LinkTarget is string target)
                AddLink(at, target);
            else if (entry is DirectoryInfo below)
            {
                AddDirectory(at);
                AddFolder(below, at);
            }
            else if (File.GetUnixFileMode(entry.FullName) is var mode && (mode.HasFlag(UnixFileMode.UserRead) || mode.HasFlag(UnixFileMode.OtherRead)))
                AddFile(at, File.ReadAllBytes(entry.FullName));
        }
    }

    void AddTar(Stream file)
    {
        Span<byte> magic = stackalloc byte[2];
        file.ReadExactly(magic);
        file.Position = 0;
        using Stream stream = magic is [0x1f, 0x8b] ? new GZipStream(file, CompressionMode.Decompress) : file;
        using var reader = new TarReader(stream);
        var left = MostBytes;
        while (Next(reader) is TarEntry entry)
        {
            var path = "/" + string.Join('/', entry.Name.Split('/').Where(part => part is not ("" or ".")));
            if (path.Split('/').Contains("..", StringComparer.Ordinal))
                throw new InvalidDataException($"the entry {entry.Name} leads out of it");
            switch (entry.EntryType)
            {
                case TarEntryType.Directory when path != "/":
                    AddDirectory(path);
                    break;
                case TarEntryType.SymbolicLink:
                    AddLink(path, entry.LinkName);
                    break;
                case TarEntryType.RegularFile or TarEntryType.V7RegularFile:
                    if ((left -= entry.Length) < 0)
                        throw new InvalidDataException("it is longer than 512 MiB");
                    using (var content = new MemoryStream())
                    {
                        entry.DataStream?.CopyTo(content);
                        AddFile(path, content.ToArray());
                    }
                    break;
            }
        }
    }

    /// <summary>What is no tar, the framework's reader tells by exceptions of many kinds, some of which are its own mistakes (seen with arbitrary bytes).</summary>
    static TarEntry? Next(TarReader reader)
    {
        try
        {
            return reader.GetNextEntry();
        }
        catch (Exception error) when (error is not (IOException or OutOfMemoryException))
        {
            throw new InvalidDataException(error.Message, error);
        }
    }

    /// <summary>Adds a file, with the directories above.</summary>
    public void AddFile(string path, byte[] content) => Add(path, new Node { Content = content });

    /// <summary>Adds a file, with the directories above.</summary>
    public void AddFile(string path, string content) => AddFile(path, Encoding.UTF8.GetBytes(content));

    /// <summary>Adds a symbolic link, with the directories above.</summary>
    public void AddLink(string path, string target) => Add(path, new Node { Link = target });

    /// <summary>Adds a directory, with those above; does nothing where something is already.</summary>
    public void AddDirectory(string path)
    {
        if (!nodes.ContainsKey(path))
            Add(path, new Node());
    }

    void Add(string path, Node node)
    {
        var at = path.LastIndexOf('/');
        var parent = at <= 0 ? "/" : path[..at];
        if (!nodes.ContainsKey(parent))
            AddDirectory(parent);
        nodes[parent].Names.Add(path[(at + 1)..]);
        nodes[path] = node;
    }

    Node? Resolve(string path, bool followLast)
    {
        var rest = new Stack<string>(path.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse());
        var (at, links) = ("/", 0);
        while (rest.TryPop(out var name))
        {
            if (name == ".")
                continue;
            if (name == "..")
            {
                at = at.LastIndexOf('/') is > 0 and var cut ? at[..cut] : "/";
                continue;
            }
            var next = at == "/" ? $"/{name}" : $"{at}/{name}";
            if (!nodes.TryGetValue(next, out var node))
                return null;
            if (node.Link is not string target || (rest.Count == 0 && !followLast))
            {
                at = next;
                continue;
            }
            if (++links > MostLinks)
                return null;
            if (target.StartsWith('/'))
                at = "/";
            foreach (var part in target.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse())
                rest.Push(part);
        }
        return nodes[at];
    }

    public override int Read(string path, Span<byte> buffer)
    {
        if (Resolve(path, followLast: true) is not Node node)
            return -1;
        // A name without anything below it may be a file that stood in a list, and that nothing read when the record was made.
        if (node.Content is not byte[] content)
            return node.Names.Count > 0 ? throw new HostFailure("read", path, Errno.EISDIR) : -1;
        var count = Math.Min(content.Length, buffer.Length);
        content.AsSpan(0, count).CopyTo(buffer);
        return count;
    }

    public override string? ReadLink(string path) => Resolve(path, followLast: false)?.Link;

    public override IReadOnlyList<string> List(string path) => Resolve(path, followLast: true) is { Content: null, Link: null } node ? [.. node.Names] : [];

    public override bool Exists(string path) => Resolve(path, followLast: false) is not null;

    public override IReadOnlyList<string> Held(IReadOnlyList<string> paths, TimeSpan deadline) =>
        [.. (ReadText(RecordedHost.Held) ?? "").Split('\n').Intersect(paths)];

    public override string? ReadAttribute(string path, TimeSpan deadline) => ReadText(path);

    public override void WriteAttribute(string path, string value, TimeSpan deadline) => throw ReadOnly(path);

    public override void MakeDirectory(string path) => throw ReadOnly(path);

    public override void CreateFile(string path, ReadOnlySpan<byte> content) => throw ReadOnly(path);

    public override void ReplaceFile(string path, ReadOnlySpan<byte> content) => throw ReadOnly(path);

    public override void RemoveFile(string path) => throw ReadOnly(path);

    public override void Append(string path, ReadOnlySpan<byte> content, bool flush) => throw ReadOnly(path);

    public override IDisposable? Lock(string path, TimeSpan deadline) => throw ReadOnly(path);

    static HostFailure ReadOnly(string path) => new("write to the recorded", path, Errno.EROFS);
}
