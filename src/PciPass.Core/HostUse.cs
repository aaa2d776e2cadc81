namespace PciPass.Core;

/// <summary>What the host does with a function right now.</summary>
/// <param name="Address">The function.</param>
/// <param name="Kind">What sort of use.</param>
/// <param name="Name">The kernel's name of the thing in use: <c>eth1</c>, <c>nvme0n1p2</c>.</param>
/// <param name="Detail">What it is used as: an address, a mount point, a bridge's name.</param>
public sealed record HostUse(PciAddress Address, HostUseKind Kind, string Name, string Detail)
{
    /// <summary>Whether it is the node of VFIO through which a guest or a program has the function (<c>/dev/vfio/12</c>).</summary>
    public bool IsVfio => Kind == HostUseKind.OpenNode && Name.StartsWith("/dev/vfio/", StringComparison.Ordinal);

    /// <summary>The use in words, without the thing's name: <c>mounted at /srv</c>.</summary>
    public string Text => Kind switch
    {
        HostUseKind.NetworkAddress => $"address {Detail}",
        HostUseKind.DefaultRoute => $"default route ({Detail})",
        HostUseKind.Route => $"route to {Detail}",
        HostUseKind.NetworkPort => $"port of {Detail}",
        HostUseKind.NetworkLower => $"below {Detail}",
        HostUseKind.WirelessLink => "connected to a wireless network",
        HostUseKind.NetworkStorage => $"way to {Detail}",
        HostUseKind.OtherNetworkNamespace => $"its interface is in another network namespace ({Detail})",
        HostUseKind.SshSession => $"carries this SSH session ({Detail})",
        HostUseKind.Mount => $"mounted at {Detail}",
        HostUseKind.Swap => $"swap ({Detail})",
        HostUseKind.Holder => $"part of {Detail}",
        HostUseKind.GuestDisk => $"a disk of guest {Detail}",
        HostUseKind.CrashDump => $"target of crash dumps ({Detail})",
        HostUseKind.Held => Detail,
        HostUseKind.BootPartition => Detail,
        HostUseKind.Content => $"holds {Detail}",
        HostUseKind.OpenNode => $"opened by {Detail}",
        HostUseKind.Console => $"the host's console ({Detail})",
        HostUseKind.Keyboard => $"keyboard {Detail}",
        HostUseKind.BootDisplay => "the display that the host booted on",
        _ => $"watchdog ({Detail})",
    };
}

public enum HostUseKind
{
    /// <summary>An address is configured on a network interface.</summary>
    NetworkAddress,

    /// <summary>A default route leaves through a network interface.</summary>
    DefaultRoute,

    /// <summary>Another route with a gateway leaves through a network interface.</summary>
    Route,

    /// <summary>A network interface is a port of a bridge, bond, team or switch.</summary>
    NetworkPort,

    /// <summary>Another interface (a VLAN, a macvlan) stands on a network interface.</summary>
    NetworkLower,

    /// <summary>A wireless interface is connected.</summary>
    WirelessLink,

    /// <summary>A file system or a disk of the host comes from another machine over a network interface.</summary>
    NetworkStorage,

    /// <summary>Its driver made no interface that is seen from here, and there are other network namespaces.</summary>
    OtherNetworkNamespace,

    /// <summary>The SSH session of whoever runs this program comes in through a network interface.</summary>
    SshSession,

    /// <summary>A file system on a disk is mounted.</summary>
    Mount,

    /// <summary>A disk holds swap space in use.</summary>
    Swap,

    /// <summary>Another block device (device mapper, md, bcache, loop, ZFS) stands on a disk, mounted or not.</summary>
    Holder,

    /// <summary>A running guest has a disk as a virtual disk of its own.</summary>
    GuestDisk,

    /// <summary>The host's crash kernel would write there.</summary>
    CrashDump,

    /// <summary>Something that cannot be seen from here holds a disk for itself alone.</summary>
    Held,

    /// <summary>The system's own, mounted or not: the firmware booted from it, or /etc/fstab says so.</summary>
    BootPartition,

    /// <summary>A disk has partitions or a file system, and nothing uses it now.</summary>
    Content,

    /// <summary>A process has a device node open.</summary>
    OpenNode,

    /// <summary>A serial line or a framebuffer is the host's console.</summary>
    Console,

    /// <summary>A keyboard of the host hangs on it.</summary>
    Keyboard,

    /// <summary>The graphics card that the firmware chose.</summary>
    BootDisplay,

    /// <summary>A watchdog that is running: it restarts the host when nobody tends it.</summary>
    Watchdog,
}
