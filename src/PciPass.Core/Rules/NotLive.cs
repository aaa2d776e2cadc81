namespace PciPass.Core.Rules;

/// <summary>Xen cannot move a paravirtualised guest while it runs, once it may have functions.</summary>
public sealed class NotLive : Rule
{
    public override string Code => "not-live";
    public override string Meaning => "Of Xen's guests, only HVM guests can be moved while they run.";
    public override string Source => "xl migrate of a PV guest ends with \"Failed to enable logdirty\", with passthrough=\"enabled\" or without; of an HVM guest it works once its functions are out (Xen 4.17, seen in the lab).";
    public override string Remedy => "The same without --live: the guest stands still while it is written, copied and read.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Migrate, IsLive: true, Guest: GuestReference name } && host.FindGuest(name) is { Start.Toolstack: Toolstack.Xen, Type: not Core.GuestType.Hvm } guest)
            yield return Refuse(name, $"guest {name} cannot be moved while it runs", $"it is a {guest.Type.ToString().ToUpperInvariant()} guest of Xen: \"Failed to enable logdirty\"", "the same without --live: it stands still meanwhile");
    }
}
