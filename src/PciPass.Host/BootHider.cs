using System.Collections.Immutable;
using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Core.Rules;

namespace PciPass.Host;

/// <summary>What came of one line of /etc/pcipass/devices when the host started.</summary>
/// <param name="IsHidden">Whether the function that the line means is with the driver that holds it for guests.</param>
/// <param name="Text">What was done, or why nothing was, with the line's address.</param>
public sealed record BootReport(bool IsHidden, string Text);

/// <summary>
/// Hides functions while the host starts, before their own drivers come: in the initramfs, where there is no disk for a journal yet, no
/// xenstore and no toolstack. Each line's identity is compared first. What it does is undone by the next start without the line.
/// </summary>
/// <remarks>
/// <c>driver_override</c> keeps the host's drivers away even where the driver that holds functions is missing in the initramfs: it
/// takes the function when it comes. Xen's quarantine is left to the moment a guest gets the function.
/// </remarks>
public sealed class BootHider(HostSystem host)
{
    static readonly TimeSpan ModprobeDeadline = TimeSpan.FromSeconds(20);

    /// <summary>A start must not wait long for one card.</summary>
    readonly StepRunner runner = new(host, writeDeadline: TimeSpan.FromSeconds(10));

    /// <summary>Hides what the lines mean, and tells of each line. Nothing that goes wrong with one keeps the next from being done.</summary>
    public IReadOnlyList<BootReport> Apply(DeviceList devices)
    {
        List<BootReport> reports = [.. devices.Errors.Select(error => new BootReport(false, $"{error}: nothing is hidden for it"))];
        if (devices.Functions.IsEmpty)
            return reports;
        var names = KernelNames.Read(host.Files);
        var snapshot = new HostSnapshot
        {
            BootId = "",
            Hypervisor = XenReader.ReadHypervisor(host.Files),
            Functions = FunctionReader.Read(host.Files, names, ImmutableHashSet<PciAddress>.Empty),
        };
        ImmutableArray<HostUse>? uses = null;
        foreach (var decision in BootDecision.Of(devices, snapshot.Functions, snapshot.Hypervisor))
            reports.Add(Apply(decision, function => InUse(snapshot with { Uses = uses ??= UseReader.Read(host, names, snapshot.Functions) }, function)));
        return reports;
    }

    BootReport Apply(BootDecision decision, Func<PciFunction, string?> inUse)
    {
        var line = $"line {decision.Kept.Line} of {DeviceList.Path}: {decision.Kept.Address}";
        if (decision.Function is not PciFunction function)
            return new BootReport(false, $"{line} is NOT hidden: {decision.Why}");
        var subject = decision.Why.Length == 0 ? $"{function.Address}" : $"{function.Address} ({decision.Why})";
        if (function.Driver == decision.Kept.Driver)
            return new BootReport(true, $"{subject} is hidden, with driver {function.Driver}");
        if (function.Driver is not null && inUse(function) is string use)
            return new BootReport(false, $"{line} is NOT hidden: {use}");
        try
        {
            return Hide(function, decision.Kept.Driver, subject);
        }
        catch (HostFailure failure)
        {
            return new BootReport(false, $"{line} is NOT hidden: {failure.Message}");
        }
    }

    BootReport Hide(PciFunction function, DriverName driver, string subject)
    {
        LoadModule(driver);
        if (function.Driver is DriverName native)
            runner.Act(new Rebind(function.Address, native, null));
        try
        {
            if (function.DriverOverride != driver)
                runner.Act(new SetDriverOverride(function.Address, function.DriverOverride, driver));
            runner.Act(new Probe(function.Address));
        }
        catch (HostFailure) when (function.Driver is not null)
        {
            GoBack(function, function.Driver.Value);
            throw;
        }
        if (runner.Undriven(function.Address) is Rebind { From: DriverName now } && now == driver)
            return new BootReport(true, $"{subject} is hidden, with driver {driver}{(function.Driver is DriverName former ? $"; {former} had it before" : "")}");
        if (function.Driver is DriverName before)
        {
            GoBack(function, before);
            throw new HostFailure($"{driver} did not take it; {before} has it again");
        }
        return new BootReport(false, $"{subject} has no driver: its driver_override keeps the host's away, and {driver} takes it once it is loaded");
    }

    void GoBack(PciFunction function, DriverName native)
    {
        runner.Act(new SetDriverOverride(function.Address, null, function.DriverOverride));
        if (runner.Undriven(function.Address) is null)
            runner.Act(new Rebind(function.Address, null, native));
    }

    /// <summary>Loads the driver that holds functions, where it is not there yet: nobody else may do so while a host starts.</summary>
    public void LoadModule(DriverName driver)
    {
        if (host.Files.Exists($"/sys/bus/pci/drivers/{driver}"))
            return;
        try
        {
            host.Run("modprobe", [driver == DriverName.Pciback ? "xen-pciback" : $"{driver}"], ModprobeDeadline);
        }
        catch (HostFailure)
        {
            // Without modprobe, or with a module that does not load: whether the function was taken is looked at afterwards.
        }
    }

    static string? InUse(HostSnapshot snapshot, PciFunction function)
    {
        var request = new Request(Verb.Hide, [function.Address], null, []);
        return Catalogue.All.Where(rule => rule.Code.StartsWith("in-use", StringComparison.Ordinal)).SelectMany(rule => rule.Check(snapshot, request)).FirstOrDefault()?.Why;
    }

    /// <summary>Writes into the kernel's log, which is there before any other log is (Documentation/ABI/testing/dev-kmsg).</summary>
    /// <returns>False where it cannot be written.</returns>
    public bool Log(bool isError, string text)
    {
        try
        {
            host.Files.WriteAttribute("/dev/kmsg", $"<{(isError ? 3 : 6)}>pcipass: {text}\n", TimeSpan.FromSeconds(5));
            return true;
        }
        catch (HostFailure)
        {
            return false;
        }
    }
}
