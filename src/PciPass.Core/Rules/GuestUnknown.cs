namespace PciPass.Core.Rules;

/// <summary>No guest of that name runs.</summary>
public sealed class GuestUnknown : Rule
{
    public override string Code => "guest-unknown";
    public override string Meaning => "No guest of this name is running.";
    public override string Source => "xenstore: /local/domain/DOMID/name; the command lines of running QEMUs, -name; libvirt's list of guests.";
    public override string Remedy => "Start the guest.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request.Guest is not GuestReference name || host.Guests.Any(name.Means) || request.Verb == Verb.Restore)
            yield break;
        // A guest that is gone can still be told to give back: nothing is left to unplug.
        if (request.Verb == Verb.Detach && host.Taken.Any(taken => name.Agrees(taken.Guest) && request.Functions.Contains(taken.Address)))
            yield break;
        // One that does not run has a file that can be changed.
        if (request.IsBoot && (host.FilesOf(name).Any() || host.DefinitionsOf(name).Any()))
            yield break;
        var file = host.FilesOf(name).FirstOrDefault()?.Path ?? host.Claims.FirstOrDefault(claim => claim.Guest == name.Name.ToString())?.Source;
        var running = host.Guests.Length == 0 ? "no guest is running" : $"running are {string.Join(", ", host.Guests.Select(guest => guest.Name))}";
        yield return Refuse(name, $"guest {name} is not running", running,
            host.DefinitionsOf(name).Any() ? $"virsh start {name.Name}, then again; without --live its definition is changed"
                : host.Hypervisor != Hypervisor.XenDom0 ? "start it, with -name and a monitor (-qmp unix:PATH,server=on,wait=off), then again"
                : file is null ? "start it with xl create and its configuration file, then again" : $"xl create {file}, then again");
    }
}
