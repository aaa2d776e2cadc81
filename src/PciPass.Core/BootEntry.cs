namespace PciPass.Core;

/// <summary>What starts the host next time, as far as the boot loader's files tell.</summary>
/// <param name="Title">The menu's words for it.</param>
/// <param name="Place">The file, and the line that the kernel's line stands in.</param>
/// <param name="Version">The kernel's version; empty where it cannot be told.</param>
/// <param name="Initrd">The initramfs' file, as this host sees it; null without one.</param>
/// <param name="Line">The kernel's line.</param>
/// <param name="IsXen">Whether Xen is below it; null where nothing tells.</param>
/// <param name="How">How sure it is that this entry is the one: "the default", or why it is taken for it.</param>
public sealed record BootEntry(string Title, string Place, string Version, string? Initrd, string Line, bool? IsXen, string How)
{
    /// <summary>Whether a boot loader's file holds it; else it is put together from what there is.</summary>
    public bool IsFound { get; init; } = true;
}
