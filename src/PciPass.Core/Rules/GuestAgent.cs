namespace PciPass.Core.Rules;

/// <summary>Nobody in the guest has the driver unbound before the function goes.</summary>
public sealed class GuestAgent : Rule
{
    public override string Code => "guest-agent";
    public override string Meaning => "No agent runs in the guest, so its driver still works on a function while it is taken away.";
    public override string Source => "libxl takes the guest's access away before the guest is asked to let go (libxl_pci.c); DMA faults of the function were seen in the lab. pcipass guest agent, docs/guest-agent.md.";
    public override string Remedy => "Run \"pcipass guest agent\" in the guest, or unbind the driver there first.";
    public override Weights Weights => Weights.Note;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Detach, Guest: GuestReference name } && host.FindGuest(name) is { HasAgent: false, Type: Core.GuestType.Pv } guest
            && request.Functions.Any(function => host.FindAttachment(function)?.Guest == guest.Start))
            yield return Note(name, $"no agent runs in {name}", "its driver still works on the function while that is taken away", $"run \"pcipass guest agent\" in {name}, or unbind the driver there first");
    }
}
