namespace PciPass.Core.Rules;

/// <summary>A bridge, or a part of the chipset.</summary>
public sealed class NotPassable : Rule
{
    public override string Code => "not-passable";
    public override string Meaning => "Bridges, host bridges and parts of the chipset (ISA, SMBus, IOMMU, IPMI, memory on CXL, the firmware's flash) belong to the host; only endpoints can go to a guest.";
    public override string Source => "Linux: pcistub_probe takes only header types 0 and 1 (drivers/xen/xen-pciback/pci_stub.c), and naming a bridge hides all that is behind it; xl takes a bridge without a word (seen in the lab).";
    public override string Remedy => "Choose an endpoint: pcipass list.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in Named(host, request)
        let reason = ReasonAgainst(function) ?? ReasonOfPlace(host, function) ?? ReasonOfFlash(host, function)
        where reason is not null && request.Verb is Verb.Hide or Verb.Attach
        select Refuse(function.Address, Cannot(function, request), $"it is {reason}", "choose an endpoint: pcipass list");

    /// <summary>Why this kind of function never goes to a guest; null when it may.</summary>
    public static string? ReasonAgainst(PciFunction function) => function switch
    {
        { Class.IsHostBridge: true } => "the host bridge (class 0600)",
        { HeaderType: 1 } => "a PCI-to-PCI bridge (header type 1)",
        { HeaderType: 2 } => "a CardBus bridge (header type 2)",
        { HeaderType: not 0 } => $"of unknown header type {function.HeaderType}",
        { Class.IsBridge: true } => $"{(function.Class.Name[0] == 'I' ? "an" : "a")} {function.Class.Name} (class {function.Class.Base:x2}{function.Class.Sub:x2}), a part of the chipset",
        { Class: { Base: 0x08, Sub: 0x06 } } => "an IOMMU (class 0806), which confines all the others",
        { Class: { Base: 0x08, Sub: 0x07 } } or { ExpressType: PciExpressType.RootComplexEventCollector } => "the root complex's event collector (class 0807), a part of the chipset",
        { Class: { Base: 0x05, Sub: 0x02 } } => "memory on CXL (class 0502): what it offers is the host's memory, which no BAR holds",
        { Class: { Base: 0x0c, Sub: 0x07 } } => "the board's IPMI controller (class 0c07), which reaches the host's power and firmware",
        { Class.IsSmBus: true } => "the SMBus controller (class 0c05), which reaches the board's memory modules and sensors",
        _ => null,
    };

    /// <summary>Beside the chipset's ISA bridge a serial bus controller is that of the flash memory with the firmware.</summary>
    static string? ReasonOfFlash(HostSnapshot host, PciFunction function) =>
        function.Class is { Base: 0x0c, Sub: 0x80 } && Enumerable.Range(0, 8).Any(number => host.Find(new PciAddress(function.Address.Segment, function.Address.Bus, function.Address.Device, number)) is { Class: { Base: 0x06, Sub: 0x01 } })
            ? "the controller of the firmware's flash memory (class 0c80, beside the ISA bridge)"
            : null;

    static string? ReasonOfPlace(HostSnapshot host, PciFunction function) => host.BridgesAbove(function).LastOrDefault(above => above.HeaderType == 0) is PciFunction owner
        ? $"behind {owner.Address} ({owner.Class.Name}{(owner.Driver is DriverName driver ? $", {driver}" : "")}), as which its DMA counts: only that one could go, with all that is behind it"
        : null;
}
