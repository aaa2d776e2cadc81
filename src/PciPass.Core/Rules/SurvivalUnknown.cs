namespace PciPass.Core.Rules;

/// <summary>Nobody has seen a guest of this kind survive.</summary>
public sealed class SurvivalUnknown : Rule
{
    public override string Code => "survival-unknown";
    public override string Meaning => "That a guest of this type goes on after it was saved and restored has been seen for PV guests only.";
    public override string Source => "docs/save.md: every exit code of xl is 0 and the guest may be dead, so only what a restored guest does counts.";
    public override string Remedy => "Shut the guest down inside, and start it again with its functions.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Save or Verb.Migrate, Guest: GuestReference name } && host.FindGuest(name) is { Type: not Core.GuestType.Pv } guest)
        {
            var verb = request.Verb == Verb.Save ? "saved" : "migrated";
            yield return Refuse(name, $"guest {name} cannot be {verb}", $"it is {(guest.Start.Toolstack == Toolstack.Xen ? $"no PV guest (xenstore /libxl/{guest.Start}/type)" : "a guest of QEMU")}, and only PV guests of Xen were seen to survive with functions",
                "shut it down inside, and start it again with its functions");
        }
    }
}
