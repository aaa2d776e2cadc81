using System.Collections.Immutable;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>Finds out which functions a guest has had since it was started: from the journal, and from the kernel's log for what others did.</summary>
public static class HistoryReader
{
    static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    /// <returns>The snapshot with that guest's history; as it was when no such guest runs.</returns>
    public static HostSnapshot Complete(HostSystem host, Journal journal, HostSnapshot snapshot, GuestReference name)
    {
        if (snapshot.FindGuest(name) is not Guest { Start.Toolstack: Toolstack.Xen } guest)
            return snapshot;
        var history = GuestHistory.Of(journal.ReadAll(), snapshot.BootId, guest.Start.Number, KernelLog(host));
        var has = snapshot.Attachments.Where(attachment => attachment.Guest == guest.Start).Select(attachment => attachment.Address);
        return snapshot with { Guests = snapshot.Guests.Replace(guest, guest with { History = history with { Functions = history.Functions.Union(has) } }) };
    }

    static string? KernelLog(HostSystem host)
    {
        try
        {
            return host.Run("dmesg", [], Deadline) is { ExitCode: 0 } result ? result.Output : null;
        }
        catch (HostFailure)
        {
            return null;
        }
    }
}
