using PciPass.Host;

namespace PciPass.Sim;

/// <summary>
/// The simulated host's files. Below /sys and /proc the kernel answers; the rest is a disk, where what was not flushed is lost when
/// the power is; /run and /tmp are memory.
/// </summary>
sealed class SimTree(SimHost host) : SysTree
{
    const int MostLinks = 40;

    /// <summary>The root directory.</summary>
    internal SimDirectory Root { get; private set; } = new();

    public override int Read(string path, Span<byte> buffer)
    {
        host.Enter($"read {path}");
        if (host.Faults.Check(path) is > 0 and var refused)
            throw new HostFailure("read", path, refused);
        // A program that waits in the kernel cannot go on; this one is not to get there.
        if (host.HangsBehind(path, "", reading: true) is string hung)
            throw new InvalidOperationException($"reading {path} hangs behind {hung}, and nothing ends that");
        switch (Resolve(path))
        {
            case null:
                return -1;
            case SimFile file:
                return Copy(file.Content, buffer);
            case SimAttribute { Read: { } read }:
                var content = read();
                // An ordinary user reads the header of the configuration space and no more.
                return Copy(!host.IsRoot && path.EndsWith("/config", StringComparison.Ordinal) ? content.AsSpan(0, Math.Min(64, content.Length)) : content, buffer);
            case SimAttribute:
                throw new HostFailure("open", path, Errno.EACCES);
            case SimLink:
                throw new HostFailure("open", path, Errno.ELOOP);
            default:
                throw new HostFailure("read", path, Errno.EISDIR);
        }

        static int Copy(ReadOnlySpan<byte> from, Span<byte> to)
        {
            var count = Math.Min(from.Length, to.Length);
            from[..count].CopyTo(to);
            return count;
        }
    }

    public override string? ReadLink(string path)
    {
        host.Enter($"readlink {path}");
        return Resolve(path, followLast: false) is SimLink link ? link.Target : null;
    }

    public override IReadOnlyList<string> List(string path)
    {
        host.Enter($"list {path}");
        if (host.Faults.Check(path) is > 0 and var refused)
            throw new HostFailure("list", path, refused);
        return Resolve(path) is SimDirectory directory ? directory.Names : [];
    }

    public override bool Exists(string path)
    {
        host.Enter($"exists {path}");
        return Resolve(path, followLast: false) is not null;
    }

    public override FileStatus? Look(string path)
    {
        host.Enter($"look at {path}");
        return Resolve(path, followLast: false) is SimNode node ? new FileStatus(node is SimLink, node.UserId, node.GroupId, node.Mode) : null;
    }

    public override long? Room(string path)
    {
        host.Enter($"room at {path}");
        return host.Room;
    }

    public override void WriteAttribute(string path, string value, TimeSpan deadline)
    {
        host.Enter($"write {path}");
        if (!host.IsRoot)
            throw new HostFailure("open", path, Errno.EACCES);
        var what = $"write {value.Trim()} to";
        switch (Resolve(path))
        {
            case SimAttribute { Write: { } write }:
                if (host.HangsBehind(path, value) is string hung)
                {
                    // The write stays in the kernel and takes effect when the kernel lets go, whether or not anybody still waits.
                    var result = -1;
                    host.Change($"write {path} {value.Trim()} (hangs)", () => host.WhenReleased(hung, () => result = host.KernelWrite(path, value, write)));
                    if (!host.Clock.WaitFor(() => result >= 0, deadline))
                        throw new DeadlinePassed($"{what} {path}", deadline);
                    if (result > 0)
                        throw new HostFailure(what, path, result);
                    return;
                }
                var errno = 0;
                host.Change($"write {path} {value.Trim()}", () => errno = host.KernelWrite(path, value, write));
                if (errno != 0)
                    throw new HostFailure(what, path, errno);
                break;
            case SimAttribute:
                throw new HostFailure("open", path, Errno.EACCES);
            case SimFile file:
                host.Change($"write {path}", () => file.Content = System.Text.Encoding.UTF8.GetBytes(value));
                break;
            case null:
                throw new HostFailure("open", path, Errno.ENOENT);
            default:
                throw new HostFailure("open", path, Errno.EISDIR);
        }
    }

    public override string? ReadAttribute(string path, TimeSpan deadline)
    {
        if (!host.Clock.WaitFor(() => host.HangsBehind(path, "", reading: true) is null, deadline))
            throw new DeadlinePassed($"read {path}", deadline);
        return ReadText(path);
    }

    public override void MakeDirectory(string path)
    {
        host.Enter($"mkdir {path}");
        if (Resolve(path) is { } there)
        {
            if (there is not SimDirectory)
                throw new HostFailure("mkdir", path, Errno.ENOTDIR);
            return;
        }
        var parent = ParentOf(path);
        MakeDirectory(parent);
        Refuse("mkdir", path);
        host.Change($"mkdir {path}", () => ((SimDirectory)Resolve(parent)!).Set(NameOf(path), new SimDirectory()));
    }

    public override void CreateFile(string path, ReadOnlySpan<byte> content)
    {
        host.Enter($"create {path}");
        if (Resolve(path, followLast: false) is not null)
            throw new HostFailure("create", path, Errno.EEXIST);
        if (Resolve(ParentOf(path)) is not SimDirectory directory)
            throw new HostFailure("create", path, Errno.ENOENT);
        Refuse("create", path);
        var file = new SimFile();
        var bytes = content.ToArray();
        host.Change($"create {path}", () => directory.Set(NameOf(path), file));
        host.Change($"append {path} {bytes.Length} bytes", () => file.Content = bytes);
        host.Change($"flush {path}", () => file.OnDisk = file.Content);
    }

    public override void Append(string path, ReadOnlySpan<byte> content, bool flush)
    {
        host.Enter($"append {path}");
        switch (Resolve(path, followLast: false))
        {
            case SimFile file:
                Refuse("write to", path);
                byte[] bytes = [.. file.Content, .. content];
                if (content.Length > 0)
                    host.Change($"append {path} {content.Length} bytes", () => file.Content = bytes);
                if (flush && file.OnDisk?.Length != bytes.Length)
                    host.Change($"flush {path}", () => file.OnDisk = file.Content);
                break;
            case SimLink:
                throw new HostFailure("open", path, Errno.ELOOP);
            case SimDirectory:
                throw new HostFailure("open", path, Errno.EISDIR);
            case null:
                throw new HostFailure("open", path, Errno.ENOENT);
            default:
                throw new HostFailure("open", path, Errno.EINVAL);
        }
    }

    public override void ReplaceFile(string path, ReadOnlySpan<byte> content)
    {
        host.Enter($"replace {path}");
        if (Resolve(path, followLast: false) is not (null or SimFile))
            throw new HostFailure($"{path} is no regular file, and is not replaced");
        MakeDirectory(ParentOf(path));
        Refuse("replace", path);
        var directory = (SimDirectory)Resolve(ParentOf(path))!;
        var bytes = content.ToArray();
        var fresh = new SimFile();
        if (directory.Find(NameOf(path)) is SimFile former)
            (fresh.UserId, fresh.GroupId, fresh.Mode) = (former.UserId, former.GroupId, former.Mode);
        var name = NameOf(path);
        host.Change($"create {path} (new)", () => directory.Set($".{name}.pcipass-new", fresh));
        host.Change($"flush {path} (new)", () => fresh.Content = fresh.OnDisk = bytes);
        // Before the folder is flushed, the power may bring back either; what was renamed is whole at any rate.
        host.Change($"rename {path} (new)", () =>
        {
            directory.Remove($".{name}.pcipass-new");
            directory.Set(name, fresh);
        });
        host.Change($"flush folder of {path}", static () => { });
    }

    public override void RemoveFile(string path)
    {
        host.Enter($"remove {path}");
        Refuse("remove", path);
        if (Resolve(ParentOf(path)) is not SimDirectory directory)
            return;
        host.Change($"remove {path}", () =>
        {
            directory.Remove(NameOf(path));
            directory.Remove($".{NameOf(path)}.pcipass-new");
        });
    }

    public override IDisposable? Lock(string path, TimeSpan deadline)
    {
        host.Enter($"lock {path}");
        switch (Resolve(path, followLast: false))
        {
            case null:
                if (Resolve(ParentOf(path)) is not SimDirectory directory)
                    throw new HostFailure("open", path, Errno.ENOENT);
                Refuse("open", path);
                host.Change($"create {path}", () => directory.Set(NameOf(path), new SimFile()));
                break;
            case SimLink:
                throw new HostFailure("open", path, Errno.ELOOP);
            case SimFile:
                Refuse("open", path);
                break;
            default:
                throw new HostFailure("open", path, Errno.EISDIR);
        }
        var file = (SimFile)Resolve(path)!;
        if (!host.Clock.WaitFor(() => !file.Locked, deadline))
            return null;
        file.Locked = true;
        return host.Hold(file);
    }

    void Refuse(string operation, string path)
    {
        if (!host.IsRoot)
            throw new HostFailure(operation, path, Errno.EACCES);
        if (host.Faults.Check(path) is > 0 and var errno)
            throw new HostFailure(operation, path, errno);
    }

    // ---- the tree itself ---------------------------------------------------------------------------------------------------------

    /// <summary>What is at a path; links on the way are followed, the last one only when asked for.</summary>
    internal SimNode? Resolve(ReadOnlySpan<char> path, bool followLast = true)
    {
        var links = 0;
        return Walk(Root, path, followLast, ref links);
    }

    SimNode? Walk(SimDirectory from, ReadOnlySpan<char> path, bool followLast, ref int links)
    {
        var at = path.StartsWith('/') ? Root : from;
        SimNode node = at;
        foreach (var range in path.Split('/'))
        {
            var name = path[range];
            if (name.Length == 0 || name is ".")
                continue;
            if (node is SimLink link && Follow(at, link, ref links) is var target)
            {
                if (target is null)
                    return null;
                node = target;
            }
            if (node is not SimDirectory directory)
                return null;
            at = directory;
            if (name is "..")
                node = at.Parent ?? Root;
            else if (at.Find(name) is SimNode found)
                node = found;
            else
                return null;
        }
        return followLast && node is SimLink last ? Follow(at, last, ref links) : node;
    }

    SimNode? Follow(SimDirectory from, SimLink link, ref int links) =>
        ++links > MostLinks ? link : Walk(from, link.Target, followLast: true, ref links);

    static string ParentOf(string path) => path.LastIndexOf('/') is > 0 and var at ? path[..at] : "/";

    static string NameOf(string path) => path[(path.LastIndexOf('/') + 1)..];

    // ---- what people and power do to files -----------------------------------------------------------------------------------------

    /// <summary>Writes a file as an administrator would: it is on disk.</summary>
    internal void Put(string path, byte[] content)
    {
        var directory = Root.Make(ParentOf(path));
        var file = directory.Find(NameOf(path)) as SimFile ?? directory.Set(NameOf(path), new SimFile());
        file.Content = content;
        file.OnDisk = content;
    }

    internal void Delete(string path) => (Resolve(ParentOf(path)) as SimDirectory)?.Remove(NameOf(path));

    /// <summary>
    /// What is left of the files after the machine was switched off: memory is empty, and with <paramref name="lost"/> so is everything
    /// that was not flushed, except for the first <paramref name="torn"/> bytes.
    /// </summary>
    internal void Restart(bool lost, int torn)
    {
        var old = Root;
        Root = new SimDirectory();
        foreach (var name in old.Names)
        {
            if (name is not ("sys" or "proc" or "run" or "tmp" or "dev"))
                Root.Set(name, old.Find(name)!);
        }
        foreach (var name in (string[])["sys", "proc", "run", "tmp", "dev"])
            Root.Set(name, new SimDirectory());
        Forget(Root, lost, torn);
    }

    static void Forget(SimDirectory directory, bool lost, int torn)
    {
        foreach (var name in directory.Names)
        {
            switch (directory.Find(name))
            {
                case SimDirectory below:
                    Forget(below, lost, torn);
                    break;
                case SimFile file:
                    file.Locked = false;
                    if (!lost)
                        break;
                    if (file.OnDisk is null)
                        directory.Remove(name);
                    else
                        file.Content = file.Content[..Math.Min(file.Content.Length, file.OnDisk.Length + torn)];
                    break;
            }
        }
    }

    /// <summary>Every file below a directory, with its path, in order.</summary>
    internal IEnumerable<(string Path, SimFile File)> FilesBelow(string path)
    {
        if (Resolve(path) is not SimDirectory directory)
            yield break;
        foreach (var name in directory.Names)
        {
            var at = path == "/" ? $"/{name}" : $"{path}/{name}";
            if (directory.Find(name) is SimFile file)
                yield return (at, file);
            foreach (var below in directory.Find(name) is SimDirectory ? FilesBelow(at) : [])
                yield return below;
        }
    }
}
