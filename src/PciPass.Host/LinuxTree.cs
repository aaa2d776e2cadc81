using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>The running host's files, by plain system calls: .NET's own file classes open with O_CREAT, stat before they read, and lose error numbers.</summary>
public sealed class LinuxTree(AttributeProcess attributes) : SysTree
{
    const int AT_SYMLINK_NOFOLLOW = 0x100;
    const int Page = 4096,
        ListBuffer = 16 * 1024;
    const uint STATX_TYPE_MODE_UID_GID = 0x1 | 0x2 | 0x8 | 0x10;
    const int S_IFMT = 0xf000, S_IFLNK = 0xa000, S_IFREG = 0x8000;

    public override Stream? OpenFile(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 64 * 1024);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            throw new HostFailure("open", path, Errno.EACCES);
        }
        catch (IOException error)
        {
            throw new HostFailure($"open {path}: {error.Message}");
        }
    }

    public override bool IsForThreads => true;

    public override int Read(string path, Span<byte> buffer) => Read(Libc.Open(path, Libc.O_RDONLY | Libc.O_CLOEXEC, 0), path, buffer);

    static int Read(int descriptor, string path, Span<byte> buffer)
    {
        if (descriptor < 0)
            return Libc.LastError is Errno.ENOENT or Errno.ENOTDIR || HasEnded(path, Libc.LastError) ? -1 : throw new HostFailure("open", path, Libc.LastError);
        try
        {
            var count = 0;
            while (count < buffer.Length)
            {
                var got = Libc.Read(descriptor, buffer[count..], buffer.Length - count);
                if (got < 0 && Libc.LastError == Errno.EINTR)
                    continue;
                if (got < 0)
                    return HasEnded(path, Libc.LastError) ? -1 : throw new HostFailure("read", path, Libc.LastError);
                if (got == 0)
                    break;
                count += (int)got;
                // sysfs gives an attribute whole by one read, and longer ones page by page (fs/kernfs/file.c): asking on would only tell the end again.
                if (got % Page != 0 && path.StartsWith("/sys/", StringComparison.Ordinal))
                    break;
            }
            return count;
        }
        finally
        {
            _ = Libc.Close(descriptor);
        }
    }

    /// <summary>
    /// Whether these are the words for a process that ended while it was read: its files then fail with ESRCH (fs/proc/base.c), its table of
    /// mounts with EINVAL, as that of one whose parent has not asked for it yet (mounts_open_common in fs/proc_namespace.c).
    /// </summary>
    static bool HasEnded(string path, int error) => error is Errno.ESRCH or Errno.EINVAL && path.StartsWith("/proc/", StringComparison.Ordinal);

    [SkipLocalsInit]
    public override string? ReadLink(string path)
    {
        Span<byte> buffer = stackalloc byte[4096];
        return Target(Libc.ReadLink(path, buffer, buffer.Length), buffer, path);
    }

    static string? Target(nint length, ReadOnlySpan<byte> buffer, string path)
    {
        if (length >= 0)
            return Encoding.UTF8.GetString(buffer[..(int)length]);
        return IsNoLink(Libc.LastError) ? null : throw new HostFailure("readlink", path, Libc.LastError);
    }

    static bool IsNoLink(int error) => error is Errno.ENOENT or Errno.ENOTDIR or Errno.EINVAL;

    public override SysFolder OpenFolder(string path)
    {
        var descriptor = Libc.Open(path, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_CLOEXEC, 0);
        if (descriptor >= 0)
            return new LinuxFolder(this, path, descriptor);
        return Libc.LastError is Errno.ENOENT or Errno.ENOTDIR
            ? base.OpenFolder(path)
            : throw new HostFailure("open", path, Libc.LastError);
    }

    /// <summary>An open directory: the kernel looks names up from there.</summary>
    sealed class LinuxFolder(LinuxTree tree, string path, int descriptor) : SysFolder(tree, path)
    {
        const int Longest = 512;

        [SkipLocalsInit]
        public override int Read(string entry, string name, Span<byte> buffer)
        {
            Span<byte> below = stackalloc byte[Longest];
            if (!Join(entry, name, below))
                return base.Read(entry, name, buffer);
            try
            {
                return LinuxTree.Read(Libc.OpenAt(descriptor, below, Libc.O_RDONLY | Libc.O_CLOEXEC, 0), Path, buffer);
            }
            catch (HostFailure)
            {
                // Again by its whole path, which the failure then names.
                return base.Read(entry, name, buffer);
            }
        }

        [SkipLocalsInit]
        public override int ReadConfig(string entry, Span<byte> buffer)
        {
            Span<byte> below = stackalloc byte[Longest];
            var file = Join(entry, "config", below) ? Libc.OpenAt(descriptor, below, Libc.O_RDONLY | Libc.O_CLOEXEC, 0) : -1;
            if (file < 0)
                return base.ReadConfig(entry, buffer);
            try
            {
                return ConfigSpace.Fetch(
                    buffer,
                    (File: file, Folder: Path, Entry: entry),
                    static (source, offset, part) =>
                        Libc.ReadAt(source.File, part, part.Length, offset) is >= 0 and var count ? (int)count : throw new HostFailure("read", $"{source.Folder}/{source.Entry}/config", Libc.LastError)
                );
            }
            finally
            {
                _ = Libc.Close(file);
            }
        }

        [SkipLocalsInit]
        public override string? ReadLink(string entry, string name)
        {
            Span<byte> below = stackalloc byte[Longest],
                target = stackalloc byte[4096];
            if (!Join(entry, name, below))
                return base.ReadLink(entry, name);
            var length = Libc.ReadLinkAt(descriptor, below, target, target.Length);
            return length >= 0 || IsNoLink(Libc.LastError) ? Target(length, target, Path) : base.ReadLink(entry, name);
        }

        /// <summary>The entry and the name as the kernel takes them; false where they are too long for that.</summary>
        static bool Join(string entry, string name, Span<byte> path)
        {
            if (!Encoding.UTF8.TryGetBytes(entry, path[..^2], out var length))
                return false;
            var at = length;
            if (name.Length > 0)
            {
                path[at++] = (byte)'/';
                if (!Encoding.UTF8.TryGetBytes(name, path[at..^1], out length))
                    return false;
                at += length;
            }
            path[at] = 0;
            return true;
        }

        protected override void Dispose(bool disposing)
        {
            _ = Libc.Close(descriptor);
            base.Dispose(disposing);
        }
    }

    [SkipLocalsInit]
    public override IReadOnlyList<string> List(string path)
    {
        var descriptor = Libc.Open(path, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_CLOEXEC, 0);
        if (descriptor < 0)
            return Libc.LastError is Errno.ENOENT or Errno.ENOTDIR ? [] : throw new HostFailure("list", path, Libc.LastError);
        try
        {
            List<string> names = [];
            Span<byte> buffer = stackalloc byte[ListBuffer];
            while (Libc.ReadDirectory(descriptor, buffer, buffer.Length) is not 0 and var got)
            {
                if (got < 0)
                    return Libc.LastError == Errno.ENOENT ? [] : throw new HostFailure("list", path, Libc.LastError);
                AddNames(buffer[..(int)got], names);
            }
            names.Sort(StringComparer.Ordinal);
            return names;
        }
        finally
        {
            _ = Libc.Close(descriptor);
        }
    }

    /// <summary>Entries as getdents64(2) gives them: inode and offset of 8 bytes each, the entry's length, its type, and its name with a NUL.</summary>
    static void AddNames(ReadOnlySpan<byte> entries, List<string> names)
    {
        const int LengthAt = 16, NameAt = 19;
        while (entries.Length > NameAt)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(entries[LengthAt..]);
            var name = entries[NameAt..length];
            name = name[..name.IndexOf((byte)0)];
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                names.Add(Encoding.UTF8.GetString(name));
            entries = entries[length..];
        }
    }

    public override bool Exists(string path) => IsThere(path);

    static bool IsThere(string path)
    {
        if (Libc.AccessAt(Libc.AT_FDCWD, path, 0, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
        return Libc.LastError is Errno.ENOENT or Errno.ENOTDIR ? false : throw new HostFailure("look at", path, Libc.LastError);
    }

    public override long? Room(string path)
    {
        for (var folder = path; ; folder = folder[..Math.Max(1, folder.LastIndexOf('/'))])
        {
            try
            {
                // Despite the name, statfs(2) of any path.
                var drive = new DriveInfo(folder);
                return drive.TotalSize > 0 ? drive.TotalFreeSpace : null;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                if (folder == "/")
                    return null;
            }
        }
    }

    public override FileStatus? Look(string path) => Stat(path) is var (type, mode, user, group) ? new FileStatus(type == S_IFLNK, user, group, mode) : null;

    /// <summary>A regular file's mode, owner and group; null where there is no file.</summary>
    /// <exception cref="HostFailure">Something else is there.</exception>
    internal static FileStatus? LookAtFile(string path)
    {
        if (Stat(path) is not var (type, mode, user, group))
            return null;
        return type == S_IFREG ? new FileStatus(false, user, group, mode) : throw new HostFailure($"{path} is no regular file, and is not replaced");
    }

    static (int Type, int Mode, int User, int Group)? Stat(string path)
    {
        // struct statx, include/uapi/linux/stat.h: uid at 20, gid at 24, mode at 28.
        Span<byte> stat = stackalloc byte[256];
        if (Libc.Stat(Libc.AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE_MODE_UID_GID, stat) < 0)
            return Libc.LastError is Errno.ENOENT or Errno.ENOTDIR ? null : throw new HostFailure("look at", path, Libc.LastError);
        var mode = BinaryPrimitives.ReadUInt16LittleEndian(stat[28..]);
        return (mode & S_IFMT, mode & ~S_IFMT, BinaryPrimitives.ReadInt32LittleEndian(stat[20..]), BinaryPrimitives.ReadInt32LittleEndian(stat[24..]));
    }

    public override void WriteAttribute(string path, string value, TimeSpan deadline) => attributes.Write(path, value, deadline);

    public override string? ReadAttribute(string path, TimeSpan deadline) => attributes.Read(path, deadline);

    // The driver may hang with the disk's lock held: then the child does.
    public override IReadOnlyList<string> Held(IReadOnlyList<string> paths, TimeSpan deadline) => attributes.Held(paths, deadline);

    public override void MakeDirectory(string path) => MakeDirectory(path, 0b111_000_000);

    static void MakeDirectory(string path, int mode)
    {
        if (IsThere(path))
            return;
        var parent = Path.GetDirectoryName(path)!;
        MakeDirectory(parent, mode);
        if (Libc.MakeDirectory(path, mode) < 0 && Libc.LastError != Errno.EEXIST)
            throw new HostFailure("make directory", path, Libc.LastError);
        try
        {
            FlushDirectory(parent);
        }
        catch (HostFailure)
        {
            // Next time it would be there, and nobody would flush it any more.
            _ = Libc.RemoveDirectory(path);
            throw;
        }
    }

    public override void CreateFile(string path, ReadOnlySpan<byte> content)
    {
        WriteFile(path, Libc.O_CREAT | Libc.O_EXCL, content, flush: true);
        FlushDirectory(Path.GetDirectoryName(path)!);
    }

    public override void Append(string path, ReadOnlySpan<byte> content, bool flush) => WriteFile(path, Libc.O_APPEND, content, flush);

    public override void ReplaceFile(string path, ReadOnlySpan<byte> content)
    {
        var folder = Path.GetDirectoryName(path)!;
        MakeDirectory(folder, 0b111_101_101);
        FileReplacer.Replace(path, content);
        FlushDirectory(folder);
    }

    public override void RemoveFile(string path)
    {
        foreach (var each in (ReadOnlySpan<string>)[path, FileReplacer.NewPathOf(path)])
        {
            if (Libc.Unlink(each) < 0 && Libc.LastError is not (Errno.ENOENT or Errno.ENOTDIR))
                throw new HostFailure("remove", each, Libc.LastError);
        }
        if (Path.GetDirectoryName(path) is string folder && IsThere(folder))
            FlushDirectory(folder);
    }

    static void WriteFile(string path, int flags, ReadOnlySpan<byte> content, bool flush)
    {
        var descriptor = Libc.Open(path, Libc.O_WRONLY | Libc.O_CLOEXEC | Libc.O_NOFOLLOW | flags, 0b110_000_000);
        if (descriptor < 0)
            throw new HostFailure("open", path, Libc.LastError);
        try
        {
            WriteAll(descriptor, path, content);
            if (flush && Libc.Fsync(descriptor) < 0)
                throw new HostFailure("flush", path, Libc.LastError);
        }
        finally
        {
            _ = Libc.Close(descriptor);
        }
    }

    internal static void WriteAll(int descriptor, string path, ReadOnlySpan<byte> content)
    {
        while (!content.IsEmpty)
        {
            var put = Libc.Write(descriptor, content, content.Length);
            if (put < 0 && Libc.LastError == Errno.EINTR)
                continue;
            if (put <= 0)
                throw new HostFailure("write", path, put == 0 ? Errno.EIO : Libc.LastError);
            content = content[(int)put..];
        }
    }

    static void FlushDirectory(string path)
    {
        var descriptor = Libc.Open(path, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_CLOEXEC, 0);
        if (descriptor < 0)
            throw new HostFailure("open", path, Libc.LastError);
        var result = Libc.Fsync(descriptor);
        var error = Libc.LastError;
        _ = Libc.Close(descriptor);
        // Some file systems, tmpfs among them, have nothing to flush for a directory.
        if (result < 0 && error != Errno.EINVAL)
            throw new HostFailure("flush", path, error);
    }

    public override IDisposable? Lock(string path, TimeSpan deadline)
    {
        var descriptor = Libc.Open(path, Libc.O_RDWR | Libc.O_CREAT | Libc.O_CLOEXEC | Libc.O_NOFOLLOW, 0b110_000_000);
        if (descriptor < 0)
            throw new HostFailure("open", path, Libc.LastError);
        return FileLock.Take(descriptor, path, deadline);
    }
}
