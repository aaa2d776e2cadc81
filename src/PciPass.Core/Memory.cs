namespace PciPass.Core;

/// <summary>A range of addresses that one BAR of a function answers to.</summary>
/// <param name="Address">The function.</param>
/// <param name="Start">The first address.</param>
/// <param name="End">The last address.</param>
/// <param name="IsPort">I/O ports instead of memory.</param>
/// <param name="Holder">What the kernel says uses it inside: a driver's name, or that of a framebuffer of boot; empty where nothing does.</param>
public sealed record AddressRange(PciAddress Address, ulong Start, ulong End, bool IsPort, string Holder = "")
{
    public const ulong PageSize = 4096;

    public ulong FirstPage => Start / PageSize;
    public ulong LastPage => End / PageSize;
    public ulong Size => End - Start + 1;

    public override string ToString() => $"{Start:x}-{End:x}";
}

/// <summary>
/// Memory that the firmware goes on using by the DMA of a function, behind the operating system's back: an RMRR of the DMAR table
/// (Intel Virtualization Technology for Directed I/O, 8.4).
/// </summary>
/// <param name="Address">The function.</param>
/// <param name="Start">The first address.</param>
/// <param name="End">The last address.</param>
/// <param name="IsShared">Whether other functions have the same region.</param>
public sealed record ReservedMemory(PciAddress Address, ulong Start, ulong End, bool IsShared);
