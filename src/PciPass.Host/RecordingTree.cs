using System.Text;

namespace PciPass.Host;

/// <summary>Passes on what is read from another tree, and keeps it: what a look at a host needs is exactly what the look read.</summary>
/// <param name="files">The host's files.</param>
/// <param name="mask">Takes a path and a file's content and returns what may be kept of it.</param>
sealed class RecordingTree(SysTree files, Func<string, byte[], byte[]> mask) : SysTree
{
    readonly SortedDictionary<string, byte[]> contents = new(StringComparer.Ordinal);
    readonly SortedDictionary<string, string> links = new(StringComparer.Ordinal);
    readonly SortedSet<string> directories = new(StringComparer.Ordinal);

    public override int Read(string path, Span<byte> buffer)
    {
        var count = files.Read(path, buffer);
        // A buffer that is full may not have been large enough; the reader then comes again with a larger one.
        if (count >= 0)
            contents[path] = buffer[..count].ToArray();
        return count;
    }

    public override string? ReadLink(string path)
    {
        var target = files.ReadLink(path);
        if (target is not null)
            links[path] = target;
        return target;
    }

    public override IReadOnlyList<string> List(string path)
    {
        var names = files.List(path);
        foreach (var name in names)
            directories.Add($"{path}/{name}");
        return names;
    }

    public override bool Exists(string path)
    {
        var exists = files.Exists(path);
        if (exists)
            directories.Add(path);
        return exists;
    }

    public override IReadOnlyList<string> Held(IReadOnlyList<string> paths, TimeSpan deadline)
    {
        var held = files.Held(paths, deadline);
        if (held.Count > 0)
            Put(RecordedHost.Held, string.Concat(held.Select(path => $"{path}\n")));
        return held;
    }

    public override string? ReadAttribute(string path, TimeSpan deadline) => ReadText(path);

    public override void WriteAttribute(string path, string value, TimeSpan deadline) => throw new NotSupportedException("a recording looks only");

    public override void MakeDirectory(string path) => throw new NotSupportedException("a recording looks only");

    public override void CreateFile(string path, ReadOnlySpan<byte> content) => throw new NotSupportedException("a recording looks only");

    public override void ReplaceFile(string path, ReadOnlySpan<byte> content) => throw new NotSupportedException("a recording looks only");

    public override void RemoveFile(string path) => throw new NotSupportedException("a recording looks only");

    public override void Append(string path, ReadOnlySpan<byte> content, bool flush) => throw new NotSupportedException("a recording looks only");

    public override IDisposable? Lock(string path, TimeSpan deadline) => throw new NotSupportedException("a recording looks only");

    public void Put(string path, string content) => contents[path] = Encoding.UTF8.GetBytes(content);

    /// <summary>
    /// All that was read, in order, each at its own place: a file that was read by way of links lies where they lead. What was
    /// only seen in a list is a directory, which tells no more than that it is there.
    /// </summary>
    public IEnumerable<(string Path, byte[]? Content, string? Link)> Entries()
    {
        SortedDictionary<string, (byte[]? Content, string? Link)> entries = new(StringComparer.Ordinal);
        foreach (var path in directories)
            entries.TryAdd(Place(path), (null, null));
        foreach (var (path, target) in links)
            entries[Place(path)] = (null, target);
        foreach (var (path, content) in contents)
            entries[Place(path, followLast: true)] = (mask(path, content), null);
        return entries.Select(entry => (entry.Key, entry.Value.Content, entry.Value.Link));
    }

    string Place(string path, bool followLast = false)
    {
        const int MostLinks = 40;
        var rest = new Stack<string>(path.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse());
        var (at, followed) = ("", 0);
        while (rest.TryPop(out var name))
        {
            if (name == "..")
            {
                at = at.LastIndexOf('/') is >= 0 and var cut ? at[..cut] : "";
                continue;
            }
            var next = $"{at}/{name}";
            if (!links.TryGetValue(next, out var target) || (rest.Count == 0 && !followLast) || ++followed > MostLinks)
            {
                at = next;
                continue;
            }
            if (target.StartsWith('/'))
                at = "";
            foreach (var part in target.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse())
                rest.Push(part);
        }
        return at;
    }
}
