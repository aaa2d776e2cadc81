namespace PciPass.Core.Rules;

/// <summary>A physical function whose virtual functions exist.</summary>
public sealed class HasVirtualFunctions : Rule
{
    public override string Code => "has-virtual-functions";
    public override string Meaning => "The physical function has virtual functions, which vanish with its driver, from under the host or another guest.";
    public override string Source => "Linux: drivers/pci/iov.c; removing a physical function from pciback also unbinds its virtual functions (drivers/xen/xen-pciback/pci_stub.c).";
    public override string Remedy => "Pass a virtual function, or remove them first (sriov_numvfs).";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            var virtuals = host.VirtualFunctionsOf(function.Address).ToArray();
            if (virtuals.Length == 0)
                continue;
            var guests = virtuals.Select(virtualFunction => host.FindAttachment(virtualFunction.Address)).OfType<Attachment>().Select(attachment => host.FindGuest(attachment.Guest)!.Name).Distinct().ToArray();
            var used = virtuals.Count(virtualFunction => host.UsesOf(virtualFunction.Address).Any());
            yield return Refuse(function.Address, Cannot(function, request),
                $"it is the physical function of {virtuals.Length} virtual ones ({string.Join(", ", virtuals.Take(4).Select(each => each.Address))}{(virtuals.Length > 4 ? ", ..." : "")})"
                    + $"{(guests.Length > 0 ? $", of which guests have some: {Isolation.Listed(guests)}" : "")}{(used > 0 ? $"; the host uses {used} of them" : "")}",
                $"pass a virtual function, or remove them first: echo 0 > /sys/bus/pci/devices/{function.Address}/sriov_numvfs");
        }
    }
}
