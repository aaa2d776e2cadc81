namespace PciPass.Core.Rules;

/// <summary>A PV guest has memory where functions should answer.</summary>
public sealed class GuestWithoutHostMap : Rule
{
    public override string Code => "guest-no-host-map";
    public override string Meaning => "A PV guest was started without the host's map of memory: where the function's registers should be it may have memory, and its driver fails.";
    public override string Source => "xl.cfg(5), e820_host; libxl sets it only for guests that are configured with a function from the start. Read from libxl's record of the guest.";
    public override string Remedy => "Set e820_host=1 in its configuration and start it again.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Attach, IsNow: true, Guest: GuestReference name } && host.FindGuest(name) is { Type: Core.GuestType.Pv, HasHostMap: false, Passthrough: not false } guest)
            yield return RefuseUnlessAccepted(name, $"guest {name} was started without the host's map of memory", $"its configuration had no e820_host=1 when {guest.Start.Words} was started",
                $"set e820_host=1 in the configuration of {name} and start it again; or go on with --accept {Code}");
    }
}
