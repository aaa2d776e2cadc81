namespace PciPass.Core;

/// <summary>
/// Access Control Services: what a port or a function does so that requests go up to the IOMMU instead of across to a neighbour
/// (PCI Express Base Specification, 6.12 and 7.7.8).
/// </summary>
/// <param name="Capability">What it can.</param>
/// <param name="Control">What is switched on.</param>
public readonly record struct AccessControl(ushort Capability, ushort Control)
{
    /// <summary>Source Validation, P2P Request Redirect, P2P Completion Redirect and Upstream Forwarding: what isolation needs.</summary>
    public const ushort Needed = 0x01 | 0x04 | 0x08 | 0x10;

    /// <summary>
    /// Whether all that is needed is switched on. What is missing from the capability is taken for built in, as the specification
    /// demands it only where it can be switched.
    /// </summary>
    public bool Isolates => (Needed & Capability & ~Control) == 0;

    /// <summary>In lspci's words: <c>SrcValid+ ReqRedir+ CmpltRedir+ UpstreamFwd-</c>.</summary>
    public override string ToString()
    {
        var (capability, control) = (Capability, Control);
        return string.Join(' ', Bit(0x01, "SrcValid"), Bit(0x04, "ReqRedir"), Bit(0x08, "CmpltRedir"), Bit(0x10, "UpstreamFwd"));

        string Bit(int bit, string name) => $"{name}{((capability & bit) == 0 ? "?" : (control & bit) != 0 ? "+" : "-")}";
    }
}
