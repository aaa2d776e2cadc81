namespace PciPass.Core.Rules;

/// <summary>The function's DMA carries another function's number.</summary>
public sealed class OtherRequester : Rule
{
    public override string Code => "dma-alias";
    public override string Meaning => "The function sends requests with another function's number: the IOMMU blocks them, so it does not work in a guest, or lends it the other's rights.";
    public override string Source => "Linux: quirk_dma_func0_alias and quirk_dma_func1_alias in drivers/pci/quirks.c; PCI Express Base Specification, 7.5.3.4 (phantom functions); Xen's pci-phantom= option.";
    public override string Remedy => "Pass both, or boot Xen with pci-phantom=.";
    public override Weights Weights => Weights.Warn | Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            if (function.UsesPhantomFunctions)
                yield return Warn(function.Address, $"{function.Address} uses phantom functions", "it sends requests with the numbers of other, absent functions (device control, bit 9)",
                    $"boot Xen with pci-phantom={function.Address.Bus:x2}:{function.Address.Device:x2},1");
            if (RequesterQuirks.OtherFunction(function.Ids) is not int number || number == function.Address.Function)
                continue;
            var other = new PciAddress(function.Address.Segment, function.Address.Bus, function.Address.Device, number);
            var why = $"devices {function.Ids} are known to send their requests as {other}";
            yield return host.Find(other) is { Driver: DriverName driver } holder && !host.IsHeld(holder) && !request.Functions.Contains(other)
                ? RefuseUnlessAccepted(function.Address, Cannot(function, request), $"{why}, which the host uses with {driver}", $"pass both; or go on with --accept {Code}")
                : Warn(function.Address, $"{function.Address} signs its requests with another number", why, $"boot Xen with pci-phantom={function.Address.Bus:x2}:{function.Address.Device:x2},1");
        }
    }
}
