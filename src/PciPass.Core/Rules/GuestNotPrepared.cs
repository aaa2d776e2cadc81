namespace PciPass.Core.Rules;

/// <summary>The guest was started without what a function needs.</summary>
public sealed class GuestNotPrepared : Rule
{
    public override string Code => "guest-not-prepared";
    public override string Meaning => "The guest was started without passthrough: Xen gave it no place in the IOMMU, and cannot do so later.";
    public override string Source => "xl.cfg(5), passthrough; xl then ends with \"xc_assign_device failed: Operation not supported\" (seen in the lab). Read from libxl's record of the guest, /var/lib/xen/userdata-d.DOMID.UUID.libxl-json.";
    public override string Remedy => "Set passthrough=\"enabled\" in its configuration and start it again.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Attach, IsNow: true, Guest: GuestReference name } && host.FindGuest(name) is { Passthrough: false } guest)
            yield return RefuseUnlessAccepted(name, $"guest {name} was started without passthrough", $"its configuration had neither passthrough=\"enabled\" nor a function when {guest.Start.Words} was started",
                $"set passthrough=\"enabled\" (for a PV guest e820_host=1 too) in the configuration of {name} and start it again");
    }
}
