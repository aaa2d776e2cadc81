namespace PciPass.Core.Rules;

/// <summary>The function can reach others past the IOMMU.</summary>
public sealed class GroupShared : Rule
{
    public override string Code => "group-shared";
    public override string Meaning => "The function and others can reach each other past the IOMMU (no ACS on the way, or functions of one device): a hostile guest reaches what the host or another guest does with those.";
    public override string Source => "PCI Express Base Specification, 6.12 (Access Control Services); Linux: pci_device_group in drivers/iommu/iommu.c, pci_acs_enabled in drivers/pci/pci.c. Xen's own toolstack does not look.";
    public override string Remedy => "Pass them together (--with-companions), or use another slot.";
    public override Weights Weights => Weights.Warn | Weights.RefuseUnlessAccepted | Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        // Without an IOMMU everything is within reach, and another rule says so.
        if (host.Iommu == IommuState.Absent)
            yield break;
        foreach (var function in Companions.Moving(host, request))
        {
            var requester = host.Isolation.RequesterOf(function);
            var others = Companions.InTheWay(host, request, function).Where(other => requester is null || host.Isolation.RequesterOf(other.Function)?.Address != requester.Address).ToArray();
            if (others.Length == 0)
                continue;
            var why = $"past the IOMMU it can reach {Isolation.Listed(others)}: {host.Isolation.ReasonOf(function.Address)}";
            // Below Linux alone the kernel has the last word: "group is not viable" (vfio_group_viable; iommu_group_claim_dma_owner).
            if (host.Hypervisor == Hypervisor.None && request.Verb == Verb.Attach)
            {
                yield return Refuse(function.Address, Cannot(function, request), $"{why}; the kernel gives a group as a whole, once none of its functions has a driver of the host's",
                    $"pcipass hide {string.Join(' ', others.Select(other => other.Function.Address))}     takes what is in the way from the host as well");
                continue;
            }
            // What comes back to the host is within the reach of a guest that keeps its neighbour: no worse than before.
            yield return request.Verb is Verb.Hide or Verb.Attach
                ? RefuseUnlessAccepted(function.Address, Cannot(function, request), why, $"{Companions.Together(request, others)}; or go on with --accept {Code}")
                : Warn(function.Address, $"{function.Address} comes back within a guest's reach", why, "");
        }
    }
}
