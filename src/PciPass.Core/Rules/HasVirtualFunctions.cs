namespace PciPass.Core.Rules;

/// <summary>A physical function whose virtual functions exist.</summary>
public sealed class HasVirtualFunctions : Rule
{
    public override string Code => "has-virtual-functions";
    public override string Meaning => "The physical function has virtual functions, which vanish with its driver, from under the host or another guest.";
    public override string Source => "Linux: drivers/pci/iov.c; removing a physical function from pciback also unbinds its virtual functions (drivers/xen/xen-pciback/pci_stub.c).";

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            var virtuals = host.Functions.Values.Where(other => other.PhysicalFunction == function.Address).Select(other => other.Address).ToArray();
            if (virtuals.Length > 0)
                yield return Refuse(function.Address, Cannot(function, request),
                    $"it is the physical function of {virtuals.Length} virtual ones ({string.Join(", ", virtuals.Take(4))}{(virtuals.Length > 4 ? ", ..." : "")})",
                    $"pass a virtual function, or remove them first: echo 0 > /sys/bus/pci/devices/{function.Address}/sriov_numvfs");
        }
    }
}
