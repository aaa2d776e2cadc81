namespace PciPass.Core.Rules;

/// <summary>A guest that may have functions cannot be moved while it runs.</summary>
public sealed class LiveMigration : Rule
{
    public override string Code => "live-migration";
    public override string Meaning => "Live migration of a guest that was started with passthrough has not been seen to work: Xen does not track what it writes.";
    public override string Source => "xl migrate ends with \"Failed to enable logdirty\" and the guest goes on where it was (seen in the lab); xen/arch/x86/mm/paging.c refuses it to a domain in the IOMMU.";

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Migrate, Guest: GuestReference name } && host.FindGuest(name) is { Type: Core.GuestType.Pv } guest)
            yield return Refuse(name, $"guest {name} cannot be migrated while it runs", guest.Passthrough == false
                    ? "no migration of a PV guest has been seen to work in the lab"
                    : $"{guest.Start.Words} was started with passthrough, and Xen does not track what such a guest writes",
                $"pcipass save {name} FILE; copy FILE and FILE.pcipass to the other host; there, pcipass restore FILE --functions equivalent");
    }
}
