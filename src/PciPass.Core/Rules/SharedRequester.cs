namespace PciPass.Core.Rules;

/// <summary>Functions behind a conventional PCI bus look like one to the IOMMU.</summary>
public sealed class SharedRequester : Rule
{
    public override string Code => "shared-requester";
    public override string Meaning => "Behind a PCIe-to-PCI bridge all functions share the bridge's requester id, so the IOMMU cannot tell them apart: they go together.";
    public override string Source => "PCI Express to PCI/PCI-X Bridge Specification 1.0, 2.3; Linux: pci_for_each_dma_alias in drivers/pci/search.c. Xen's own toolstack does not look.";
    public override string Remedy => "Pass all behind that bridge together: --with-companions.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in Companions.Moving(host, request))
        {
            if (host.Isolation.RequesterOf(function) is not PciFunction bridge)
                continue;
            var elsewhere = Companions.InTheWay(host, request, function).Where(other => host.Isolation.RequesterOf(other.Function)?.Address == bridge.Address).ToArray();
            if (elsewhere.Length > 0)
                yield return RefuseUnlessAccepted(function.Address, Cannot(function, request),
                    $"behind the bridge {bridge.Address} the IOMMU cannot tell it from {Isolation.Listed(elsewhere)}",
                    $"{Companions.Together(request, elsewhere)}; or go on with --accept {Code}");
        }
    }
}
