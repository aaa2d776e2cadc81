namespace PciPass.Core.Rules;

/// <summary>The guest's kernel would die as it resumes.</summary>
public sealed class HadInterruptPin : Rule
{
    public override string Code => "had-interrupt-pin";
    public override string Meaning => "A PV guest that has had a function with an interrupt pin dies as it resumes from an image, also when the function was taken out before.";
    public override string Source => "Seen in the lab with Linux 6.1 and 6.12 as guests: a general protection fault in xen_irq_resume (drivers/xen/events/events_base.c); the line's interrupt stays registered in the guest after the function is gone. docs/save.md.";
    public override string Remedy => "Shut the guest down inside and start it again; give it functions without an interrupt pin, such as virtual functions.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Save or Verb.Migrate, Guest: GuestReference name } || host.FindGuest(name) is not { Type: Core.GuestType.Pv } guest)
            yield break;
        foreach (var function in (guest.History?.Functions ?? []).Union(request.Functions).Select(host.Find).OfType<PciFunction>().Where(function => function.InterruptPin != 0))
        {
            var has = host.FindAttachment(function.Address)?.Guest == guest.Start;
            yield return Refuse(name, $"guest {name} cannot be {(request.Verb == Verb.Save ? "saved" : "migrated")}",
                $"it {(has ? "has" : "has had")} {function.Address} since it was started ({guest.Start.Words}), which has an interrupt pin (INT{(char)('A' + function.InterruptPin - 1)}): its kernel would die as it resumes, though every command ends well",
                $"shut {name} down inside and start it again; virtual functions have no pin, and with those it can be {(request.Verb == Verb.Save ? "saved" : "moved")}");
        }
    }
}
