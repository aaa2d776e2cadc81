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

    /// <summary>0 none, 1 to 4 for INTA to INTD.</summary>
    public byte InterruptPin { get; init; }

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
