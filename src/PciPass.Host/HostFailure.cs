namespace PciPass.Host;

/// <summary>The host refused an operation: what was tried, on what, and the kernel's error number.</summary>
public class HostFailure : Exception
{
    /// <param name="operation">What was tried: <c>open</c>, <c>read</c>, <c>write 0000:09:00.0 to</c>.</param>
    /// <param name="path">On what.</param>
    /// <param name="errno">The kernel's error number, as it is on Linux.</param>
    public HostFailure(string operation, string path, int errno)
        : base($"{operation} {path}: {Errno.Describe(errno)}")
    {
        Path = path;
        ErrorNumber = errno;
    }

    /// <summary>A failure that has no error number, such as a program's or a protocol's.</summary>
    public HostFailure(string message)
        : base(message) => Path = "";

    public string Path { get; }

    /// <summary>0 when the failure has none.</summary>
    public int ErrorNumber { get; }
}

/// <summary>
/// The kernel, a program or a guest did not answer in time, and may yet: nothing can be said about what it did. A write to a
/// driver's <c>unbind</c> can wait in the kernel for ever.
/// </summary>
public sealed class DeadlinePassed(string what, TimeSpan deadline)
    : HostFailure($"{what}: no answer within {deadline.TotalSeconds:0.#} s");
