namespace PciPass.Core.Rules;

/// <summary>Nothing can reset the function alone.</summary>
public sealed class NoReset : Rule
{
    public override string Code => "no-reset";
    public override string Meaning => "The function cannot be reset alone: what its last owner left in it, the next one finds, and a guest that dies may leave it unusable until the host restarts.";
    public override string Source => "Linux: reset_method in sysfs (Documentation/ABI/testing/sysfs-bus-pci); xl ignores a reset that fails (libxl_pci.c).";
    public override string Remedy => "Give it only to guests that trust each other.";
    public override Weights Weights => Weights.Warn;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            if (function.Resets != ResetMethods.None || !function.IsEndpoint)
                continue;
            var others = function.Parent is PciAddress bridge ? host.ChildrenOf(bridge).Select(other => other.Address).Where(other => other != function.Address).ToArray() : [];
            var bus = function.Parent is null ? "and it sits on a root bus, which cannot be reset" : others.Length == 0 ? "" : $"and a reset of its bus would hit {Isolation.Listed(others)} too";
            yield return Warn(function.Address, $"{function.Address} cannot be reset", $"the kernel knows no way to reset it alone{(bus.Length > 0 ? $", {bus}" : "")}",
                "give it to guests that trust each other only");
        }
    }
}
