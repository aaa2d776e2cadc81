namespace PciPass.Core;

/// <summary>
/// Devices that sign their DMA with another function's number than their own: the IOMMU then blocks it, or lends them the other's
/// rights (Linux: quirk_dma_func0_alias and quirk_dma_func1_alias in drivers/pci/quirks.c).
/// </summary>
public static class RequesterQuirks
{
    const ushort Marvell = 0x1b4b, HighPoint = 0x1103, JMicron = 0x197b, Ricoh = 0x1180;

    /// <summary>The other number on the same device that its requests carry; null for a device that is not known for that.</summary>
    public static int? OtherFunction(PciIds ids) => (ids.Vendor, ids.Device) switch
    {
        (Marvell, 0x9120 or 0x9123 or 0x9125 or 0x9128 or 0x9130 or 0x9172 or 0x917a or 0x9182 or 0x9183 or 0x91a0 or 0x9215 or 0x9220 or 0x9230 or 0x9235) => 1,
        (HighPoint, 0x0642 or 0x0644 or 0x0645) or (JMicron, 0x2392) => 1,
        (Ricoh, 0xe832 or 0xe476) => 0,
        _ => null,
    };
}
