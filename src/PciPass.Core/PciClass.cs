namespace PciPass.Core;

/// <summary>The 24-bit class code: base class, subclass and programming interface (PCI Code and ID Assignment Specification).</summary>
public readonly record struct PciClass(byte Base, byte Sub, byte Interface)
{
    public bool IsBridge => Base == 0x06;
    public bool IsHostBridge => Base == 0x06 && Sub == 0x00;
    public bool IsNetwork => Base == 0x02;
    public bool IsStorage => Base == 0x01;

    /// <summary>SMBus controllers reach memory modules and sensors of the board.</summary>
    public bool IsSmBus => Base == 0x0c && Sub == 0x05;

    /// <summary>A short name in the field's words; the class code in hexadecimal where there is none.</summary>
    public string Name => (Base, Sub) switch
    {
        (0x01, 0x00) => "SCSI",
        (0x01, 0x01) => "IDE",
        (0x01, 0x04) => "RAID",
        (0x01, 0x06) => "SATA",
        (0x01, 0x07) => "SAS",
        (0x01, 0x08) => "NVMe",
        (0x01, _) => "storage",
        (0x02, 0x00) => "Ethernet",
        (0x02, 0x07) => "InfiniBand",
        (0x02, _) => "network",
        (0x03, 0x00) => "VGA",
        (0x03, _) => "display",
        (0x04, 0x03) => "audio",
        (0x04, _) => "multimedia",
        (0x05, _) => "memory",
        (0x06, 0x00) => "host bridge",
        (0x06, 0x01) => "ISA bridge",
        (0x06, 0x04) => "PCI bridge",
        (0x06, _) => "bridge",
        (0x07, _) => "serial",
        (0x08, _) => "system",
        (0x09, _) => "input",
        (0x0b, _) => "processor",
        (0x0c, 0x03) => "USB",
        (0x0c, 0x05) => "SMBus",
        (0x0c, _) => "serial bus",
        (0x0d, _) => "wireless",
        (0x10, _) => "encryption",
        (0x12, _) => "accelerator",
        _ => ToString(),
    };

    public override string ToString() => $"{Base:x2}{Sub:x2}{Interface:x2}";
}
