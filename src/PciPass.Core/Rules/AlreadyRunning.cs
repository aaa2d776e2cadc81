namespace PciPass.Core.Rules;

/// <summary>A guest cannot be restored while one of its name runs.</summary>
public sealed class AlreadyRunning : Rule
{
    public override string Code => "guest-running";
    public override string Meaning => "A guest of this name is running; two would write to the same disks.";
    public override string Source => "xl(1), restore; xenstore: /local/domain/DOMID/name. libvirt refuses it by itself.";
    public override string Remedy => "Shut the running guest down first, if the saved one is wanted instead.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Restore, Guest: GuestReference name } && host.FindGuest(name) is Guest guest)
            yield return Refuse(name, $"guest {name} cannot be restored", $"a guest of that name is running ({guest.Start.Words})", $"{(guest.RunBy == Toolstack.Libvirt ? "virsh" : "xl")} shutdown {name.Name}, if the saved one is wanted instead");
    }
}
