namespace PciPass.Core.Rules;

/// <summary>The host's network runs over the function.</summary>
public sealed class InUseNetwork : Rule
{
    public override string Code => "in-use-network";
    public override string Meaning => "The host uses the function's network interface: an address, a route, a port of a bridge, bond, team or Open vSwitch, below a VLAN or macvlan, a wireless connection, or the way to a file system or disk on another machine.";
    public override string Source => "rtnetlink(7) addresses, /proc/net/route, /proc/net/ipv6_route, /sys/class/net/NAME/master, upper_* and operstate; addr= in /proc/self/mountinfo, /sys/class/iscsi_connection, /sys/class/nvme.";
    public override string Remedy => "Take the address, the route or the port away first.";
    public override Weights Weights => Weights.RefuseUnlessAccepted | Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            foreach (var use in host.UsesOf(function.Address))
            {
                var (why, remedy) = use.Kind switch
                {
                    HostUseKind.NetworkAddress => ($"the host has the address {use.Detail} on its interface {use.Name}", $"ip address del {use.Detail} dev {use.Name}"),
                    HostUseKind.DefaultRoute => ($"the host's default route goes through its interface {use.Name} ({use.Detail})", $"move the default route to another interface, then again"),
                    HostUseKind.Route => ($"the host's route to {use.Detail} goes through its interface {use.Name}", $"ip route del {use.Detail} dev {use.Name}"),
                    HostUseKind.NetworkPort when use.Detail == "ovs-system" => ($"its interface {use.Name} is a port of an Open vSwitch bridge", $"ovs-vsctl del-port {use.Name}"),
                    HostUseKind.NetworkPort => ($"its interface {use.Name} is a port of {use.Detail}", $"ip link set {use.Name} nomaster"),
                    HostUseKind.NetworkLower => ($"the interface {use.Detail} stands on its interface {use.Name}", use.Detail.Contains(' ') ? "end that container, or remove the interface there" : $"ip link del {use.Detail}"),
                    HostUseKind.WirelessLink => ($"its wireless interface {use.Name} is connected", $"ip link set {use.Name} down"),
                    // Never to be risked: without its files, what rolls back may stand still as well.
                    HostUseKind.NetworkStorage => ($"the host gets {use.Detail} over its interface {use.Name}", "unmount it, or log out from that target; a root file system stays"),
                    _ => (null, null),
                };
                if (why is null)
                    continue;
                // What a rollback can set up again may be risked; what stands on the interface would be gone for good.
                yield return request.RollbackAfter is not null && use.Kind is HostUseKind.NetworkAddress or HostUseKind.DefaultRoute or HostUseKind.Route or HostUseKind.NetworkPort
                    ? RefuseUnlessAccepted(function.Address, Cannot(function, request), why, $"{remedy}; or go on with --accept {Code}: a rollback sets it up again")
                    : Refuse(function.Address, Cannot(function, request), why, remedy!);
            }
        }
    }
}
