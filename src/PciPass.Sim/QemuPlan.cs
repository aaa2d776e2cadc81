namespace PciPass.Sim;

/// <summary>What a guest does when it is asked to let go of a function.</summary>
public enum UnplugAnswer
{
    /// <summary>It lets go, some seconds later: a port's button gives people five seconds to change their mind.</summary>
    LetsGo,

    /// <summary>Nothing: no system runs in it, or one without hot-plug.</summary>
    Nothing,

    /// <summary>It refuses, and QEMU tells so.</summary>
    Refuses,
}

/// <summary>A guest of QEMU that somebody starts by hand when the host has started.</summary>
/// <param name="Name">Its name (<c>-name</c>).</param>
public sealed record QemuPlan(string Name)
{
    /// <summary>How many empty root ports it has: port1, port2 and so on.</summary>
    public int Ports { get; init; } = 2;

    /// <summary>Its answer to being asked for a function.</summary>
    public UnplugAnswer Unplug { get; init; }

    /// <summary>Whether it has a QMP monitor on a Unix socket.</summary>
    public bool HasMonitor { get; init; } = true;

    /// <summary>Whether libvirt started it.</summary>
    public bool IsLibvirts { get; init; }
}
