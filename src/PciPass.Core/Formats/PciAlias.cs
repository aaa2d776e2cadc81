using System.Globalization;

namespace PciPass.Core.Formats;

/// <summary>
/// A function's ids and class in one line, as the kernel tells them for finding a driver
/// (<c>pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00</c>; modalias_show in drivers/pci/pci-sysfs.c).
/// </summary>
public static class PciAlias
{
    /// <returns>False for what is not of that form.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out PciIds ids, out PciClass kind)
    {
        (ids, kind) = (default, default);
        if (
            !Take(ref text, "pci:v", 8, out var vendor)
            || !Take(ref text, "d", 8, out var device)
            || !Take(ref text, "sv", 8, out var subVendor)
            || !Take(ref text, "sd", 8, out var subDevice)
            || !Take(ref text, "bc", 2, out var baseClass)
            || !Take(ref text, "sc", 2, out var subClass)
            || !Take(ref text, "i", 2, out var face)
            || !text.IsEmpty
            || (vendor | device | subVendor | subDevice) > ushort.MaxValue
        )
            return false;
        ids = new PciIds((ushort)vendor, (ushort)device, (ushort)subVendor, (ushort)subDevice);
        kind = new PciClass((byte)baseClass, (byte)subClass, (byte)face);
        return true;
    }

    static bool Take(ref ReadOnlySpan<char> text, string word, int digits, out uint value)
    {
        value = 0;
        if (
            !text.StartsWith(word, StringComparison.Ordinal)
            || text.Length < word.Length + digits
            || !uint.TryParse(text.Slice(word.Length, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
        )
            return false;
        text = text[(word.Length + digits)..];
        return true;
    }
}
