using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>How a Xen guest is virtualised; what libxl writes to <c>/libxl/DOMID/type</c> in xenstore.</summary>
public enum GuestType
{
    Unknown,
    Pv,
    Pvh,
    Hvm,
}

/// <summary>A running guest.</summary>
/// <param name="Name">Its name.</param>
/// <param name="DomId">Xen's number for this start of it; a new start has a new one.</param>
/// <param name="Type">How it is virtualised.</param>
/// <param name="Passthrough">
/// Whether Xen prepared it for functions when it was started (<c>passthrough=</c> in its configuration, or a function from the
/// start); null where that could not be read.
/// </param>
public sealed record Guest(GuestName Name, int DomId, GuestType Type, bool? Passthrough = null)
{
    /// <summary>A PV guest's map of memory has the host's holes (<c>e820_host=</c>), where functions answer; null where that could not be read.</summary>
    public bool? HasHostMap { get; init; }

    /// <summary>It was started with less memory than it may have, so that Xen fills in pages as it touches them (HVM).</summary>
    public bool PopulatesOnDemand { get; init; }

    /// <summary>It may have several maps of its memory at once (<c>altp2m=</c>).</summary>
    public bool HasSeveralMaps { get; init; }
}

/// <summary>A function that the backend offers to a guest: one <c>dev-N</c> of xenstore, read as a whole.</summary>
/// <param name="Address">The function on the host (<c>dev-N</c>).</param>
/// <param name="DomId">The guest's domid.</param>
/// <param name="State">The function's own state (<c>state-N</c>).</param>
/// <param name="VirtualSlot">Where the guest sees it (<c>vdev-N</c>, written by pciback once it is exported); null before.</param>
/// <param name="BackendState">The state of the guest's whole backend bus.</param>
public sealed record Attachment(PciAddress Address, int DomId, XenbusState State, string? VirtualSlot, XenbusState BackendState)
{
    /// <summary>The guest has it: exported by the backend, and the bus is connected, not in the middle of a change.</summary>
    public bool IsSettled => State == XenbusState.Initialised && BackendState == XenbusState.Connected;
}

/// <summary>States of a xenbus device (xen/include/public/io/xenbus.h).</summary>
public enum XenbusState
{
    Unknown = 0,
    Initialising = 1,
    InitWait = 2,
    Initialised = 3,
    Connected = 4,
    Closing = 5,
    Closed = 6,
    Reconfiguring = 7,
    Reconfigured = 8,
}

/// <summary>A function that a guest's configuration names, whether the guest runs or not.</summary>
/// <param name="Address">The function.</param>
/// <param name="Guest">The guest whose file it is.</param>
/// <param name="Source">The file.</param>
public sealed record ConfiguredClaim(PciAddress Address, string Guest, string Source);
