namespace PciPass.Host;

/// <summary>
/// The files of a system that is mounted somewhere below this host's, as that system will see them once it runs: links lead where they
/// will lead then, and never out of it. What the kernel shows of the machine (/sys, /proc) is this host's, and is only read.
/// </summary>
/// <param name="inner">This host's files.</param>
/// <param name="root">Where the system is mounted; without a slash at the end.</param>
sealed class ImageTree(SysTree inner, string root) : SysTree
{
    const int MostLinks = 40;

    public override int Read(string path, Span<byte> buffer) => inner.Read(Follow(path), buffer);

    public override Stream? OpenFile(string path) => inner.OpenFile(Follow(path));

    public override string? ReadLink(string path) => inner.ReadLink(Follow(path, followLast: false));

    public override IReadOnlyList<string> List(string path) => inner.List(Follow(path));

    public override bool Exists(string path) => inner.Exists(Follow(path, followLast: false));

    public override FileStatus? Look(string path) => inner.Look(Follow(path, followLast: false));

    public override string? ReadAttribute(string path, TimeSpan deadline) => inner.ReadAttribute(Follow(path), deadline);

    public override void WriteAttribute(string path, string value, TimeSpan deadline) =>
        throw new HostFailure($"write {path}: the running host is not touched for the system in {root}");

    public override void MakeDirectory(string path) => inner.MakeDirectory(Follow(path));

    public override void CreateFile(string path, ReadOnlySpan<byte> content) => inner.CreateFile(Follow(path, followLast: false), content);

    public override void Append(string path, ReadOnlySpan<byte> content, bool flush) => inner.Append(Follow(path, followLast: false), content, flush);

    public override void ReplaceFile(string path, ReadOnlySpan<byte> content) => inner.ReplaceFile(Follow(path, followLast: false), content);

    public override void RemoveFile(string path) => inner.RemoveFile(Follow(path, followLast: false));

    public override IDisposable? Lock(string path, TimeSpan deadline) => inner.Lock(Follow(path, followLast: false), deadline);

    /// <summary>One writer at a time on this host, whatever it writes to: /run is this host's as well.</summary>
    static bool IsOfTheHost(string path) => path is "/sys" or "/proc" or "/run" || path.StartsWith("/sys/", StringComparison.Ordinal)
        || path.StartsWith("/proc/", StringComparison.Ordinal) || path.StartsWith("/run/pcipass", StringComparison.Ordinal);

    string Follow(string path, bool followLast = true)
    {
        if (IsOfTheHost(path))
            return path;
        var links = 0;
        List<string> done = [];
        var left = new Stack<string>(path.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse());
        while (left.TryPop(out var name))
        {
            if (name == ".")
                continue;
            if (name == "..")
            {
                // Above a root there is the root.
                if (done.Count > 0)
                    done.RemoveAt(done.Count - 1);
                continue;
            }
            done.Add(name);
            if ((left.Count == 0 && !followLast) || inner.ReadLink($"{root}/{string.Join('/', done)}") is not string target)
                continue;
            if (++links > MostLinks)
                throw new HostFailure("open", path, Errno.ELOOP);
            done.RemoveAt(done.Count - 1);
            if (target.StartsWith('/'))
                done.Clear();
            foreach (var part in target.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse())
                left.Push(part);
        }
        return $"{root}/{string.Join('/', done)}";
    }
}
