using System.Globalization;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>A running QEMU, as /proc shows it.</summary>
/// <param name="Name">Its guest's name; <c>pid-4711</c> where it has none, or one that cannot be written here.</param>
/// <param name="Start">The process.</param>
/// <param name="Socket">The absolute path of its QMP monitor's socket; null without one.</param>
sealed record QemuProcess(GuestName Name, GuestStart Start, string? Socket)
{
    /// <summary>All that run, in the order of their numbers.</summary>
    public static IEnumerable<QemuProcess> All(SysTree files) =>
        from name in files.List("/proc")
        where name.All(char.IsAsciiDigit)
        let id = int.Parse(name, NumberStyles.None, CultureInfo.InvariantCulture)
        orderby id
        let process = Find(files, id)
        where process is not null
        select process;

    /// <summary>The QEMU with this process number; null when there is none.</summary>
    static QemuProcess? Find(SysTree files, int id)
    {
        try
        {
            // The program, not what the process says of itself: anybody may call himself QEMU.
            if (files.ReadLink($"/proc/{id}/exe") is not string program || !IsQemu(program[(program.LastIndexOf('/') + 1)..]) || BeganAt(files, id) is not ulong began)
                return null;
            var line = QemuCommandLine.Parse((files.ReadText($"/proc/{id}/cmdline") ?? "").Split('\0'));
            var socket = line.MonitorPath is null or ['/', ..] ? line.MonitorPath : $"{files.ReadLink($"/proc/{id}/cwd")}/{line.MonitorPath}";
            var name = GuestName.TryParse(line.Name, out var given) ? given : GuestName.Parse($"pid-{id}");
            return new QemuProcess(name, GuestStart.Process(line.IsLibvirts ? Toolstack.Libvirt : Toolstack.Qemu, id, began), line.IsLibvirts ? null : socket);
        }
        catch (HostFailure)
        {
            // It has just ended, or is another user's.
            return null;
        }
    }

    /// <summary>Whether this start of a guest still runs.</summary>
    public static QemuProcess? Find(SysTree files, GuestStart start) => Find(files, start.Number) is QemuProcess process && process.Start == start ? process : null;

    /// <summary>Connects to its monitor.</summary>
    /// <param name="host">The host.</param>
    /// <param name="deadline">How long it may take to greet, and to answer each question.</param>
    /// <exception cref="HostFailure">There is none, or somebody else has it.</exception>
    public QemuMonitor Open(HostSystem host, TimeSpan deadline)
    {
        if (Socket is null)
            throw new HostFailure(Start.Toolstack == Toolstack.Libvirt ? "libvirt started it, and no libvirt listens at /run/libvirt that knows it: a user's own (qemu:///session), or one that does not run" : "it has no QMP monitor on a Unix socket (-qmp unix:PATH,server=on,wait=off)");
        var channel = host.ConnectSocket(Socket) ?? throw new HostFailure($"nothing listens at its monitor {Socket}");
        // The path may have become another's: what it says would then be of another guest.
        if (channel.PeerProcess is int peer && peer != Start.Number)
        {
            channel.Dispose();
            throw new HostFailure($"at its monitor {Socket} process {peer} answers");
        }
        try
        {
            return new QemuMonitor(new QmpClient(channel, host.Clock, deadline));
        }
        catch (DeadlinePassed)
        {
            throw new HostFailure($"its monitor {Socket} does not answer within {deadline.TotalSeconds:0} s: another program speaks to it, or QEMU is at work");
        }
    }

    /// <summary>A program that is replaced while it runs is shown as <c>qemu-system-x86_64 (deleted)</c>.</summary>
    static bool IsQemu(string program) => program.StartsWith("qemu-system-", StringComparison.Ordinal) || program.Split(' ')[0] is "qemu-kvm" or "kvm";

    /// <summary>Field 22 of /proc/PID/stat; the name in field 2 may hold anything, blanks and parentheses too (proc(5)).</summary>
    static ulong? BeganAt(SysTree files, int id)
    {
        var text = files.ReadText($"/proc/{id}/stat") ?? "";
        var fields = text[(text.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length > 19 && ulong.TryParse(fields[19], NumberStyles.None, CultureInfo.InvariantCulture, out var began) ? began : null;
    }
}
