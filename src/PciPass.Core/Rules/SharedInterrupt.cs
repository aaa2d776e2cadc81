namespace PciPass.Core.Rules;

/// <summary>The function's interrupt line is another's too.</summary>
public sealed class SharedInterrupt : Rule
{
    public override string Code => "shared-interrupt";
    public override string Meaning => "The function shares its legacy interrupt line with one that stays: a guest that does not answer it blocks the other, and Xen gives that no security support.";
    public override string Source => "Xen security advisory 461 and SUPPORT.md; irq in sysfs. It does not matter while the guest's driver uses MSI or MSI-X.";
    public override string Remedy => "Move one of them to another slot, or use MSI.";
    public override Weights Weights => Weights.Note | Weights.Warn;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            if (function.Irq == 0 || function.InterruptPin is 0 or > 4)
                continue;
            var others = host.OnLine(function.Irq).Where(other => other.Address != function.Address && other.IsEndpoint && other.Driver is not null
                && !host.IsHeld(other) && !request.Functions.Contains(other.Address)).Select(other => $"{other.Address} ({other.Class.Name}, {other.Driver})").ToArray();
            if (others.Length == 0)
                continue;
            var (what, why) = ($"{function.Address} shares its interrupt line", $"line {function.Irq} is also that of {Isolation.Listed(others)}");
            yield return function.HasMessageInterrupts
                ? Note(function.Address, what, $"{why}; its driver in the guest should use MSI, which it can")
                : Warn(function.Address, what, $"{why}, and it cannot use MSI", "move one of them to another slot, or pass it to a guest that is trusted");
        }
    }
}
