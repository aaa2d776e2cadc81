using System.Globalization;

namespace PciPass.Core;

/// <summary>
/// Where a function sits: segment:bus:device.function, printed as Linux prints it (<c>0000:09:00.0</c>).
/// An address says where a function is, not what it is: bus numbers move when cards are added (see <see cref="PciIdentity"/>).
/// </summary>
/// <remarks>
/// Segment 0 to 7fffffff (the specification has 16 bits; Linux numbers the segments behind Intel's VMD from 10000 up,
/// drivers/pci/controller/vmd.c), bus 00 to ff, device 00 to 1f, function 0 to 7 (PCI Express Base Specification, 7.5.1).
/// </remarks>
public readonly record struct PciAddress : IComparable<PciAddress>
{
    readonly int segmentNumber;
    readonly ushort busDeviceFunction;

    /// <exception cref="ArgumentOutOfRangeException">A part is out of its range.</exception>
    public PciAddress(int segment, int bus, int device, int function)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(segment);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)bus, 0xffu, nameof(bus));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)device, 0x1fu, nameof(device));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)function, 7u, nameof(function));
        segmentNumber = segment;
        busDeviceFunction = (ushort)((bus << 8) | (device << 3) | function);
    }

    public int Segment => segmentNumber;
    public int Bus => busDeviceFunction >> 8;
    public int Device => (busDeviceFunction >> 3) & 0x1f;
    public int Function => busDeviceFunction & 7;

    /// <summary>Reads <c>0000:09:00.0</c> or <c>09:00.0</c> (segment 0), hexadecimal throughout.</summary>
    /// <exception cref="FormatException">The text is none of these; the message quotes it.</exception>
    public static PciAddress Parse(ReadOnlySpan<char> text) => TryParse(text, out var address)
        ? address
        : throw new FormatException($"\"{text}\" is no PCI address: expected segment:bus:device.function in hexadecimal, like 0000:09:00.0 or 09:00.0");

    public static bool TryParse(ReadOnlySpan<char> text, out PciAddress address)
    {
        address = default;
        var segment = 0;
        var colon = text.IndexOf(':');
        if (colon >= 0 && text[(colon + 1)..].Contains(':'))
        {
            if (!TryHex(text[..colon], 8, int.MaxValue, out segment) || colon < 4)
                return false;
            text = text[(colon + 1)..];
            colon = text.IndexOf(':');
        }
        var dot = text.IndexOf('.');
        if (colon != 2 || dot != 5 || text.Length != 7)
            return false;
        if (!TryHex(text[..2], 2, 0xff, out var bus) || !TryHex(text[3..5], 2, 0x1f, out var device) || !TryHex(text[6..], 1, 7, out var function))
            return false;
        address = new PciAddress(segment, bus, device, function);
        return true;
    }

    /// <summary>Reads libvirt's name of a node device, <c>pci_0000_09_00_0</c>.</summary>
    public static bool TryParseNodeDevice(ReadOnlySpan<char> text, out PciAddress address)
    {
        address = default;
        if (!text.StartsWith("pci_", StringComparison.Ordinal) || text.Length is < 16 or > 20)
            return false;
        Span<char> plain = stackalloc char[text.Length - 4];
        text[4..].CopyTo(plain);
        if (plain.Count('_') != 3)
            return false;
        plain[plain.LastIndexOf('_')] = '.';
        plain.Replace('_', ':');
        return TryParse(plain, out address);
    }

    static bool TryHex(ReadOnlySpan<char> text, int digits, int most, out int value)
    {
        value = 0;
        return text.Length > 0 && text.Length <= digits
            && int.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value) && value >= 0 && value <= most;
    }

    public int CompareTo(PciAddress other) =>
        segmentNumber != other.segmentNumber ? segmentNumber.CompareTo(other.segmentNumber) : busDeviceFunction.CompareTo(other.busDeviceFunction);

    public override string ToString() => $"{segmentNumber:x4}:{Bus:x2}:{Device:x2}.{Function}";
}
