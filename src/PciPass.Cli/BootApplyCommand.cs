using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary><c>pcipass boot apply</c>: hides what /etc/pcipass/devices lists. Run by the initramfs (<c>--early</c>), and once more by a unit.</summary>
static class BootApplyCommand
{
    public static Command Create(Session session)
    {
        var early = new Option<bool>("--early") { Description = "In the initramfs: without a journal, before the drivers, and before xenstore." };
        var command = new Command("apply", $"Hide what {DeviceList.Path} lists, each function after its identity was compared. Exit code 1 when a line hides nothing.") { early };
        command.SetAction(parsed => Run(session, parsed.GetValue(early)));
        return command;
    }

    static int Run(Session session, bool early)
    {
        var host = session.Host;
        if (host.Caller.UserId != 0)
        {
            Messages.Write(session.Terminal, "only root can hide functions", "not-root", $"this is user {host.Caller.UserName}", "the same with sudo");
            return ExitCode.Refused;
        }
        var start = host.Clock.GetTimestamp();
        var devices = DeviceListFile.Read(host.Files);
        if (devices.Functions.IsEmpty && devices.Errors.IsEmpty)
            return ExitCode.Done;
        var hider = new BootHider(host);
        IReadOnlyList<BootReport> reports;
        if (early)
        {
            reports = hider.Apply(devices);
        }
        else
        {
            using var held = session.Journal.Lock(TimeSpan.FromSeconds(120));
            RecoverCommand.RecoverInterrupted(session);
            // What a restart interrupted, or nobody confirmed, is out of the list again.
            devices = DeviceList.Parse(host.Files.ReadAll(DeviceList.Path) is byte[] now ? new FileContent(now) : null);
            reports = ApplyLate(session, devices, hider);
        }
        foreach (var report in reports)
        {
            hider.Log(isError: !report.IsHidden, report.Text);
            (report.IsHidden ? session.Terminal.Output : session.Terminal.Errors).WriteLine(report.Text);
        }
        var hidden = reports.Count(report => report.IsHidden);
        hider.Log(isError: false, string.Create(CultureInfo.InvariantCulture,
            $"{hidden} of {reports.Count} lines hidden {(early ? "before the drivers" : "late")}, in {host.Clock.GetElapsedTime(start).TotalMilliseconds:0} ms"));
        return hidden == reports.Count ? ExitCode.Done : ExitCode.Refused;
    }

    /// <summary>
    /// On a host that runs, in dom0, it is an ordinary hiding with all its rules and its journal, one function at a time: what stands
    /// against one is nothing against the next.
    /// </summary>
    static List<BootReport> ApplyLate(Session session, DeviceList devices, BootHider hider)
    {
        var snapshot = session.Read();
        if (snapshot.Hypervisor != Hypervisor.XenDom0)
            return [.. hider.Apply(devices)];
        if (!snapshot.PcibackLoaded && !devices.Functions.IsEmpty)
        {
            hider.LoadModule(DriverName.Pciback);
            snapshot = session.Read();
        }
        List<BootReport> reports = [.. devices.Errors.Select(error => new BootReport(false, $"{error}: nothing is hidden for it"))];
        foreach (var decision in BootDecision.Of(devices, snapshot.Functions, snapshot.Hypervisor))
            reports.Add(ApplyLate(session, snapshot, decision));
        return reports;
    }

    static BootReport ApplyLate(Session session, HostSnapshot snapshot, BootDecision decision)
    {
        var line = $"line {decision.Kept.Line} of {DeviceList.Path}: {decision.Kept.Address}";
        if (decision.Function is not PciFunction function)
            return new BootReport(false, $"{line} is NOT hidden: {decision.Why}");
        var subject = decision.Why.Length == 0 ? $"{function.Address}" : $"{function.Address} ({decision.Why})";
        if (function.Driver == decision.Kept.Driver)
            return new BootReport(true, $"{subject} is hidden, with driver {function.Driver}");
        var plan = Planner.Plan(snapshot, new Request(Verb.Hide, [function.Address], null, []));
        if (plan.IsRefused)
            return new BootReport(false, $"{line} is NOT hidden: {string.Join("; ", plan.Refusals.Select(finding => $"{finding.Why} [{finding.Code}]"))}");
        var outcome = session.Executor(json: true).Run(snapshot, plan);
        return outcome.Result == Result.Done
            ? new BootReport(true, $"{subject} is hidden late, after {(function.Driver is DriverName driver ? $"driver {driver}" : "the drivers")} (operation {outcome.Operation.Number})")
            : new BootReport(false, $"{line} is NOT hidden: {string.Join("; ", outcome.Errors)}");
    }
}
