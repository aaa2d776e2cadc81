namespace PciPass.Host;

/// <summary>Linux' error numbers that this program meets (include/uapi/asm-generic/errno-base.h and errno.h).</summary>
public static class Errno
{
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int ESRCH = 3;
    public const int EINTR = 4;
    public const int EIO = 5;
    public const int ENXIO = 6;
    public const int EAGAIN = 11;
    public const int ENOMEM = 12;
    public const int EACCES = 13;
    public const int EBUSY = 16;
    public const int EEXIST = 17;
    public const int ENODEV = 19;
    public const int ENOTDIR = 20;
    public const int EISDIR = 21;
    public const int EINVAL = 22;
    public const int ENOSPC = 28;
    public const int EROFS = 30;
    public const int ERANGE = 34;
    public const int ELOOP = 40;
    public const int EOPNOTSUPP = 95;

    static readonly Dictionary<int, string> Texts = new()
    {
        [EPERM] = "operation not permitted (EPERM)",
        [ENOENT] = "no such file or directory (ENOENT)",
        [ESRCH] = "no such process (ESRCH)",
        [EINTR] = "interrupted (EINTR)",
        [EIO] = "input/output error (EIO)",
        [ENXIO] = "no such device or address (ENXIO)",
        [EAGAIN] = "try again (EAGAIN)",
        [ENOMEM] = "out of memory (ENOMEM)",
        [EACCES] = "permission denied (EACCES)",
        [EBUSY] = "device or resource busy (EBUSY)",
        [EEXIST] = "file exists (EEXIST)",
        [ENODEV] = "no such device (ENODEV)",
        [ENOTDIR] = "not a directory (ENOTDIR)",
        [EISDIR] = "is a directory (EISDIR)",
        [EINVAL] = "invalid argument (EINVAL)",
        [ENOSPC] = "no space left on device (ENOSPC)",
        [EROFS] = "read-only file system (EROFS)",
        [ERANGE] = "number out of range (ERANGE)",
        [ELOOP] = "a symbolic link where none may be (ELOOP)",
        [EOPNOTSUPP] = "operation not supported (EOPNOTSUPP)",
    };

    public static string Describe(int errno) => Texts.GetValueOrDefault(errno) ?? $"error {errno}";
}
