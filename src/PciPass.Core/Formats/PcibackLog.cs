using System.Globalization;

namespace PciPass.Core.Formats;

/// <summary>
/// What pciback says in the kernel's log: <c>[  582.386916] pciback 0000:09:00.0: registering for 3</c> each time when a guest gets a function
/// (xen_pcibk_export_device in drivers/xen/xen-pciback/xenbus.c; seen in the lab).
/// </summary>
public static class PcibackLog
{
    /// <param name="text">The log as syslog(2) gives it: a level in angle brackets may stand in front.</param>
    /// <param name="since">Only what was said so long after the kernel's start, or later.</param>
    public static IEnumerable<(PciAddress Address, int DomId)> Parse(string text, TimeSpan since)
    {
        const string Word = "] pciback ", Registers = ": registering for ";
        foreach (var line in text.Split('\n'))
        {
            var open = line.IndexOf('[');
            var at = line.IndexOf(Word, StringComparison.Ordinal);
            var end = line.IndexOf(Registers, StringComparison.Ordinal);
            if (open < 0 || open > 6 || at < open || end < at)
                continue;
            if (PciAddress.TryParse(line.AsSpan(at + Word.Length, end - at - Word.Length), out var address)
                && int.TryParse(line.AsSpan(end + Registers.Length).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var domId) && domId > 0
                && decimal.TryParse(line.AsSpan(open + 1, at - open - 1), NumberStyles.AllowLeadingWhite | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds)
                && seconds >= (decimal)since.TotalSeconds)
                yield return (address, domId);
        }
    }
}
