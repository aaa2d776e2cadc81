namespace PciPass.Core.Rules;

/// <summary>A function of a saved guest is not there any more.</summary>
public sealed class NotThereToReturn : Rule
{
    public override string Code => "not-there-to-return";
    public override string Meaning => "A function that the saved guest had is not on this host, and nothing was allowed to take its place.";
    public override string Source => "The record FILE.pcipass holds each function's identity: its way down the bridges, its ids, its serial number. An address says where a function is, not what it is.";
    public override string Remedy => "pcipass restore --functions equivalent takes a like one; --functions none starts the guest without.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Restore, Image: { Fault: null, Record: SavedGuest saved } image })
            yield break;
        foreach (var (was, now) in HomecomingChoice.Choose(host, saved, request.Homecoming, request.Accepted, image.Toolstack))
        {
            if (now is not null)
                continue;
            var why = host.Find(was.Address) is PciFunction other ? $"what is at {was.Address} now is another: {was.Identity.DifferenceTo(other.Identity)}" : $"nothing is at {was.Address}, and {was.Identity} is nowhere else";
            yield return Refuse(saved.Guest, $"{was.Address} cannot come back to guest {saved.Guest}", why, request.Homecoming == Homecoming.Same
                ? $"pcipass restore {image.Path} --functions equivalent     takes a like one; --functions none starts it without"
                : $"pcipass restore {image.Path} --functions none     starts it without");
        }
    }
}
