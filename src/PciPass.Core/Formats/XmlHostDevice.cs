namespace PciPass.Core.Formats;

/// <summary>A function that libvirt's XML of a guest names: a <c>hostdev</c>, or an <c>interface</c> that is a virtual function.</summary>
/// <param name="Address">The function.</param>
/// <param name="Managed">Whether libvirt takes it from the host at each start, and gives it back.</param>
/// <param name="IsInterface">Whether it is an <c>interface</c>.</param>
/// <param name="Start">Where its element begins in the text.</param>
/// <param name="End">Behind its element.</param>
public sealed record XmlHostDevice(PciAddress Address, bool Managed, bool IsInterface, int Start, int End)
{
    /// <summary>What libvirt calls it while the guest runs; null in a definition.</summary>
    public string? Alias { get; init; }

    /// <summary>Where the guest sees it; null where that is not told.</summary>
    public PciAddress? Slot { get; init; }
}
