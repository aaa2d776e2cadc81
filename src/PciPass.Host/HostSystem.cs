using PciPass.Core;

namespace PciPass.Host;

/// <summary>
/// Everything through which this program touches a host: files, programs, xenstore, the kernel's network tables, the clock. There
/// are two: <see cref="LinuxSystem"/>, and the simulator's.
/// </summary>
public abstract class HostSystem
{
    static readonly TimeSpan XenInfoDeadline = TimeSpan.FromSeconds(30);

    public abstract SysTree Files { get; }

    public abstract TimeProvider Clock { get; }

    /// <summary>Who runs this program, for the journal.</summary>
    public abstract Caller Caller { get; }

    /// <summary>Where the system is mounted that is meant; null for the running host itself.</summary>
    public virtual string? Root => null;

    /// <summary>Where this program is installed: an absolute path.</summary>
    public virtual string ProgramPath => "/usr/sbin/pcipass";

    /// <summary>A variable of this program's environment; null when it is not set.</summary>
    public virtual string? Variable(string name) => null;

    /// <summary>
    /// Whether somebody asked this program to end (Ctrl-C, SIGTERM, SIGHUP). From the first time this is asked, these signals end
    /// nothing by themselves: an operation that is cut off is worse than one that is undone.
    /// </summary>
    public virtual bool IsInterrupted => false;

    /// <summary>Whether this is no host but what somebody took along of one: it can be looked at only, and may lack parts.</summary>
    public virtual bool IsRecorded => false;

    /// <summary>Runs a program found on the path, without a shell and without input, and waits for it.</summary>
    /// <exception cref="HostFailure">It cannot be started.</exception>
    /// <exception cref="DeadlinePassed">It was still running; it is left running, since killing a toolstack half way helps nobody.</exception>
    public abstract ProgramResult Run(string program, IReadOnlyList<string> arguments, TimeSpan deadline);

    /// <summary>The same for a program that reads a file as its input.</summary>
    /// <param name="program">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="deadline">How long it may take.</param>
    /// <param name="input">The file; null for no input.</param>
    public virtual ProgramResult Run(string program, IReadOnlyList<string> arguments, TimeSpan deadline, string? input) =>
        input is null ? Run(program, arguments, deadline) : throw new NotSupportedException("no program reads a file there");

    /// <summary>What this program is given as its own input.</summary>
    public virtual Stream OpenInput() => Stream.Null;

    /// <summary>
    /// Starts this program once more, in a session of its own and without a terminal, so that it outlives whoever started it. Returns once it
    /// has come so far.
    /// </summary>
    /// <exception cref="HostFailure">It cannot be started.</exception>
    public virtual void StartDetached(params IReadOnlyList<string> arguments) => throw new NotSupportedException("nothing can be started there");

    /// <summary>Lets time pass.</summary>
    public virtual void Wait(TimeSpan time) => throw new NotSupportedException("no time passes there");

    /// <summary>
    /// Lets a program found on the path make something of a stream, without a shell: the stream is its input, what it writes is read while
    /// it runs. It is ended when it takes too long, or when nobody reads any more.
    /// </summary>
    /// <exception cref="HostFailure">It cannot be started, failed, or took too long.</exception>
    public virtual void Filter(string program, IReadOnlyList<string> arguments, Stream input, Action<Stream> read, TimeSpan deadline) =>
        throw new HostFailure("start", program, Errno.ENOENT);

    /// <summary>What <c>xl info</c> says of the hypervisor and of how it was booted.</summary>
    /// <exception cref="HostFailure">It cannot be started.</exception>
    public virtual ProgramResult XenInfo() => Run("xl", ["info"], XenInfoDeadline);

    /// <summary>The kernel's log of this boot as far back as it goes, in the form of syslog(2); empty where there is none, or where it may not be read.</summary>
    public virtual string ReadKernelLog() => "";

    /// <summary>Connects to xenstore; null where there is none.</summary>
    public abstract ByteChannel? ConnectXenstore();

    /// <summary>Connects to a Unix socket; null where nothing listens.</summary>
    /// <exception cref="HostFailure">It cannot be connected to.</exception>
    public virtual ByteChannel? ConnectSocket(string path) => null;

    /// <summary>
    /// The kernel's answer to a request for all addresses of all network interfaces: RTM_NEWADDR messages one after the other
    /// (rtnetlink(7)).
    /// </summary>
    public abstract byte[] DumpAddresses();

    /// <summary>
    /// The interfaces of another network namespace that stand on one outside of it: a container's macvlan on the host's card. No list of the
    /// host's shows them (seen in the lab).
    /// </summary>
    /// <param name="space">The namespace's file: <c>/proc/812/ns/net</c>, <c>/run/netns/blue</c>.</param>
    /// <returns>None where it cannot be looked into.</returns>
    public virtual IReadOnlyList<ForeignLink> ForeignLinks(string space) => [];
}

/// <summary>How a program ended.</summary>
/// <param name="ExitCode">Its exit code; 128 + n when signal n ended it.</param>
/// <param name="Output">What it wrote to standard output.</param>
/// <param name="Errors">What it wrote to standard error.</param>
public sealed record ProgramResult(int ExitCode, string Output, string Errors);

/// <summary>Who runs this program.</summary>
/// <param name="UserId">The real user's id.</param>
/// <param name="UserName">Its name; the id where there is none.</param>
/// <param name="SudoUser">Whom sudo says it runs for (SUDO_USER); null without sudo. Told, not proven.</param>
/// <param name="ProcessId">This process.</param>
public sealed record Caller(int UserId, string UserName, string? SudoUser, int ProcessId);
