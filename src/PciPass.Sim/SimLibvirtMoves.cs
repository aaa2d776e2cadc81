namespace PciPass.Sim;

/// <summary>
/// libvirt's driver for QEMU moves guests to other hosts while they run (src/qemu/qemu_migration.c, qemuMigrationSrcPerformPeer2Peer3): it goes on
/// when whoever asked has gone, and the guest here ends once the other host has said that it runs there.
/// </summary>
sealed class SimLibvirtMoves(SimHost host)
{
    /// <summary>virDomainJobType: one whose length is not known.</summary>
    const int Unbounded = 2;

    static readonly TimeSpan Time = TimeSpan.FromSeconds(3);

    readonly HashSet<SimQemu> underWay = [];

    /// <summary>What is done with a guest (virDomainJobType); 0 for nothing.</summary>
    public int JobOf(SimQemu qemu) => underWay.Contains(qemu) ? Unbounded : 0;

    public SimLibvirt.Refusal? Move(SimQemu qemu, string uri)
    {
        if (qemu.Devices.Count > 0)
            return new(SimLibvirt.OperationFailed, "cannot migrate domain: VFIO device doesn't support migration");
        var name = new Uri(uri).Host;
        if (host.ToolstackPeer(name)?.Invoke() is not SimHost)
            return new(SimLibvirt.OperationFailed, $"operation failed: Failed to connect to remote libvirt URI {uri}: Cannot recv data: ssh: Could not resolve hostname {name}: Name or service not known: Connection reset by peer");
        SimLibvirt.Refusal? refusal = null;
        host.Change($"libvirt migrate {qemu.Name} {name}", () =>
        {
            underWay.Add(qemu);
            host.Clock.After(Time, () => refusal = Finish(qemu, name));
        });
        host.Clock.Advance(Time);
        return refusal;
    }

    SimLibvirt.Refusal? Finish(SimQemu qemu, string name)
    {
        // The host may have restarted meanwhile.
        if (!underWay.Remove(qemu) || qemu.HasEnded)
            return new(SimLibvirt.OperationFailed, "operation failed: domain is not running");
        if (host.ToolstackPeer(name)?.Invoke() is not SimHost there)
            return new(SimLibvirt.OperationFailed, "operation failed: Lost connection to destination host");
        if (there.Qemus.Any(other => other.Plan.IsLibvirts && other.Name == qemu.Name))
            return new(SimLibvirt.InvalidOperation, $"Requested operation is not valid: domain '{qemu.Name}' is already active");
        there.StartQemu(qemu.Plan);
        host.EndQemu(qemu.Name);
        return null;
    }
}
