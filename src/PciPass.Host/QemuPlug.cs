using PciPass.Core;

namespace PciPass.Host;

/// <summary>Plugs a function into a guest of QEMU, or out of it, and looks whether it is there.</summary>
static class QemuPlug
{
    /// <summary>How long a guest may take to let go: a PCI Express port's button alone is given five seconds by the specification.</summary>
    static readonly TimeSpan GuestDeadline = TimeSpan.FromSeconds(30);

    /// <summary>QEMU answers nobody while it maps or unmaps its guest's memory for a function (more than 5 s for 192 MiB, seen in the lab, under emulation and load).</summary>
    static readonly TimeSpan AnswerDeadline = TimeSpan.FromSeconds(60);

    public static bool IsGone(HostSystem host, Plug plug) => QemuProcess.Find(host.Files, plug.Start) is null;

    public static Observation Observe(HostSystem host, Plug plug)
    {
        var (without, with) = plug.Plugged ? (Position.From, Position.To) : (Position.To, Position.From);
        if (QemuProcess.Find(host.Files, plug.Start) is not QemuProcess process)
            return new Observation(without, $"{plug.Start.Words} has ended");
        using var monitor = process.Open(host, AnswerDeadline);
        return Find(monitor, plug) is QemuFunction function
            ? new Observation(with, $"{plug.Guest} has it as {function.VirtualSlot ?? function.Path}")
            : new Observation(without, $"{plug.Guest} does not have it");
    }

    public static void Act(HostSystem host, Plug plug)
    {
        var process = QemuProcess.Find(host.Files, plug.Start) ?? throw new HostFailure($"guest {plug.Guest} ({plug.Start.Words}) has ended");
        using var monitor = process.Open(host, AnswerDeadline);
        if (!plug.Plugged)
        {
            if (Find(monitor, plug) is QemuFunction function)
                monitor.Remove(function, GuestDeadline);
            return;
        }
        if (Find(monitor, plug) is not null)
            return;
        monitor.Add(plug.Address, monitor.FreePorts().FirstOrDefault() ?? throw new HostFailure($"guest {plug.Guest} has no free port for {plug.Address}"));
    }

    static QemuFunction? Find(QemuMonitor monitor, Plug plug) => monitor.Functions().FirstOrDefault(function => function.Address == plug.Address);
}
