using System.Buffers.Binary;
using System.Text;

namespace PciPass.Host;

/// <summary>
/// Replaces a file atomically: a new one beside it, with the old one's owner, mode and extended attributes (SELinux' label and access
/// control lists are such), is flushed to disk and renamed over it. A reader sees the old bytes or the new ones, at any moment.
/// </summary>
static class FileReplacer
{
    const int AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100;
    const uint STATX_MODE_UID_GID = 0x2 | 0x8 | 0x10;
    const int RegularFile = 0x8000, FileType = 0xf000;

    /// <summary>Where the new content is written before it has its name.</summary>
    public static string NewPathOf(string path) => $"{path[..(path.LastIndexOf('/') + 1)]}.{path[(path.LastIndexOf('/') + 1)..]}.pcipass-new";

    /// <summary>The caller flushes the folder afterwards.</summary>
    public static void Replace(string path, ReadOnlySpan<byte> content)
    {
        var former = Look(path);
        var fresh = NewPathOf(path);
        // A former attempt may have died here.
        if (Libc.Unlink(fresh) < 0 && Libc.LastError != Errno.ENOENT)
            throw new HostFailure("remove", fresh, Libc.LastError);
        var descriptor = Libc.Open(fresh, Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0b110_000_000);
        if (descriptor < 0)
            throw new HostFailure("open", fresh, Libc.LastError);
        var renamed = false;
        try
        {
            LinuxTree.WriteAll(descriptor, fresh, content);
            if (former is var (mode, user, group))
            {
                if (Libc.ChangeOwner(descriptor, user, group) < 0)
                    throw new HostFailure("change the owner of", fresh, Libc.LastError);
                CopyAttributes(path, descriptor, fresh);
                // After the owner: changing that takes the set-user-id bits away.
                ChangeMode(descriptor, fresh, mode);
            }
            else
            {
                ChangeMode(descriptor, fresh, content.StartsWith("#!"u8) ? 0b111_101_101 : 0b110_100_100);
            }
            if (Libc.Fsync(descriptor) < 0)
                throw new HostFailure("flush", fresh, Libc.LastError);
            if (Libc.Rename(fresh, path) < 0)
                throw new HostFailure("rename over", path, Libc.LastError);
            renamed = true;
        }
        finally
        {
            _ = Libc.Close(descriptor);
            if (!renamed)
                _ = Libc.Unlink(fresh);
        }
    }

    static void ChangeMode(int descriptor, string path, int mode)
    {
        if (Libc.ChangeMode(descriptor, mode) < 0)
            throw new HostFailure("change the mode of", path, Libc.LastError);
    }

    /// <returns>Mode, user and group; null where there is no file.</returns>
    static (int Mode, int User, int Group)? Look(string path)
    {
        // struct statx, include/uapi/linux/stat.h: uid at 20, gid at 24, mode at 28.
        Span<byte> stat = stackalloc byte[256];
        if (Libc.Stat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_MODE_UID_GID | 1, stat) < 0)
            return Libc.LastError == Errno.ENOENT ? null : throw new HostFailure("look at", path, Libc.LastError);
        var mode = BinaryPrimitives.ReadUInt16LittleEndian(stat[28..]);
        if ((mode & FileType) != RegularFile)
            throw new HostFailure($"{path} is no regular file, and is not replaced");
        return (mode & 0xfff, BinaryPrimitives.ReadInt32LittleEndian(stat[20..]), BinaryPrimitives.ReadInt32LittleEndian(stat[24..]));
    }

    static void CopyAttributes(string path, int descriptor, string fresh)
    {
        var names = new byte[64 * 1024];
        var length = Libc.ListAttributes(path, names, names.Length);
        if (length < 0)
        {
            if (Libc.LastError == Errno.EOPNOTSUPP)
                return;
            throw new HostFailure("list the extended attributes of", path, Libc.LastError);
        }
        var value = new byte[64 * 1024];
        foreach (var name in Encoding.UTF8.GetString(names, 0, (int)length).Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            var size = Libc.GetAttribute(path, name, value, value.Length);
            if (size < 0 || Libc.SetAttribute(descriptor, name, value, size, 0) < 0)
                throw new HostFailure($"copy the extended attribute {name} to", fresh, Libc.LastError);
        }
    }
}
