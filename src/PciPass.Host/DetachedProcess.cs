using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace PciPass.Host;

/// <summary>
/// This same program, started so that it outlives whoever started it: in a session of its own, without a terminal, with nothing open that
/// others hold. A hang-up of the SSH session that it came from does not reach it (setsid(2)).
/// </summary>
/// <remarks>It says one line on its output once it has come so far, which its starter waits for.</remarks>
public static class DetachedProcess
{
    /// <summary>The argument that comes before its own.</summary>
    public const string Argument = "--detached";

    const string Ready = "ready";

    static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(20);

    /// <exception cref="HostFailure">It did not come so far.</exception>
    internal static void Start(IReadOnlyList<string> program, IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo(program[0]) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, WorkingDirectory = "/" };
        foreach (var argument in program.Skip(1).Append(Argument).Concat(arguments))
            start.ArgumentList.Add(argument);
        try
        {
            using var process = Process.Start(start)!;
            var line = process.StandardOutput.ReadLineAsync();
            if (!line.Wait(StartDeadline) || line.Result != Ready)
                throw new HostFailure($"{program[0]} {Argument} {string.Join(' ', arguments)} did not start");
        }
        catch (Win32Exception error)
        {
            throw new HostFailure("start", program[0], error.NativeErrorCode);
        }
    }

    /// <summary>Leaves the session and the terminal of whoever started this process, and tells that it has.</summary>
    /// <exception cref="HostFailure">The kernel refused.</exception>
    public static void Leave()
    {
        if (Libc.SetSession() < 0)
            throw new HostFailure("setsid", "", Libc.LastError);
        using (var output = Console.OpenStandardOutput())
            output.Write([.. Ready.Select(letter => (byte)letter), (byte)'\n']);
        var nothing = Libc.Open("/dev/null", Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        for (var descriptor = 0; nothing >= 0 && descriptor <= 2; descriptor++)
        {
            if (Libc.Duplicate(nothing, descriptor) < 0)
                throw new HostFailure("dup2", "/dev/null", Libc.LastError);
        }
        CloseInherited();
    }

    /// <summary>
    /// What a script has open for its programs (a lock, a pipe that another waits at the end of) came along as well, and would stay open
    /// for as long as this waits. Whatever this program opened itself is marked not to be inherited; all else was.
    /// </summary>
    static void CloseInherited()
    {
        foreach (var entry in Directory.GetFiles("/proc/self/fd"))
        {
            var descriptor = int.Parse(Path.GetFileName(entry), CultureInfo.InvariantCulture);
            if (descriptor > 2 && Libc.Control(descriptor, Libc.F_GETFD, 0) is >= 0 and var flags && (flags & Libc.FD_CLOEXEC) == 0)
                Libc.Close(descriptor);
        }
    }
}
