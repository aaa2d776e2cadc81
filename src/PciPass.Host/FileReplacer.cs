using System.Text;

namespace PciPass.Host;

/// <summary>
/// Replaces a file atomically: a new one beside it, with the old one's owner, mode and extended attributes (SELinux' label and access
/// control lists are such), is flushed to disk and renamed over it. A reader sees the old bytes or the new ones, at any moment.
/// </summary>
static class FileReplacer
{
    /// <summary>Where the new content is written before it has its name.</summary>
    public static string NewPathOf(string path) => $"{path[..(path.LastIndexOf('/') + 1)]}.{path[(path.LastIndexOf('/') + 1)..]}.pcipass-new";

    /// <summary>The caller flushes the folder afterwards.</summary>
    public static void Replace(string path, ReadOnlySpan<byte> content)
    {
        var former = LinuxTree.LookAtFile(path);
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
            if (former is FileStatus was)
            {
                if (Libc.ChangeOwner(descriptor, was.UserId, was.GroupId) < 0)
                    throw new HostFailure("change the owner of", fresh, Libc.LastError);
                CopyAttributes(path, descriptor, fresh);
                // After the owner: changing that takes the set-user-id bits away.
                ChangeMode(descriptor, fresh, was.Mode);
            }
            else
            {
                ChangeMode(descriptor, fresh, content.StartsWith("#!"u8) || content.StartsWith("\u007fELF"u8) ? 0b111_101_101 : 0b110_100_100);
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
