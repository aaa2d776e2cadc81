namespace PciPass.Core.Rules;

/// <summary>A guest has the function already.</summary>
public sealed class AttachedElsewhere : Rule
{
    public override string Code => "attached";
    public override string Meaning => "A running guest has the function: it can have one owner only.";
    public override string Source => "xenstore: /local/domain/0/backend/pci/DOMID/0/dev-N. pciback lets a function be taken while a guest uses it and only logs that.";
    public override string Remedy => "Detach it from that guest first.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request.Verb is not (Verb.Attach or Verb.Hide))
            yield break;
        foreach (var function in Named(host, request))
        {
            if (host.FindAttachment(function.Address) is not Attachment attachment)
                continue;
            var owner = host.FindGuest(attachment.Guest)!;
            // It has it now: its file is what is left to be changed.
            if (request is { Verb: Verb.Attach, IsBoot: true, Guest: GuestReference same } && same.Means(owner) && host.LacksConfiguration(same, function.Address))
                continue;
            var slot = attachment.VirtualSlot is null ? "" : $", where it is {attachment.VirtualSlot}";
            var why = $"{owner.Words} has it{slot}";
            yield return request.Guest?.Means(owner) == true
                ? Refuse(function.Address, $"{function.Address} is already attached to {owner.Name}", why, "nothing: it is as wished")
                : Refuse(function.Address, Cannot(function, request), why, $"pcipass detach {function.Address} {owner.Name}     takes it back first");
        }
    }
}
