using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>Which functions one start of a guest has had, from the journal and from what the kernel wrote into its log.</summary>
/// <param name="Functions">All that are known of, those that it has now included.</param>
/// <param name="MissingBecause">Why there may be others; null when there are none: the kernel's log is whole.</param>
public sealed record GuestHistory(ImmutableSortedSet<PciAddress> Functions, string? MissingBecause)
{
    /// <summary>
    /// What the journal and the kernel's log tell of one start of a guest.
    /// </summary>
    /// <param name="operations">The journal.</param>
    /// <param name="bootId">The boot that runs now: a domid means nothing beyond it.</param>
    /// <param name="domId">The guest's domid.</param>
    /// <param name="kernelLog">The kernel's log as <c>dmesg</c> prints it; null when it could not be read.</param>
    public static GuestHistory Of(IEnumerable<Operation> operations, string bootId, int domId, string? kernelLog)
    {
        var functions = ImmutableSortedSet.CreateBuilder<PciAddress>();
        foreach (var operation in operations.Where(operation => operation.BootId == bootId))
        {
            foreach (var (number, step) in operation.Steps.Index())
            {
                // One that failed may have been there for a moment, and one that was taken out was there before.
                if (step is Plug plug && plug.Start == GuestStart.Domain(domId) && (operation.LastMark(number) is not null || !plug.Plugged))
                    functions.Add(plug.Address);
            }
        }
        var isWhole = false;
        foreach (var line in (kernelLog ?? "").Split('\n'))
        {
            // The first words of every kernel: where they are still there, nothing has been dropped behind them.
            isWhole |= line.Contains("] Linux version ", StringComparison.Ordinal);
            // pciback says so at each export (drivers/xen/xen-pciback/xenbus.c): "pciback 0000:09:00.0: registering for 3".
            const string Registering = ": registering for ", Pciback = "pciback ";
            var at = line.IndexOf(Registering, StringComparison.Ordinal);
            var start = at < 0 ? -1 : line.LastIndexOf(Pciback, at, StringComparison.Ordinal);
            if (start >= 0 && line.AsSpan(at + Registering.Length).Trim().SequenceEqual($"{domId}")
                && PciAddress.TryParse(line.AsSpan()[(start + Pciback.Length)..at], out var address))
                functions.Add(address);
        }
        return new GuestHistory(functions.ToImmutable(), kernelLog is null ? "the kernel's log could not be read" : isWhole ? null : "the kernel's log no longer goes back to its start");
    }
}
