namespace PciPass.Core;

/// <summary>Who made a function and what it is: the four 16-bit ids of the configuration header (PCI Local Bus 3.0, 6.2.1 and 6.2.4).</summary>
/// <param name="Vendor">The vendor's id; ffff is never a vendor.</param>
/// <param name="Device">The vendor's number for the chip.</param>
/// <param name="SubVendor">The board's maker; 0 where the header has none.</param>
/// <param name="SubDevice">The board's number; 0 where the header has none.</param>
public readonly record struct PciIds(ushort Vendor, ushort Device, ushort SubVendor, ushort SubDevice)
{
    /// <summary>Vendor and device as lspci prints them: <c>8086:10d3</c>.</summary>
    public override string ToString() => $"{Vendor:x4}:{Device:x4}";
}
