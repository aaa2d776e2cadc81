using System.Globalization;
using System.Text;

namespace PciPass.Core.Formats;

/// <summary>
/// Names of vendors and devices from the list that pciutils and hwdata install as <c>pci.ids</c>. It is read for the ids that a
/// host has alone: the list has 40,000 lines, a host needs 30.
/// </summary>
public sealed class PciIdsFile
{
    readonly Dictionary<ushort, string> vendors = [];
    readonly Dictionary<(ushort Vendor, ushort Device), string> devices = [];
    readonly Dictionary<(ushort Vendor, ushort Device), string> names = [];

    readonly HashSet<(ushort Vendor, ushort Device)> wantedDevices;
    readonly HashSet<ushort> wantedVendors;
    ushort? current;

    /// <param name="wanted">The ids that a host has.</param>
    public PciIdsFile(IEnumerable<PciIds> wanted)
    {
        wantedDevices = wanted.Select(ids => (ids.Vendor, ids.Device)).ToHashSet();
        wantedVendors = wantedDevices.Select(ids => ids.Vendor).ToHashSet();
    }

    /// <summary>Takes the names that are wanted out of the list's next lines.</summary>
    /// <returns>Whether names can follow: classes, which stand last, are not read.</returns>
    public bool Read(ReadOnlySpan<byte> lines)
    {
        while (!lines.IsEmpty)
        {
            var end = lines.IndexOf((byte)'\n');
            var line = end < 0 ? lines : lines[..end];
            lines = end < 0 ? [] : lines[(end + 1)..];
            if (line.Length < 6 || line[0] == '#')
                continue;
            // Device classes follow the vendors: "C 00  Unclassified device".
            if (line[0] == 'C' && line[1] == ' ')
                return false;
            if (line[0] != '\t')
            {
                current = Hex(line, out var id) && wantedVendors.Contains(id) ? id : null;
                if (current is ushort known)
                    vendors[known] = Encoding.UTF8.GetString(line[4..]).Trim();
            }
            else if (current is ushort of && line[1] != '\t' && Hex(line[1..], out var device) && wantedDevices.Contains((of, device)))
            {
                devices[(of, device)] = Encoding.UTF8.GetString(line[5..]).Trim();
            }
        }
        return true;
    }

    /// <summary>What was read, in the list's own form.</summary>
    public string Excerpt() => string.Concat(vendors.OrderBy(vendor => vendor.Key).Select(vendor => $"{vendor.Key:x4}  {vendor.Value}\n"
        + string.Concat(devices.Where(device => device.Key.Vendor == vendor.Key).OrderBy(device => device.Key.Device).Select(device => $"\t{device.Key.Device:x4}  {device.Value}\n"))));

    /// <summary>Vendor and device in words; the ids in hexadecimal for what the list does not know.</summary>
    public string Name(PciIds ids)
    {
        if (names.TryGetValue((ids.Vendor, ids.Device), out var known))
            return known;
        var vendor = vendors.TryGetValue(ids.Vendor, out var vendorName) ? Short(vendorName) : $"vendor {ids.Vendor:x4}";
        return names[(ids.Vendor, ids.Device)] = devices.TryGetValue((ids.Vendor, ids.Device), out var device)
            ? $"{vendor} {device}"
            : $"{vendor} device {ids.Device:x4}";
    }

    /// <summary>A vendor's name without the form of its company, which tells nobody anything in a table.</summary>
    static string Short(string vendor)
    {
        foreach (var ending in (ReadOnlySpan<string>)[", Inc.", " Inc.", " Inc", " Corporation", " Corp.", " Co., Ltd.", " Co. Ltd.", " Ltd.", " Limited", " Technologies", " Semiconductor"])
        {
            if (vendor.EndsWith(ending, StringComparison.Ordinal))
                return vendor[..^ending.Length];
        }
        return vendor;
    }

    static bool Hex(ReadOnlySpan<byte> text, out ushort value)
    {
        value = 0;
        return text.Length >= 4 && ushort.TryParse(text[..4], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }
}
