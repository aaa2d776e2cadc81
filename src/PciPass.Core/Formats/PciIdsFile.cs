using System.Globalization;
using System.Text;

namespace PciPass.Core.Formats;

/// <summary>
/// Names of vendors and devices from the list that pciutils and hwdata install as <c>pci.ids</c>. It is read once, and only for
/// the ids that a host has: the list has 40,000 lines, a host needs 30.
/// </summary>
public sealed class PciIdsFile
{
    /// <summary>A little more than the list is long (1.3 MiB in 2023), for reading it in one go.</summary>
    public const int UsualLength = 2 * 1024 * 1024;

    readonly Dictionary<ushort, string> vendors = [];
    readonly Dictionary<(ushort Vendor, ushort Device), string> devices = [];
    readonly Dictionary<(ushort Vendor, ushort Device), string> names = [];

    /// <summary>Reads the names of <paramref name="wanted"/> out of the file's text.</summary>
    public PciIdsFile(ReadOnlySpan<byte> text, IEnumerable<PciIds> wanted)
    {
        var wantedDevices = wanted.Select(ids => (ids.Vendor, ids.Device)).ToHashSet();
        var wantedVendors = wantedDevices.Select(ids => ids.Vendor).ToHashSet();
        ushort? vendor = null;
        while (!text.IsEmpty)
        {
            var end = text.IndexOf((byte)'\n');
            var line = end < 0 ? text : text[..end];
            text = end < 0 ? [] : text[(end + 1)..];
            if (line.Length < 6 || line[0] == '#')
                continue;
            // Device classes follow the vendors: "C 00  Unclassified device".
            if (line[0] == 'C' && line[1] == ' ')
                break;
            if (line[0] != '\t')
            {
                vendor = Hex(line, out var id) && wantedVendors.Contains(id) ? id : null;
                if (vendor is ushort known)
                    vendors[known] = Encoding.UTF8.GetString(line[4..]).Trim();
            }
            else if (vendor is ushort current && line[1] != '\t' && Hex(line[1..], out var device) && wantedDevices.Contains((current, device)))
            {
                devices[(current, device)] = Encoding.UTF8.GetString(line[5..]).Trim();
            }
        }
    }

    /// <summary>The part of such a file that names <paramref name="wanted"/>, in its own form.</summary>
    public static string Excerpt(ReadOnlySpan<byte> text, IEnumerable<PciIds> wanted)
    {
        var file = new PciIdsFile(text, wanted);
        return string.Concat(file.vendors.OrderBy(vendor => vendor.Key).Select(vendor => $"{vendor.Key:x4}  {vendor.Value}\n"
            + string.Concat(file.devices.Where(device => device.Key.Vendor == vendor.Key).OrderBy(device => device.Key.Device).Select(device => $"\t{device.Key.Device:x4}  {device.Value}\n"))));
    }

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
