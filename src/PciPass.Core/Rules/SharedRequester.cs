namespace PciPass.Core.Rules;

/// <summary>Functions behind a conventional PCI bus look like one to the IOMMU.</summary>
public sealed class SharedRequester : Rule
{
    public override string Code => "shared-requester";
    public override string Meaning => "Behind a PCIe-to-PCI bridge all functions share the bridge's requester id, so the IOMMU cannot tell them apart: they go together.";
    public override string Source => "PCI Express to PCI/PCI-X Bridge Specification 1.0, 2.3; Linux: pci_for_each_dma_alias in drivers/pci/search.c. Xen's own toolstack does not look.";

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            var bridge = BridgeToConventional(host, function);
            if (bridge is null)
                continue;
            var staying = host.Functions.Values
                .Where(other => other.IsEndpoint && other.Address != function.Address && !request.Functions.Contains(other.Address)
                    && BridgeToConventional(host, other)?.Address == bridge.Address && other.Driver is not null && IsElsewhere(host, request, other))
                .ToArray();
            if (staying.Length == 0)
                continue;
            var named = string.Join(", ", staying.Take(4).Select(other => $"{other.Address} ({other.Class.Name}, {other.Driver})"));
            var together = string.Join(' ', request.Functions.Concat(staying.Select(other => other.Address)).Distinct());
            yield return RefuseUnlessAccepted(function.Address, Cannot(function, request),
                $"behind the bridge {bridge.Address} the IOMMU cannot tell it from {named}{(staying.Length > 4 ? ", ..." : "")}",
                request.Verb == Verb.Attach
                    ? $"pcipass attach {together} {request.Guest}     passes all of them; or go on with --accept {Code}"
                    : $"pcipass hide {together}     hides all of them; or go on with --accept {Code}");
        }
    }

    /// <summary>In the host's hands or in those of another guest than the one that would get the function.</summary>
    static bool IsElsewhere(HostSnapshot host, Request request, PciFunction other) =>
        other.Driver != DriverName.Pciback
        || (host.FindAttachment(other.Address) is Attachment attachment && host.FindGuest(attachment.DomId)?.Name != request.Guest);

    /// <summary>The topmost bridge above with a conventional bus below it; null when PCI Express goes all the way.</summary>
    static PciFunction? BridgeToConventional(HostSnapshot host, PciFunction function) =>
        host.BridgesAbove(function).LastOrDefault(bridge => bridge.ExpressType is null or PciExpressType.ExpressToPciBridge);
}
