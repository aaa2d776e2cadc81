namespace PciPass.Core.Rules;

/// <summary>The picture of boot lies in the function's memory.</summary>
public sealed class BootFramebuffer : Rule
{
    static readonly HashSet<string> Holders = ["efifb", "vesafb", "simplefb", "simpledrm", "simple-framebuffer", "BOOTFB", "ofdrm"];

    public override string Code => "boot-framebuffer";
    public override string Meaning => "The kernel draws its messages into a BAR of the function (a framebuffer that the firmware set up): a guest cannot map that BAR, and gets no picture.";
    public override string Source => "/proc/iomem; Linux: drivers/firmware/sysfb.c. Unbinding the card's own driver does not end it.";
    public override string Remedy => "Boot with initcall_blacklist=sysfb_init or video=efifb:off.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in ToTake(host, request)
        from range in host.RangesOf(function.Address)
        where Holders.Contains(range.Holder)
        select RefuseUnlessAccepted(function.Address, Cannot(function, request), $"the boot framebuffer {range.Holder} lies in its BAR {range}",
            $"boot with initcall_blacklist=sysfb_init (or video=efifb:off); or go on with --accept {Code}");
}
