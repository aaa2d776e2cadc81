namespace PciPass.Core.Rules;

/// <summary>The host that a guest is to move to does not take it.</summary>
public sealed class TargetRefuses : Rule
{
    public override string Code => "target-refuses";
    public override string Meaning => "The host that the guest is to move to cannot be reached, has not the same pcipass, or cannot give it what it has here.";
    public override string Source => "That host's own pcipass: it looks there for a like function for each that the guest has, and asks the same rules about it as an attach there would.";
    public override string Remedy => "What that host says; \"pcipass can-migrate GUEST HOST\" asks again and changes nothing.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Migrate, Guest: GuestReference name, Destination: Destination to })
            yield break;
        foreach (var (code, what, why, remedy) in to.Refusals)
            yield return Refuse(name, $"guest {name} cannot go to {to.Host}", code.Length == 0 ? $"{what}: {why}" : $"{to.Host} says: {what} [{code}]: {why}", remedy.Length == 0 ? $"pcipass can-migrate {name} {to.Host}     asks again" : code.Length == 0 ? remedy : $"on {to.Host}: {remedy}");
    }
}
