using System.Globalization;

namespace PciPass.Core;

/// <summary>
/// What a function is, as opposed to where it is today: its way down the tree of bridges, by device and function numbers,
/// which are wired, and not by bus numbers, which move; its ids; and its serial number where it has one.
/// </summary>
/// <param name="Path">
/// Device.function of each bridge from the root bus down and of the function itself, joined by slashes, behind the root bus
/// (<c>0000:00/05.0/00.0</c>).
/// </param>
/// <param name="Ids">Vendor, device and the board's two ids.</param>
/// <param name="SerialNumber">The Device Serial Number capability, where root could read it.</param>
public sealed record PciIdentity(string Path, PciIds Ids, ulong? SerialNumber)
{
    /// <summary>
    /// What speaks against <paramref name="now"/> being the same function, in words; null when nothing does. A serial number
    /// that one side lacks is not compared: an ordinary user cannot read it.
    /// </summary>
    public string? DifferenceTo(PciIdentity now)
    {
        if (Ids != now.Ids)
            return $"expected {Describe(Ids)}, found {Describe(now.Ids)}";
        if (Path != now.Path)
            return $"expected it at {Path} in the tree of bridges, found it at {now.Path}";
        if (SerialNumber is ulong was && now.SerialNumber is ulong found && was != found)
            return $"expected serial number {was:x16}, found {found:x16}";
        return null;
    }

    static string Describe(PciIds ids) => $"{ids} (board {ids.SubVendor:x4}:{ids.SubDevice:x4})";

    /// <summary>One word: <c>0000:00/05.0/00.0,8086:10d3:8086:0000,0123456789abcdef</c>; a dash stands for no serial number.</summary>
    public override string ToString() =>
        $"{Path},{Ids}:{Ids.SubVendor:x4}:{Ids.SubDevice:x4},{(SerialNumber is ulong serial ? serial.ToString("x16") : "-")}";

    /// <exception cref="FormatException">The text is not of that form; the message quotes it.</exception>
    public static PciIdentity Parse(string text)
    {
        var parts = text.Split(',');
        var ids = parts.Length == 3 ? parts[1].Split(':') : [];
        ulong serial = 0;
        if (ids.Length != 4 || parts[0].Length == 0
            || !Hex(ids[0], out var vendor) || !Hex(ids[1], out var device) || !Hex(ids[2], out var subVendor) || !Hex(ids[3], out var subDevice)
            || (parts[2] != "-" && !ulong.TryParse(parts[2], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out serial)))
            throw new FormatException($"\"{text}\" is no identity: expected path,vendor:device:subvendor:subdevice,serial");
        return new PciIdentity(parts[0], new PciIds(vendor, device, subVendor, subDevice), parts[2] == "-" ? null : serial);

        static bool Hex(string word, out ushort value) => ushort.TryParse(word, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }
}
