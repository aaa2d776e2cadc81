namespace PciPass.Core.Rules;

/// <summary>A watchdog that runs.</summary>
public sealed class InUseWatchdog : Rule
{
    public override string Code => "in-use-watchdog";
    public override string Meaning => "The function is a watchdog that is running: once nobody tends it, it restarts the host.";
    public override string Source => "/sys/class/watchdog/NAME/state (Documentation/ABI/testing/sysfs-class-watchdog).";
    public override string Remedy => "Stop what tends it, in an orderly way.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in ToTake(host, request)
        from use in host.UsesOf(function.Address)
        where use.Kind == HostUseKind.Watchdog
        select Refuse(function.Address, Cannot(function, request), $"its watchdog {use.Name} ({use.Detail}) is running", "stop what tends it (RuntimeWatchdogSec in /etc/systemd/system.conf, the watchdog service), in an orderly way");
}
