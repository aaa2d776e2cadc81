namespace PciPass.Core.Rules;

/// <summary>Another guest's configuration names the function.</summary>
public sealed class ClaimedByConfiguration : Rule
{
    public override string Code => "claimed";
    public override string Meaning => "The configuration of another guest names the function; that guest could not start any more, or would take it away.";
    public override string Source => "The pci= list of the files in /etc/xen and /etc/xen/auto (xl.cfg(5), xl-pci-configuration(5)); <hostdev> in libvirt's definitions.";
    public override string Remedy => "Remove it from that guest's configuration.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request.Verb != Verb.Attach)
            yield break;
        foreach (var function in Named(host, request))
        {
            foreach (var claim in host.Claims.Where(claim => claim.Address == function.Address && claim.Guest != request.Guest?.Name.ToString()))
            {
                yield return RefuseUnlessAccepted(function.Address, Cannot(function, request), $"{claim.Source} gives it to guest {claim.Guest}",
                    $"remove it from {(claim.Source.StartsWith('/') ? $"the pci= list in {claim.Source}" : claim.Source)}, or go on with --accept {Code}");
            }
        }
    }
}
