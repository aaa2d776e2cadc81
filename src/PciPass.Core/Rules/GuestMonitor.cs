namespace PciPass.Core.Rules;

/// <summary>The guest cannot be asked to take or give anything.</summary>
public sealed class GuestMonitor : Rule
{
    public override string Code => "guest-monitor";
    public override string Meaning => "A guest cannot be spoken to: in a guest of QEMU functions are plugged in and out over its monitor, in a guest of libvirt's through libvirt.";
    public override string Source => "QEMU Machine Protocol; a monitor's socket serves one program at a time (chardev/char-socket.c), and libvirt's is libvirt's own.";
    public override string Remedy => "Start the guest with a monitor of its own; for libvirt's, see that its daemon runs.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Attach or Verb.Detach, Guest: GuestReference name } && host.FindGuest(name) is { NoMonitor: string reason } guest)
        {
            yield return Refuse(name, $"{guest.Words} cannot be spoken to", reason, guest.RunBy == Toolstack.Libvirt
                ? "see that libvirt's daemon runs (virsh list), then again"
                : "end the other program, or start the guest with a monitor of its own: -qmp unix:PATH,server=on,wait=off");
        }
    }
}
