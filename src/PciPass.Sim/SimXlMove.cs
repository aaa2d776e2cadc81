using PciPass.Core;

namespace PciPass.Sim;

/// <summary>When <c>xl migrate</c> is killed on the host that the guest leaves, once all of it is on the other one.</summary>
public enum XlDeath
{
    /// <summary>Before the other one was told that it may let the guest go on: it drops what it has.</summary>
    BeforePermission,

    /// <summary>After that: the guest goes on there.</summary>
    AfterPermission,
}

/// <summary>
/// <c>xl migrate</c>, live, over an ssh that asks nothing. What one xl tells the other is in its words as they come out on one terminal (tools/xl/xl_migrate.c).
/// </summary>
sealed class SimXlMove(SimHost host, SimProcess process)
{
    public IEnumerable<TimeSpan> Move(string way, int? domain, string to)
    {
        if (domain is not int number || host.FindDomain(number) is not SimGuest guest)
            yield break;
        process.ExitCode = 1;
        yield return TimeSpan.FromMilliseconds(300);
        if (!way.StartsWith("ssh ", StringComparison.Ordinal) || host.ToolstackPeer(to)?.Invoke() is null)
        {
            process.Error($"ssh: Could not resolve hostname {to}: Name or service not known");
            process.Error("libxl: error: libxl_utils.c:505:libxl_read_exactly: file/stream truncated reading banner from migration receiver stream");
            yield break;
        }
        process.Error("migration target: Ready to receive domain.");
        process.Error($"Saving to migration stream new xl format (info 0x3/0x0/{host.DomainConfig(guest).Length + 6})");
        // What the guest writes meanwhile is to be noted, which Xen does not do for a PV guest with passthrough (seen in the lab).
        if (guest.Plan.Type != GuestType.Hvm)
        {
            Fails("xc: error: Failed to enable logdirty: Internal error", "migration sender: libxl_domain_suspend failed (rc=-3)");
            yield break;
        }
        if (guest.Functions.Count > 0)
            throw new NotSupportedException("what becomes of an HVM guest that is moved with a function in it was not looked at in the lab");
        yield return TimeSpan.FromSeconds(3);
        if (host.ToolstackPeer(to)?.Invoke() is null)
        {
            Fails("xc: error: Failed to write page data to stream (32 = Broken pipe): Internal error", "migration sender: libxl_domain_suspend failed (rc=-3)");
            yield break;
        }
        guest.IsSuspended = true;
        yield return TimeSpan.FromSeconds(1);
        if (host.XlDeath == XlDeath.BeforePermission)
        {
            process.ExitCode = 137;
            yield break;
        }
        if (host.ToolstackPeer(to)?.Invoke() is not SimHost there || there.FindGuest(guest.Name) is not null)
        {
            guest.IsSuspended = false;
            Fails("migration sender: target process failed");
            yield break;
        }
        process.Error("migration sender: Giving target permission to start.");
        host.Store.Write($"/local/domain/{number}/name", $"{guest.Name}--migratedaway");
        there.Launch(guest.Plan with { Functions = [] }, guest.Uuid);
        if (host.XlDeath == XlDeath.AfterPermission)
        {
            process.ExitCode = 137;
            yield break;
        }
        host.End(guest, leavesNodes: false);
        process.Error("migration sender: Target reports successful startup.");
        process.Error("Migration successful.");
        process.ExitCode = 0;
    }

    void Fails(params ReadOnlySpan<string> why)
    {
        foreach (var line in why)
            process.Error(line);
        process.Error("Migration failed, resuming at sender.");
    }
}
