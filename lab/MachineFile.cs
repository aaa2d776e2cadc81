namespace PciPass.Lab;

/// <summary>A file that a machine finds in its root file system from the first moment on.</summary>
/// <param name="Path">Absolute path inside the machine.</param>
/// <param name="Content">Its bytes.</param>
/// <param name="Mode">Its permissions.</param>
public sealed record MachineFile(string Path, ReadOnlyMemory<byte> Content, UnixFileMode Mode)
{
    /// <summary>rw-r--r--</summary>
    public const UnixFileMode Plain = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>rwxr-xr-x</summary>
    public const UnixFileMode Program = Plain | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>A program of this host, which must be linked statically or need nothing but the C library.</summary>
    /// <exception cref="IOException">The host's file cannot be read.</exception>
    public static MachineFile FromHost(string hostPath, string path) => new(path, File.ReadAllBytes(hostPath), Program);
}
