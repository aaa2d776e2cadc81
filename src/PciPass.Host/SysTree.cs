using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;

namespace PciPass.Host;

/// <summary>
/// The host's files, at the boundary where bytes cross: sysfs, procfs, configuration and pcipass's own state. There are two:
/// <see cref="LinuxTree"/>, and the simulator's, so that everything above runs the same on both.
/// </summary>
/// <remarks>
/// All paths are absolute. Every method throws <see cref="HostFailure"/> with the kernel's error number. The methods that change
/// something are told apart by what they mean: <see cref="WriteAttribute"/> speaks to the kernel; the rest changes files.
/// </remarks>
public abstract class SysTree
{
    /// <summary>Reads from the start of a file until its end or until the buffer is full.</summary>
    /// <returns>The number of bytes; -1 when there is no such file.</returns>
    public abstract int Read(string path, Span<byte> buffer);

    /// <summary>A large file to be read from its beginning to its end; null when there is no such file.</summary>
    public virtual Stream? OpenFile(string path) => ReadAll(path) is byte[] bytes ? new MemoryStream(bytes, writable: false) : null;

    /// <summary>The files below a folder, for reading many of them.</summary>
    public virtual SysFolder OpenFolder(string path) => new(this, path);

    /// <summary>Whether several threads may read at the same time.</summary>
    public virtual bool IsForThreads => false;

    /// <summary>The target of a symbolic link as it stands; null when there is no such link.</summary>
    public abstract string? ReadLink(string path);

    /// <summary>The names in a directory, sorted by ordinal; empty when there is no such directory.</summary>
    public abstract IReadOnlyList<string> List(string path);

    /// <summary>Whether something is at the path (a dangling link counts).</summary>
    public abstract bool Exists(string path);

    /// <summary>Who may change what is at a path; null when nothing is there, or where owners and modes are not known.</summary>
    public virtual FileStatus? Look(string path) => null;

    /// <summary>
    /// How many bytes root can still write to the file system that a path is on, or would be: that of the nearest folder above it which is
    /// there. Null where that is not known, as of one in memory that has no limit.
    /// </summary>
    public virtual long? Room(string path) => null;

    /// <summary>
    /// Writes a value to an attribute of the kernel by one write(2). Never creates a file. The kernel may take its time, or for
    /// ever: after the deadline the write is left behind, and <see cref="DeadlinePassed"/> is thrown.
    /// </summary>
    public abstract void WriteAttribute(string path, string value, TimeSpan deadline);

    /// <summary>
    /// Reads an attribute whose reading takes the function's lock, and so waits for whatever holds it, for ever if need be
    /// (<c>driver_override</c>; drivers/pci/pci-sysfs.c). After the deadline it is left behind, and <see cref="DeadlinePassed"/> is thrown.
    /// </summary>
    /// <returns>The text without its last line's end; null when there is no such attribute.</returns>
    public abstract string? ReadAttribute(string path, TimeSpan deadline);

    /// <summary>
    /// Which block devices cannot be had for oneself alone, since something holds them so: a mount in whatever namespace, swap, a volume, a
    /// pool (open(2), O_EXCL). Not one that cannot be asked, or that does not answer until the deadline.
    /// </summary>
    public virtual IReadOnlyList<string> Held(IReadOnlyList<string> paths, TimeSpan deadline) => [];

    /// <summary>Makes a directory of mode 0700 with its parents, and flushes each one's parent to disk; does nothing where it exists.</summary>
    public abstract void MakeDirectory(string path);

    /// <summary>Creates a file of mode 0600 that must not exist, with this content, and flushes the file and its directory to disk.</summary>
    public abstract void CreateFile(string path, ReadOnlySpan<byte> content);

    /// <summary>Adds to the end of a file that must exist and be no link; with <paramref name="flush"/>, returns once it is on disk.</summary>
    public abstract void Append(string path, ReadOnlySpan<byte> content, bool flush);

    /// <summary>
    /// Replaces a file whole and atomically, keeping its owner, mode and extended attributes; a new one gets mode 0644, or 0755
    /// where it is a program (<c>#!</c>, ELF), and its folders are made with mode 0755. Returns once it is on disk. Follows no link at the path itself.
    /// </summary>
    public abstract void ReplaceFile(string path, ReadOnlySpan<byte> content);

    /// <summary>Removes a file, and what an interrupted <see cref="ReplaceFile"/> left beside it; returns once that is on disk. Does nothing where there is none.</summary>
    public abstract void RemoveFile(string path);

    /// <summary>
    /// Waits for the exclusive lock of a file (flock(2)), which it creates where needed, and holds it until disposed or until the
    /// process ends, however it ends.
    /// </summary>
    /// <returns>Null when others held it until the deadline.</returns>
    public abstract IDisposable? Lock(string path, TimeSpan deadline);

    /// <summary>A small file's text (up to 1 MiB) without its last line's end; null when there is no such file.</summary>
    [SkipLocalsInit]
    public string? ReadText(string path)
    {
        Span<byte> buffer = stackalloc byte[4096];
        var count = Read(path, buffer);
        if (count < 0)
            return null;
        if (count < buffer.Length)
            return Encoding.UTF8.GetString(buffer[..count]).TrimEnd('\n');
        var whole = ReadAll(path);
        return whole is null ? null : Encoding.UTF8.GetString(whole).TrimEnd('\n');
    }

    /// <summary>A file's bytes, up to 64 MiB; null when there is no such file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="expected">About how long it is: more than that, and it is read again from its start.</param>
    /// <exception cref="HostFailure">It is longer.</exception>
    public byte[]? ReadAll(string path, int expected = 64 * 1024)
    {
        for (var size = expected; size <= 64 * 1024 * 1024; size *= 4)
        {
            // Most files are small, and many are not there.
            var buffer = ArrayPool<byte>.Shared.Rent(size);
            try
            {
                var count = Read(path, buffer);
                if (count < 0)
                    return null;
                if (count < buffer.Length)
                    return buffer[..count];
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
        throw new HostFailure($"read {path}: longer than 64 MiB");
    }
}
