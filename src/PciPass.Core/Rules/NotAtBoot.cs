namespace PciPass.Core.Rules;

/// <summary>A virtual function is not there when the host starts.</summary>
public sealed class NotAtBoot : Rule
{
    public override string Code => "not-at-boot";
    public override string Meaning => "A virtual function is made after the start, by its physical function's driver: it cannot be hidden from the start on.";
    public override string Source => "Linux: Documentation/PCI/pci-iov-howto.rst; sriov_numvfs is 0 after a start.";
    public override string Remedy => "Hide it until the host restarts (--now).";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in Named(host, request)
        where request.Verb == Verb.Hide && request.IsBoot && function.PhysicalFunction is not null
        select Refuse(function.Address, Cannot(function, request), $"it is a virtual function of {function.PhysicalFunction}, and is not there when the host starts",
            $"pcipass hide --now {function.Address}     hides it until the host restarts");
}
