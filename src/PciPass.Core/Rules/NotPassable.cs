namespace PciPass.Core.Rules;

/// <summary>A bridge, or a part of the chipset.</summary>
public sealed class NotPassable : Rule
{
    public override string Code => "not-passable";
    public override string Meaning => "Bridges, host bridges and parts of the chipset (ISA, SMBus) belong to the host; only endpoints can go to a guest.";
    public override string Source => "Linux: pcistub_probe takes only header types 0 and 1 (drivers/xen/xen-pciback/pci_stub.c), and naming a bridge hides all that is behind it; xl takes a bridge without a word (seen in the lab).";

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in Named(host, request)
        let reason = ReasonAgainst(function) ?? ReasonOfPlace(host, function)
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
        { Class.IsSmBus: true } => "the SMBus controller (class 0c05), which reaches the board's memory modules and sensors",
        _ => null,
    };

    static string? ReasonOfPlace(HostSnapshot host, PciFunction function) => host.BridgesAbove(function).LastOrDefault(above => above.HeaderType == 0) is PciFunction owner
        ? $"behind {owner.Address} ({owner.Class.Name}{(owner.Driver is DriverName driver ? $", {driver}" : "")}), as which its DMA counts: only that one could go, with all that is behind it"
        : null;
}
