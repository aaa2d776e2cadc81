using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>How a guest is virtualised; for Xen what libxl writes to <c>/libxl/DOMID/type</c> in xenstore.</summary>
public enum GuestType
{
    Unknown,
    Pv,
    Pvh,
    Hvm,
}

/// <summary>A running guest.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Start">What runs it, and which start of it this is.</param>
/// <param name="Type">How it is virtualised; a guest of QEMU is <see cref="GuestType.Hvm"/>.</param>
/// <param name="Passthrough">
/// Whether Xen prepared it for functions when it was started (<c>passthrough=</c> in its configuration, or a function from the
/// start); null where that could not be read.
/// </param>
public sealed record Guest(GuestName Name, GuestStart Start, GuestType Type, bool? Passthrough = null)
{
    /// <summary>For people: <c>guest web1 (domain 3)</c>.</summary>
    public string Words => $"guest {Name} ({Start.Words})";

    /// <summary>For a guest of QEMU: the buses that take one more function each while it runs, by their ids; null where that is not known.</summary>
    public ImmutableArray<string>? FreePorts { get; init; }

    /// <summary>For a guest of QEMU or of libvirt: why what it is spoken to through cannot be used; null where it can.</summary>
    public string? NoMonitor { get; init; }

    /// <summary>For a guest of Xen: libvirt started it, and keeps a list of its functions, which <c>xl</c> does not change.</summary>
    public bool IsLibvirts { get; init; }

    /// <summary>That list; null where there is none, or libvirt did not tell it.</summary>
    public ImmutableArray<PciAddress>? Listed { get; init; }

    /// <summary>What gives it functions and takes them.</summary>
    public Toolstack RunBy => IsLibvirts ? Toolstack.Libvirt : Start.Toolstack;

    /// <summary>A PV guest's map of memory has the host's holes (<c>e820_host=</c>), where functions answer; null where that could not be read.</summary>
    public bool? HasHostMap { get; init; }

    /// <summary>
    /// Whether its configuration itself says <c>passthrough="enabled"</c>, so that it stays prepared for functions when it is saved without
    /// any and restored; null where that could not be read.
    /// </summary>
    public bool? SaysPassthrough { get; init; }

    /// <summary>What tells it from another guest of that name, and stays when it is saved and restored; null where that could not be read.</summary>
    public string? Uuid { get; init; }

    /// <summary>Which functions this start of it has had; null where nobody has asked: it takes reading the kernel's log.</summary>
    public GuestHistory? History { get; init; }

    /// <summary>It was started with less memory than it may have, so that Xen fills in pages as it touches them (HVM).</summary>
    public bool PopulatesOnDemand { get; init; }

    /// <summary>It says that an agent runs in it, which has drivers unbound before functions go.</summary>
    public bool HasAgent { get; init; }

    /// <summary>It may have several maps of its memory at once (<c>altp2m=</c>).</summary>
    public bool HasSeveralMaps { get; init; }
}

/// <summary>A function that a guest has, or that is on its way into it or out of it.</summary>
/// <param name="Address">The function on the host.</param>
/// <param name="Guest">The guest: this start of it.</param>
/// <param name="VirtualSlot">Where the guest sees it; null where that is not known, or not yet.</param>
/// <param name="IsSettled">Whether the guest has it for good: nothing is in the middle of a change.</param>
/// <param name="Detail">What was seen of it, in words, where it is not settled.</param>
public sealed record Attachment(PciAddress Address, GuestStart Guest, string? VirtualSlot, bool IsSettled = true, string Detail = "")
{
    /// <summary>libvirt took it from the host for the guest, and gives it back by itself when the guest lets go (<c>managed='yes'</c>).</summary>
    public bool IsManaged { get; init; }
}

/// <summary>A function that a guest's configuration names, whether the guest runs or not.</summary>
/// <param name="Address">The function.</param>
/// <param name="Guest">The guest whose file it is.</param>
/// <param name="Source">The file.</param>
public sealed record ConfiguredClaim(PciAddress Address, string Guest, string Source);
