namespace PciPass.Core.Rules;

/// <summary>A BAR begins inside a page.</summary>
public sealed class BarNotAligned : Rule
{
    public override string Code => "bar-not-aligned";
    public override string Meaning => "A BAR does not begin at a page of memory: a guest maps whole pages, and one that expects its registers at the page's beginning misses them.";
    public override string Source => "/proc/iomem; xend refused such functions (\"BARs are not page-aligned\"), xl does not look. Linux: vfio_pci_probe_mmaps leaves such BARs to slow accesses.";
    public override string Remedy => "Boot with pci=resource_alignment=12@ADDRESS.";
    public override Weights Weights => Weights.Warn;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in ToTake(host, request)
        from range in host.RangesOf(function.Address)
        where !range.IsPort && range.Start % AddressRange.PageSize != 0
        select Warn(function.Address, $"{function.Address} has a BAR inside a page", $"its BAR {range} begins {range.Start % AddressRange.PageSize:x} behind the page's beginning",
            $"boot with pci=resource_alignment=12@{function.Address}");
}
