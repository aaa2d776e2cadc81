namespace PciPass.Core.Rules;

/// <summary>The host's network runs over the function.</summary>
public sealed class InUseNetwork : Rule
{
    public override string Code => "in-use-network";
    public override string Meaning => "The host uses the function's network interface: an address, a default route, a port of a bridge or bond, or below a VLAN.";
    public override string Source => "rtnetlink(7) addresses, /proc/net/route, /proc/net/ipv6_route, /sys/class/net/NAME/master and upper_*.";

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            foreach (var use in host.Uses.Where(use => use.Address == function.Address))
            {
                var (why, remedy) = use.Kind switch
                {
                    HostUseKind.NetworkAddress => ($"the host has the address {use.Detail} on its interface {use.Name}", $"ip address del {use.Detail} dev {use.Name}"),
                    HostUseKind.DefaultRoute => ($"the host's default route goes through its interface {use.Name} ({use.Detail})", $"move the default route to another interface, then again"),
                    HostUseKind.NetworkPort => ($"its interface {use.Name} is a port of {use.Detail}", $"ip link set {use.Name} nomaster"),
                    HostUseKind.NetworkLower => ($"the interface {use.Detail} stands on its interface {use.Name}", $"ip link del {use.Detail}"),
                    _ => (null, null),
                };
                if (why is not null)
                    yield return Refuse(function.Address, Cannot(function, request), why, remedy!);
            }
        }
    }
}
