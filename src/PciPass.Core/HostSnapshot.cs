using System.Collections.Immutable;
using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>What this kernel runs on.</summary>
public enum Hypervisor
{
    /// <summary>No Xen below this kernel.</summary>
    None,

    /// <summary>The control domain of a Xen host.</summary>
    XenDom0,

    /// <summary>A Xen guest: it has nothing to give away.</summary>
    XenGuest,
}

/// <summary>Whether the hypervisor can confine a function's DMA to its guest.</summary>
public enum IommuState
{
    /// <summary>It could not be found out; <see cref="HostSnapshot.IommuReason"/> says why.</summary>
    Unknown,
    Absent,
    Active,
}

/// <summary>The host at one moment, read once and never changed: all that the rules and the planner look at.</summary>
public sealed record HostSnapshot
{
    /// <summary>The kernel's id of this boot (<c>/proc/sys/kernel/random/boot_id</c>).</summary>
    public required string BootId { get; init; }

    public Hypervisor Hypervisor { get; init; }
    public IommuState Iommu { get; init; }

    /// <summary>Where <see cref="Iommu"/> was read, or why it is unknown.</summary>
    public string IommuReason { get; init; } = "";

    /// <summary>Whether interrupts of functions are checked as their DMA is; without it a guest can forge interrupts of others.</summary>
    public IommuState InterruptRemapping { get; init; }

    /// <summary>Where <see cref="InterruptRemapping"/> was read, or why it is unknown.</summary>
    public string InterruptRemappingReason { get; init; } = "";

    /// <summary>Whether the kernel was told to take functions for isolated that are not (<c>pcie_acs_override</c>): its groups then prove nothing.</summary>
    public bool GroupsAreOverridden { get; init; }

    /// <summary>The memory that firmware keeps for functions (RMRR).</summary>
    public ImmutableArray<ReservedMemory> Reserved { get; init; } = [];

    /// <summary>The address ranges of the functions' BARs, sorted by start; empty where an ordinary user could not read them.</summary>
    public ImmutableArray<AddressRange> Ranges { get; init; } = [];

    /// <summary>Whether the pciback driver is there.</summary>
    public bool PcibackLoaded { get; init; }

    /// <summary>The functions in pciback's <c>slots</c>, whatever driver they have.</summary>
    public ImmutableHashSet<PciAddress> PcibackSlots { get; init; } = [];

    /// <summary>The names below <c>/sys/bus/pci/drivers</c>.</summary>
    public ImmutableHashSet<string> Drivers { get; init; } = [];

    /// <summary>Every function, by address.</summary>
    public ImmutableSortedDictionary<PciAddress, PciFunction> Functions { get; init; } = ImmutableSortedDictionary<PciAddress, PciFunction>.Empty;

    /// <summary>
    /// The names that the kernel gives to what hangs on the functions: <c>eth1</c>, <c>nvme0n1</c>, <c>card1</c>; and those that it
    /// gave to what is taken now, as long as nothing else has them.
    /// </summary>
    public ImmutableDictionary<string, PciAddress> Names { get; init; } = ImmutableDictionary<string, PciAddress>.Empty;

    public ImmutableArray<HostUse> Uses { get; init; } = [];

    /// <summary>What is configured on the functions' network interfaces; read where a rollback may have to set it up again.</summary>
    public ImmutableArray<FunctionInterface> Interfaces { get; init; } = [];
    public ImmutableArray<Guest> Guests { get; init; } = [];
    public ImmutableArray<Attachment> Attachments { get; init; } = [];
    public ImmutableArray<ConfiguredClaim> Claims { get; init; } = [];

    /// <summary>The names that people gave to functions for guests' files (<c>xl pci-assignable-add -n</c>).</summary>
    public ImmutableDictionary<string, PciAddress> NamesForGuests { get; init; } = ImmutableDictionary<string, PciAddress>.Empty;

    /// <summary>The configuration files of Xen's guests.</summary>
    public ImmutableArray<GuestFile> GuestFiles { get; init; } = [];

    /// <summary>The guests that are defined in libvirt.</summary>
    public ImmutableArray<GuestDefinition> Definitions { get; init; } = [];

    /// <summary>The setting by which every guest of Xen is saved when the host shuts down, and its file; null where none is, or what it would break is refused.</summary>
    public string? SavesAtShutdown { get; init; }

    /// <summary>What stays hidden over restarts, from /etc/pcipass/devices.</summary>
    public DeviceList Devices { get; init; } = DeviceList.Empty;

    /// <summary>The files of others that say what happens at the next start; read where a request is about that.</summary>
    public BootFiles BootFiles { get; init; } = new();

    /// <summary>What pcipass itself took from the host in this boot and has not given back, from its journal.</summary>
    public ImmutableArray<Taken> Taken { get; init; } = [];

    /// <summary>The risks that were accepted by name for what is away from the host now, from the journal.</summary>
    public ImmutableDictionary<PciAddress, ImmutableSortedSet<string>> Accepted { get; init; } = ImmutableDictionary<PciAddress, ImmutableSortedSet<string>>.Empty;

    /// <summary>Functions of operations that did not end: nothing may touch them until a person or <c>recover</c> has.</summary>
    public ImmutableArray<Unfinished> Unfinished { get; init; } = [];

    /// <summary>How often functions were plugged into guests and taken out in this boot.</summary>
    public ImmutableArray<HotplugCount> Hotplugs { get; init; } = [];

    /// <summary>What /etc/pcipass/pcipass.conf sets.</summary>
    public Settings Settings { get; init; } = new();

    /// <summary>What could not be read, one sentence each; empty for root on a healthy host.</summary>
    public ImmutableArray<string> Unread { get; init; } = [];

    /// <summary>The function at <paramref name="address"/>, or null.</summary>
    public PciFunction? Find(PciAddress address) => Index.Functions.GetValueOrDefault(address);

    /// <summary>The one guest that is meant; null when there is none, or when there are several.</summary>
    public Guest? FindGuest(GuestReference reference) => Guests.Where(reference.Means).Take(2).ToArray() is [var only] ? only : null;

    /// <summary>The guest of which this is a start, as long as it lives.</summary>
    public Guest? FindGuest(GuestStart start) => Guests.FirstOrDefault(guest => guest.Start == start);

    /// <summary>The configuration files of the guest that is meant: none where libvirt runs it.</summary>
    public IEnumerable<GuestFile> FilesOf(GuestReference reference) =>
        GuestFiles.Where(file => reference.Toolstack is null or Toolstack.Xen && file.Guest == reference.Name.ToString()
            && !Guests.Any(guest => reference.Means(guest) && guest.RunBy == Toolstack.Libvirt));

    /// <summary>What libvirt has defined of the guest that is meant: none where one runs that libvirt does not run.</summary>
    public IEnumerable<GuestDefinition> DefinitionsOf(GuestReference reference) =>
        Definitions.Where(each => each.Name == reference.Name && reference.Toolstack is null or Toolstack.Libvirt
            && !Guests.Any(guest => reference.Means(guest) && guest.RunBy != Toolstack.Libvirt));

    /// <summary>Whether a guest's configuration, of whatever kind, names a function.</summary>
    public bool IsConfigured(GuestReference reference, PciAddress address) =>
        FilesOf(reference).Any(file => file.Config.Functions.Contains(address)) || DefinitionsOf(reference).Any(definition => definition.Xml.Functions.Contains(address));

    /// <summary>Whether a guest has a configuration that does not name a function.</summary>
    public bool LacksConfiguration(GuestReference reference, PciAddress address) =>
        FilesOf(reference).Any(file => !file.Config.Functions.Contains(address)) || DefinitionsOf(reference).Any(definition => !definition.Xml.Functions.Contains(address));

    /// <summary>The driver that holds functions for guests here: pciback in Xen's dom0, else vfio-pci.</summary>
    public DriverName Holder => Hypervisor == Hypervisor.XenDom0 ? DriverName.Pciback : DriverName.VfioPci;

    /// <summary>Whether a function is held for guests, and so away from the host's own drivers.</summary>
    public bool IsHeld(PciFunction function) => function.Driver == Holder;

    /// <summary>The functions that a request names and that exist.</summary>
    internal NamedFunctions Named(Request request) => Index.Named(this, request);

    /// <summary>
    /// The attachment of a function to a guest that lives. The nodes of a destroyed guest stay in xenstore (seen in the lab,
    /// after a save and destroy): they own nothing.
    /// </summary>
    public Attachment? FindAttachment(PciAddress address) =>
        Attachments.FirstOrDefault(attachment => attachment.Address == address && FindGuest(attachment.Guest) is not null);

    /// <summary>What the host does with a function right now.</summary>
    public IEnumerable<HostUse> UsesOf(PciAddress address) => Index.Uses[address];

    /// <summary>The virtual functions of a physical one.</summary>
    public IEnumerable<PciFunction> VirtualFunctionsOf(PciAddress address) => Index.VirtualFunctions[address];

    /// <summary>What is right below a bridge.</summary>
    public IEnumerable<PciFunction> ChildrenOf(PciAddress bridge) => Index.Children[bridge];

    /// <summary>The functions on a legacy interrupt line.</summary>
    public IEnumerable<PciFunction> OnLine(int irq) => Index.Lines[irq];

    /// <summary>The address ranges of a function's BARs.</summary>
    public IEnumerable<AddressRange> RangesOf(PciAddress address) => Index.Ranges[address];

    /// <summary>The ranges in memory that lie in the first or the last page of one, itself included; whole pages between belong to it alone.</summary>
    public IEnumerable<AddressRange> RangesInPagesOf(AddressRange range) => Index.Pages[range.FirstPage].Concat(Index.Pages[range.LastPage]);

    /// <summary>Who can reach whom past the IOMMU.</summary>
    public Isolation Isolation => Index.Isolation;

    SnapshotIndex? index;

    // Derived from what is immutable, so it may be made at any time and is always the same.
    SnapshotIndex Index => index is { } made && made.IsOf(this) ? made : index = new SnapshotIndex(this);

    /// <summary>The bridges above a function, the nearest first.</summary>
    public IEnumerable<PciFunction> BridgesAbove(PciFunction function)
    {
        for (var parent = function.Parent; parent is PciAddress at && Find(at) is PciFunction bridge; parent = bridge.Parent)
            yield return bridge;
    }
}

/// <summary>A function that pcipass hid in this boot, with what it had before.</summary>
/// <param name="Address">The function.</param>
/// <param name="Driver">Its driver before; null when it had none.</param>
/// <param name="DriverOverride">Its override before; null when it had none.</param>
/// <param name="HadSlot">Whether it stood in pciback's slots before.</param>
/// <param name="Identity">What it was.</param>
/// <param name="Guest">The guest that it was hidden for by an attach; null when <c>hide</c> did it, and detach leaves it hidden.</param>
/// <param name="Operation">The number of the operation in the journal.</param>
public sealed record Taken(PciAddress Address, DriverName? Driver, DriverName? DriverOverride, bool HadSlot, PciIdentity Identity, GuestReference? Guest, int Operation)
{
    /// <summary>The kernel's names of what hung on it while it had its driver.</summary>
    public ImmutableArray<string> Names { get; init; } = [];
}

/// <summary>A function in an operation that has not ended.</summary>
/// <param name="Address">The function.</param>
/// <param name="Operation">The operation's number.</param>
/// <param name="Verb">What was asked for.</param>
/// <param name="State">Why it is open: <c>stuck</c>, <c>pending</c> or <c>interrupted</c>.</param>
public sealed record Unfinished(PciAddress Address, int Operation, string Verb, string State);
