namespace PciPass.Core.Rules;

/// <summary>The function is without power, by the kernel's own saving.</summary>
public sealed class SwitchedOff : Rule
{
    public override string Code => "d3cold";
    public override string Meaning => "The function is switched off to save power (D3cold): it is switched on when it is needed, and some do not come back, or lose what firmware had set.";
    public override string Source => "power_state and d3cold_allowed in sysfs (Documentation/ABI/testing/sysfs-bus-pci); Linux: vfio-pci lets idle functions sleep (disable_idle_d3).";
    public override string Remedy => "echo 0 > d3cold_allowed.";
    public override Weights Weights => Weights.Warn;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in ToTake(host, request)
        where function.IsSwitchedOff
        select Warn(function.Address, $"{function.Address} is switched off now", "its power_state is D3cold", $"echo 0 > /sys/bus/pci/devices/{function.Address}/d3cold_allowed     keeps it from that");
}
