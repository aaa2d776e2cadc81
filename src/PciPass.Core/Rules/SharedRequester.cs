namespace PciPass.Core.Rules;

/// <summary>Functions behind a conventional PCI bus look like one to the IOMMU.</summary>
public sealed class SharedRequester : Rule
{
    public override string Code => "shared-requester";
    public override string Meaning => "Behind a PCIe-to-PCI bridge all functions share the bridge's requester id, so the IOMMU cannot tell them apart: they go together.";
    public override string Source => "PCI Express to PCI/PCI-X Bridge Specification 1.0, 2.3; Linux: pci_for_each_dma_alias in drivers/pci/search.c. Xen's own toolstack does not look.";

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in Moving(host, request))
        {
            var bridge = BridgeToConventional(host, function);
            if (bridge is null)
                continue;
            var elsewhere = host.Functions.Values
                .Where(other => other.IsEndpoint && !request.Functions.Contains(other.Address) && BridgeToConventional(host, other)?.Address == bridge.Address)
                .Select(other => (other.Address, Holder: HolderInTheWay(host, request, other)))
                .Where(other => other.Holder is not null)
                .ToArray();
            if (elsewhere.Length == 0)
                continue;
            var named = string.Join(", ", elsewhere.Take(4).Select(other => $"{other.Address} ({other.Holder})"));
            var together = string.Join(' ', request.Functions.Concat(elsewhere.Select(other => other.Address)).Distinct());
            yield return RefuseUnlessAccepted(function.Address, Cannot(function, request),
                $"behind the bridge {bridge.Address} the IOMMU cannot tell it from {named}{(elsewhere.Length > 4 ? ", ..." : "")}",
                $"pcipass {request.VerbName} {together}{(request.Guest is GuestName guest ? $" {guest}" : "")}     {(request.Verb == Verb.Attach ? "passes" : "moves")} all of them; or go on with --accept {Code}");
        }
    }

    /// <summary>The functions that would change hands: to a guest, away from the host, or back to it.</summary>
    static IEnumerable<PciFunction> Moving(HostSnapshot host, Request request) => request.Verb switch
    {
        Verb.Hide => ToTake(host, request),
        Verb.Detach => Named(host, request).Where(function => host.Taken.Any(taken => taken.Address == function.Address && taken.Guest is not null)),
        _ => Named(host, request),
    };

    /// <summary>Who has another function that must not be in other hands than those the moving one gets into; null when nobody is in the way.</summary>
    static string? HolderInTheWay(HostSnapshot host, Request request, PciFunction other)
    {
        var guest = host.FindAttachment(other.Address) is Attachment attachment ? host.FindGuest(attachment.DomId)!.Name : (GuestName?)null;
        var toHost = request.Verb is Verb.Unhide or Verb.Detach;
        if (guest is not null)
            return toHost || guest != request.Guest ? $"{other.Class.Name}, guest {guest} has it" : null;
        return !toHost && other.Driver is DriverName driver && driver != DriverName.Pciback ? $"{other.Class.Name}, {driver}" : null;
    }

    /// <summary>The topmost bridge above with a conventional bus below it; null when PCI Express goes all the way.</summary>
    static PciFunction? BridgeToConventional(HostSnapshot host, PciFunction function) =>
        host.BridgesAbove(function).LastOrDefault(bridge => bridge.ExpressType is null or PciExpressType.ExpressToPciBridge);
}
