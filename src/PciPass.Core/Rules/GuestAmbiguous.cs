namespace PciPass.Core.Rules;

/// <summary>Several running guests have the name.</summary>
public sealed class GuestAmbiguous : Rule
{
    public override string Code => "guest-ambiguous";
    public override string Meaning => "Several running guests have this name: which one is meant is not guessed.";
    public override string Source => "xenstore: /local/domain/DOMID/name; the command lines of running QEMUs, -name. Xen's toolstack and libvirt see to it that names differ, QEMU does not.";
    public override string Remedy => "Name the one that is meant with its toolstack in front (xen:web1, qemu:web1).";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request.Guest is not GuestReference name || host.Guests.Where(name.Means).ToArray() is not { Length: > 1 } several)
            yield break;
        var toolstacks = several.Select(guest => guest.RunBy).Distinct().ToArray();
        var running = several.Select(guest => $"{GuestReference.PrefixOf(guest.RunBy)}:{guest.Name} ({guest.Start.Words})");
        yield return Refuse(name, $"{name} is the name of several guests", $"running are {string.Join(", ", running)}",
            toolstacks.Length == several.Length ? $"name the one that is meant: {string.Join(" or ", toolstacks.Select(toolstack => $"{GuestReference.PrefixOf(toolstack)}:{name.Name}"))}"
                : "start one of them with another name (-name)");
    }
}
