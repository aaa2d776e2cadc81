using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>One function as the host showed it at the moment of the snapshot.</summary>
public sealed record PciFunction
{
    public required PciAddress Address { get; init; }
    public required PciIdentity Identity { get; init; }
    public required PciClass Class { get; init; }

    /// <summary>0 an endpoint, 1 a PCI-to-PCI bridge, 2 a CardBus bridge.</summary>
    public required byte HeaderType { get; init; }

    /// <summary>Null for conventional PCI, and where an ordinary user cannot read so far.</summary>
    public PciExpressType? ExpressType { get; init; }

    /// <summary>Whether other functions may share its device number; never for a virtual function.</summary>
    public bool IsMultiFunction { get; init; }

    /// <summary>False when its configuration space reads as all ones: it is switched off (D3cold), has fallen off the bus, or is broken.</summary>
    public bool Answers { get; init; } = true;

    /// <summary>Whether only the header could be read, so that no capability is known.</summary>
    public bool IsHeaderOnly { get; init; }

    /// <summary>The bus right below a bridge; 0 for what is no bridge.</summary>
    public byte SecondaryBus { get; init; }

    /// <summary>What it does to keep what is behind or beside it apart; null where it has no such capability.</summary>
    public AccessControl? AccessControl { get; init; }

    /// <summary>The ways in which the kernel can reset it alone; null where that is not known.</summary>
    public ResetMethods? Resets { get; init; }

    /// <summary>Whether it sends requests with the numbers of other, absent functions.</summary>
    public bool UsesPhantomFunctions { get; init; }

    /// <summary>Where its BARs of 64 bits lie: a guest can have those above 4 GiB.</summary>
    public ImmutableArray<ulong> WideBars { get; init; } = [];

    /// <summary>What there is of its expansion ROM; read for displays, whose guests start them by it.</summary>
    public RomState Rom { get; init; }

    /// <summary>Whether it is switched off now (D3cold), which the kernel ends when it is needed.</summary>
    public bool IsSwitchedOff { get; init; }

    /// <summary>Whether it can interrupt by messages; else it needs its line.</summary>
    public bool HasMessageInterrupts { get; init; }

    /// <summary>0 none, 1 to 4 for INTA to INTD.</summary>
    public byte InterruptPin { get; init; }

    /// <summary>The kernel's number of the legacy interrupt line (<c>irq</c> in sysfs); 0 where it has none.</summary>
    public int Irq { get; init; }

    /// <summary>The memory node that is nearest; null on a host with one node, and where the firmware does not say.</summary>
    public int? NumaNode { get; init; }

    /// <summary>The driver that the <c>driver</c> link names; null when the function has none.</summary>
    public DriverName? Driver { get; init; }

    /// <summary>What <c>driver_override</c> holds; null where the kernel shows <c>(null)</c>, and while an operation on it is under way.</summary>
    public DriverName? DriverOverride { get; init; }

    /// <summary>The IOMMU group's number; null where the kernel shows none (always so in a Xen dom0).</summary>
    public int? IommuGroup { get; init; }

    /// <summary>The bridge right above; null on a root bus.</summary>
    public PciAddress? Parent { get; init; }

    /// <summary>The physical function of a virtual one.</summary>
    public PciAddress? PhysicalFunction { get; init; }

    /// <summary>Names that people know it by: <c>eth1</c>, <c>nvme0n1</c>, <c>card1</c>.</summary>
    public ImmutableArray<string> KernelNames { get; init; } = [];

    public PciIds Ids => Identity.Ids;
    public bool IsEndpoint => HeaderType == 0 && !Class.IsBridge;
}
