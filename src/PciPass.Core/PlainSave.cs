namespace PciPass.Core;

/// <summary>
/// What the toolstack's own command to save or move a running guest would do to it. xl refuses nothing and ends with 0 (docs/save.md), so it is
/// said where guests are looked at, and by the guard that <see cref="SaveGuard"/> describes.
/// </summary>
/// <param name="Harm">What it would do to it: "kill web1".</param>
/// <param name="Reason">Why.</param>
/// <param name="Instead">What can be done instead.</param>
public sealed record PlainSave(string Harm, string Reason, string Instead)
{
    /// <summary>In a sentence.</summary>
    public override string ToString() => $"{Why}; {Instead}";

    /// <summary>The harm and its reason.</summary>
    public string Why => $"a plain xl save would {Harm}, and end with 0: {Reason}";

    /// <summary>Null where it would do a guest no harm that is known.</summary>
    public static PlainSave? Of(HostSnapshot host, Guest guest)
    {
        if (guest is not { Start.Toolstack: Toolstack.Xen, Type: GuestType.Pv or GuestType.Hvm })
            return null;
        PciAddress[] live = [.. host.Attachments.Where(attachment => attachment.Guest == guest.Start).Select(attachment => attachment.Address).Order()];
        var has = string.Join(", ", live);
        var instead = guest.IsLibvirts ? $"first:  pcipass detach {string.Join(' ', live)} {guest.Name}" : $"instead:  pcipass save {guest.Name} FILE, or pcipass migrate {guest.Name} HOST";
        if (guest.Type == GuestType.Hvm)
            return live.Length > 0 ? new($"leave {has} in {guest.Name} for good", "restored, it no longer lets go of what it has", instead) : null;
        var pins = live.Union(guest.History?.Functions ?? []).Where(address => host.Find(address) is { InterruptPin: not 0 }).Order().ToArray();
        return pins.Length > 0 ? new($"kill {guest.Name}", $"since its start it has had {string.Join(", ", pins)}, with an interrupt pin", "only a new start of it helps")
            : live.Length > 0 ? new($"leave {guest.Name} hanging", $"it has {has}", instead)
            : null;
    }
}
