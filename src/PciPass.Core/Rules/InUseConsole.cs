namespace PciPass.Core.Rules;

/// <summary>The host talks to people through the function.</summary>
public sealed class InUseConsole : Rule
{
    public override string Code => "in-use-console";
    public override string Meaning => "The function is the host's console: a serial line, the virtual terminals' framebuffer, a keyboard, or the display that it booted on.";
    public override string Source => "/proc/consoles, /sys/class/graphics, /proc/bus/input/devices, boot_vga in sysfs.";
    public override string Remedy => "See that there is another way to the host.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            var reasons = host.UsesOf(function.Address).Select(use => use.Kind switch
            {
                HostUseKind.Console => $"{use.Name} is the host's console ({use.Detail})",
                HostUseKind.Keyboard => $"the keyboard \"{use.Detail}\" hangs on it",
                HostUseKind.BootDisplay => "it is the display that the host booted on (boot_vga)",
                _ => null,
            }).OfType<string>().ToArray();
            if (reasons.Length > 0)
                yield return RefuseUnlessAccepted(function.Address, Cannot(function, request), string.Join("; ", reasons), $"see that there is another way to the host; then go on with --accept {Code}");
        }
    }
}
