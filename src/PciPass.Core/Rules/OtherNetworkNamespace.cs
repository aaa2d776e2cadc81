namespace PciPass.Core.Rules;

/// <summary>The function's interface is where it cannot be seen from here.</summary>
public sealed class OtherNetworkNamespace : Rule
{
    public override string Code => "other-namespace";
    public override string Meaning => "A network card has a driver and no interface here, and the host has other network namespaces (containers): one of them has it.";
    public override string Source => "network_namespaces(7): sysfs shows the interfaces of one's own namespace only.";
    public override string Remedy => "Bring the interface back into the first namespace, and look again.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in ToTake(host, request)
        from use in host.UsesOf(function.Address)
        where use.Kind == HostUseKind.OtherNetworkNamespace
        select RefuseUnlessAccepted(function.Address, Cannot(function, request), $"its driver {use.Name} made no interface that is seen here, so another network namespace may have it ({use.Detail})",
            $"ip -n NAME link set INTERFACE netns 1     brings it back; or go on with --accept {Code}");
}
