namespace PciPass.Core.Rules;

/// <summary>Registers of another function lie in the same page of memory.</summary>
public sealed class BarSharesPage : Rule
{
    public override string Code => "bar-shares-page";
    public override string Meaning => "A BAR of the function lies in one 4 KiB page with another's that stays: the guest gets whole pages, and so the other's registers.";
    public override string Source => "Xen security advisory 461 and SUPPORT.md; /proc/iomem. xend refused BARs that are not page aligned, xl does not look.";
    public override string Remedy => "Boot with pci=resource_alignment=12@ADDRESS.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            foreach (var range in host.RangesOf(function.Address).Where(range => !range.IsPort))
            {
                // The ranges of virtual functions lie inside one of their physical function's.
                var other = host.RangesInPagesOf(range).FirstOrDefault(other => other.Address != function.Address && !request.Functions.Contains(other.Address)
                    && host.Find(other.Address) is { } owner && !host.IsHeld(owner) && owner.PhysicalFunction != function.Address && function.PhysicalFunction != other.Address);
                if (other is not null)
                    yield return RefuseUnlessAccepted(function.Address, Cannot(function, request), $"its BAR {range} lies in one page with the BAR {other} of {other.Address}",
                        $"boot with pci=resource_alignment=12@{function.Address}, which moves it to a page of its own; or go on with --accept {Code}");
            }
        }
    }
}
