namespace PciPass.Core.Rules;

/// <summary>The guest has no place for more functions.</summary>
public sealed class GuestFull : Rule
{
    /// <summary>pciback and a device model offer one bus of 32 devices.</summary>
    const int Slots = 32;

    public override string Code => "guest-full";
    public override string Meaning => "The guest would have more functions than its virtual bus has slots (32).";
    public override string Source => "Linux: drivers/xen/xen-pciback/vpci.c (PCI_SLOT_MAX).";

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Attach, Guest: GuestName name } || host.FindGuest(name) is not Guest guest)
            yield break;
        var has = host.Attachments.Count(attachment => attachment.DomId == guest.DomId);
        if (has + request.Functions.Length > Slots)
            yield return Refuse(name, $"guest {name} cannot have {request.Functions.Length} more", $"it has {has} functions, and its virtual bus has {Slots} slots", "take some away first: pcipass status     shows them");
    }
}
