using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>A guest's image as it lies on disk, and the record beside it that says which functions belong to it.</summary>
/// <param name="Path">The image: an absolute path.</param>
public sealed record GuestImage(string Path)
{
    /// <summary>The record's path: the image's, with <c>.pcipass</c> behind.</summary>
    public string RecordPath => $"{Path}.pcipass";

    /// <summary>Whether the folder is there.</summary>
    public bool HasFolder { get; init; }

    /// <summary>How many bytes will be written there, at most: the guest's memory. Null where that is not known.</summary>
    public long? Size { get; init; }

    /// <summary>For how many bytes its file system has room; null where that is not known.</summary>
    public long? Room { get; init; }

    /// <summary>Which of the two are there.</summary>
    public ImmutableArray<string> Existing { get; init; } = [];

    /// <summary>What the record says; null when it is not there or not readable.</summary>
    public SavedGuest? Record { get; init; }

    /// <summary>What wrote it, and can start it: Xen's xl, or libvirt for a guest of QEMU.</summary>
    public Toolstack Toolstack { get; init; } = Toolstack.Xen;

    /// <summary>For a guest of QEMU: see <see cref="Guest.FreePorts"/>.</summary>
    public ImmutableArray<string>? FreePorts { get; init; }

    /// <summary>Why it cannot be restored, in words; null when it can.</summary>
    public string? Fault { get; init; }
}
