namespace PciPass.Core.Rules;

/// <summary>A PV guest cannot be moved while it runs.</summary>
public sealed class LiveMigration : Rule
{
    public override string Code => "live-migration";
    public override string Meaning => "Live migration of a PV guest has not been seen to work: Xen does not track what it writes.";
    public override string Source => "xl migrate ends with \"Failed to enable logdirty\", with passthrough=\"enabled\" and without, and the guest goes on where it was (seen in the lab).";
    public override string Remedy => "Save the guest, copy the image and the record beside it, and restore it on the other host.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Migrate, Guest: GuestReference name } && host.FindGuest(name) is { Type: Core.GuestType.Pv } guest)
            yield return Refuse(name, $"guest {name} cannot be migrated while it runs", $"{guest.Start.Words} is a PV guest, and for those xl migrate ended with \"Failed to enable logdirty\" wherever it was tried",
                $"pcipass save {name} FILE; copy FILE and FILE.pcipass to the other host; there, pcipass restore FILE --functions equivalent");
    }
}
