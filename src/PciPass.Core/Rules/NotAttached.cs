namespace PciPass.Core.Rules;

/// <summary>The guest that should give a function back does not have it.</summary>
public sealed class NotAttached : Rule
{
    public override string Code => "not-attached";
    public override string Meaning => "The guest does not have the function.";
    public override string Source => "xenstore: /local/domain/0/backend/pci/DOMID/0/dev-N.";
    public override string Remedy => "pcipass status shows who has what.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Detach, Guest: GuestReference name })
            yield break;
        foreach (var function in Named(host, request))
        {
            var owner = host.FindAttachment(function.Address) is Attachment attachment ? host.FindGuest(attachment.Guest) : null;
            var isConfigured = host.IsConfigured(name, function.Address);
            if (request.IsNow && owner is not null && name.Means(owner))
                continue;
            if (request.IsBoot && isConfigured)
                continue;
            if (!request.IsNow)
            {
                yield return Refuse(function.Address, Cannot(function, request), $"no configuration of guest {name} names it", "pcipass guests     shows who has what, and who is to have it");
                continue;
            }
            if (owner is not null)
                yield return Refuse(function.Address, Cannot(function, request), $"{owner.Words} has it", $"pcipass detach {function.Address} {owner.Name}");
            // Taken for a start of the guest that has ended: the guest has let go, and the host gets it back.
            else if (!host.Taken.Any(taken => taken.Address == function.Address && name.Agrees(taken.Guest)))
                yield return Refuse(function.Address, Cannot(function, request), $"guest {name} does not have it", "pcipass status     shows who has what");
        }
    }
}
