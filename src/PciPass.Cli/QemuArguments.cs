using System.CommandLine;
using PciPass.Core;

namespace PciPass.Cli;

/// <summary><c>attach --print qemu-args</c>: for those who start QEMU themselves.</summary>
static class QemuArguments
{
    public static Option<string> Option()
    {
        var option = new Option<string>("--print") { Description = "Do nothing, and print the arguments with which QEMU starts the guest with these functions.", HelpName = "qemu-args" };
        option.AcceptOnlyFromAmong("qemu-args");
        return option;
    }

    /// <param name="session">The session.</param>
    /// <param name="snapshot">The host.</param>
    /// <param name="plan">What hides the functions now, or why they cannot go.</param>
    /// <exception cref="UsageError">The guests here are Xen's.</exception>
    public static int Print(Session session, HostSnapshot snapshot, Plan plan)
    {
        if (snapshot.Hypervisor != Hypervisor.None)
            throw new UsageError("QEMU starts no guests with functions here", "below this kernel is Xen, whose guests get them by xl", "pcipass attach DEV... GUEST");
        if (plan.IsRefused)
            return ChangeCommand.WritePlan(session, plan, json: false);
        Messages.WriteWarnings(session.Terminal, plan);
        // A port for each, since one takes one device. QEMU wants the numbers of their chassis to differ from those of others.
        foreach (var (number, address) in plan.Request.Functions.Index())
            session.Terminal.Output.WriteLine($"-device pcie-root-port,id=pcipass{number + 1},chassis={number + 101} -device vfio-pci,host={address},bus=pcipass{number + 1}");
        if (!plan.Steps.IsEmpty)
            session.Terminal.Errors.WriteLine($"{session.Terminal.Yellow("note:")}  first pcipass hide {string.Join(' ', plan.Request.Functions)}     QEMU takes only what vfio-pci holds");
        return ExitCode.Done;
    }
}
