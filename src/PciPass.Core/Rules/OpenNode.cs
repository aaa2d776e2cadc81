namespace PciPass.Core.Rules;

/// <summary>A program has the function's device node open.</summary>
public sealed class OpenNode : Rule
{
    public override string Code => "open-node";
    public override string Meaning => "A program has a device node of the function open: it loses it, or the driver waits for it, possibly for ever.";
    public override string Source => "/proc/PID/fd, and the device numbers in /sys/dev.";
    public override string Remedy => "End that program.";
    public override Weights Weights => Weights.RefuseUnlessAccepted | Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        // What vfio-pci holds already, and a process that is no guest we know of has: unbinding would wait for it (drivers/vfio/pci/vfio_pci_core.c).
        foreach (var function in Named(host, request).Where(function => host.IsHeld(function) && request.IsNow && request.Verb is Verb.Unhide or Verb.Attach))
        {
            var guest = request.Guest is GuestReference name ? host.FindGuest(name) : null;
            var holders = host.UsesOf(function.Address).Where(use => use.IsVfio && !(guest is not null && use.Detail.EndsWith($"(pid {guest.Start.Number})", StringComparison.Ordinal))).ToArray();
            if (holders.Length > 0 && host.FindAttachment(function.Address) is null)
                yield return Refuse(function.Address, Cannot(function, request), $"{Isolation.Listed(holders.Select(use => $"{use.Detail} has {use.Name} open"))}", "end that program, or take the group's functions from that guest first");
        }
        foreach (var function in ToTake(host, request))
        {
            var open = host.UsesOf(function.Address).Where(use => use.Kind == HostUseKind.OpenNode).ToArray();
            if (open.Length > 0)
                yield return RefuseUnlessAccepted(function.Address, Cannot(function, request), $"{Isolation.Listed(open.Select(use => $"{use.Detail} has {use.Name} open"))}",
                    $"end {(open.Length == 1 ? "that program" : "these programs")}; or go on with --accept {Code}");
        }
    }
}
