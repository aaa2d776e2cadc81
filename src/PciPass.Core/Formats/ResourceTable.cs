using System.Globalization;

namespace PciPass.Core.Formats;

/// <summary>
/// Reads <c>/proc/iomem</c> and <c>/proc/ioports</c> (kernel/resource.c): one file for the BARs of all functions. A BAR carries its
/// function's address as its name, and what uses it is indented below. An ordinary user sees zeros in place of the addresses.
/// </summary>
public static class ResourceTable
{
    /// <summary>The ranges that belong to functions. Lines that are not of the documented form are left out.</summary>
    public static IEnumerable<AddressRange> Parse(string text, bool isPort)
    {
        AddressRange? open = null;
        var depth = -1;
        foreach (var line in text.Split('\n'))
        {
            var indent = line.Length - line.TrimStart(' ').Length;
            var (dash, colon) = (line.IndexOf('-'), line.IndexOf(" : ", StringComparison.Ordinal));
            if (dash <= indent || colon < dash || !Hex(line.AsSpan(indent, dash - indent), out var start) || !Hex(line.AsSpan(dash + 1, colon - dash - 1), out var end) || end < start)
                continue;
            var name = line[(colon + 3)..];
            if (open is not null && indent <= depth)
            {
                yield return open;
                open = null;
            }
            if (PciAddress.TryParse(name, out var address) && end != 0)
            {
                if (open is not null)
                    yield return open;
                (open, depth) = (new AddressRange(address, start, end, isPort), indent);
            }
            else if (open is { Holder: "" })
            {
                open = open with { Holder = name };
            }
        }
        if (open is not null)
            yield return open;
    }

    static bool Hex(ReadOnlySpan<char> text, out ulong value) => ulong.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
}
