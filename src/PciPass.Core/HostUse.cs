namespace PciPass.Core;

/// <summary>What the host does with a function right now.</summary>
/// <param name="Address">The function.</param>
/// <param name="Kind">What sort of use.</param>
/// <param name="Name">The kernel's name of the thing in use: <c>eth1</c>, <c>nvme0n1p2</c>.</param>
/// <param name="Detail">What it is used as: an address, a mount point, a bridge's name.</param>
public sealed record HostUse(PciAddress Address, HostUseKind Kind, string Name, string Detail);

public enum HostUseKind
{
    /// <summary>An address is configured on a network interface.</summary>
    NetworkAddress,

    /// <summary>A default route leaves through a network interface.</summary>
    DefaultRoute,

    /// <summary>A network interface is a port of a bridge, bond or team.</summary>
    NetworkPort,

    /// <summary>Another interface (a VLAN, a macvlan) stands on a network interface.</summary>
    NetworkLower,

    /// <summary>A file system on a disk is mounted.</summary>
    Mount,

    /// <summary>A disk holds swap space in use.</summary>
    Swap,
}
