namespace PciPass.Core.Rules;

/// <summary>The guest's memory is kept in a way that a function's DMA cannot follow.</summary>
public sealed class GuestMemory : Rule
{
    public override string Code => "guest-memory";
    public override string Meaning => "The guest's memory is filled in on demand, or mapped in several ways at once: DMA goes to pages that are not there, and Xen refuses.";
    public override string Source => "Xen: assign_device in xen/drivers/passthrough/pci.c gives EXDEV; SUPPORT.md. Read from libxl's record of the guest (target_memkb below max_memkb, altp2m).";
    public override string Remedy => "Give memory and maxmem the same value, remove altp2m, and start it again.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Attach, IsNow: true, Guest: GuestReference name } || host.FindGuest(name) is not Guest guest)
            yield break;
        if (guest.PopulatesOnDemand)
            yield return RefuseUnlessAccepted(name, $"guest {name} has memory that is filled in on demand", $"{guest.Start.Words} was started with less memory than its maxmem",
                $"set memory and maxmem in the configuration of {name} to the same value and start it again");
        if (guest.HasSeveralMaps)
            yield return RefuseUnlessAccepted(name, $"guest {name} may map its memory in several ways at once", $"altp2m is on for {guest.Start.Words}", $"remove altp2m from the configuration of {name} and start it again");
    }
}
