namespace PciPass.Core.Rules;

/// <summary>A program has the function's device node open.</summary>
public sealed class OpenNode : Rule
{
    public override string Code => "open-node";
    public override string Meaning => "A program has a device node of the function open: it loses it, or the driver waits for it, possibly for ever.";
    public override string Source => "/proc/PID/fd, and the device numbers in /sys/dev.";

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            var open = host.UsesOf(function.Address).Where(use => use.Kind == HostUseKind.OpenNode).ToArray();
            if (open.Length > 0)
                yield return RefuseUnlessAccepted(function.Address, Cannot(function, request), $"{Isolation.Listed(open.Select(use => $"{use.Detail} has {use.Name} open"))}",
                    $"end {(open.Length == 1 ? "that program" : "these programs")}; or go on with --accept {Code}");
        }
    }
}
