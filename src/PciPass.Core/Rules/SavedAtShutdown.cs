namespace PciPass.Core.Rules;

/// <summary>The distribution saves the guest when the host shuts down, and the guest would not live through that with the function.</summary>
public sealed class SavedAtShutdown : Rule
{
    public override string Code => "saved-at-shutdown";
    public override string Meaning => "xendomains saves every guest of Xen when the host shuts down, as xl save does, and starts it from its image when the host is there again: with the function, the guest does not survive that whole.";
    public override string Source => "xendomains (tools/hotplug/Linux/init.d; Debian, xen-utils-common: XENDOMAINS_SAVE=/var/lib/xen/save in /etc/default/xendomains; a guest that cannot be saved is shut down inside after). docs/save.md: what a plain xl save does to which guest, seen in the lab.";
    public override string Remedy => "Install the guard (pcipass guard install): the guest is shut down inside then. Or set XENDOMAINS_SAVE= to nothing.";
    public override Weights Weights => Weights.Warn;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Attach, Guest: GuestReference name } || host.SavesAtShutdown is not string setting)
            yield break;
        var guest = host.FindGuest(name);
        if (guest is not null ? guest.Start.Toolstack != Toolstack.Xen : !host.GuestFiles.Any(file => file.Guest == $"{name.Name}"))
            yield break;
        var harm = guest?.Type == Core.GuestType.Hvm ? "which leaves the function in it for good"
            : Named(host, request).Any(function => function.InterruptPin != 0) ? "which kills it: the function has an interrupt pin"
            : "which leaves it hanging while it has the function";
        yield return Warn(name, $"guest {name} does not survive a shutdown of this host", $"xendomains saves every guest then ({setting}), {harm}",
            "pcipass guard install     and it is shut down inside instead");
    }
}
