using System.Collections.Immutable;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>Reads the running guests of QEMU and the functions they have: from /proc, and from each one's monitor.</summary>
static class QemuReader
{
    /// <summary>A reader does not wait for a QEMU that is at work; it looks at what it has open.</summary>
    static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    public static HostSnapshot Read(HostSystem host, HostSnapshot snapshot)
    {
        var guests = snapshot.Guests.ToBuilder();
        var attachments = snapshot.Attachments.ToBuilder();
        foreach (var process in QemuProcess.All(host.Files))
        {
            var guest = new Guest(process.Name, process.Start, GuestType.Hvm);
            try
            {
                using var monitor = process.Open(host, Deadline);
                foreach (var function in monitor.Functions())
                    attachments.Add(new Attachment(function.Address, process.Start, function.VirtualSlot));
                guest = guest with { FreePorts = monitor.FreePorts() };
            }
            catch (HostFailure failure)
            {
                guest = guest with { NoMonitor = failure.Message };
                foreach (var function in OfOpenGroups(snapshot, process))
                    attachments.Add(new Attachment(function, process.Start, null));
            }
            guests.Add(guest);
        }
        return snapshot with { Guests = guests.ToImmutable(), Attachments = attachments.ToImmutable() };
    }

    /// <summary>
    /// A guest that cannot be asked: it has its functions open through their group's node, or it could not have them. Which of a group of
    /// several it is cannot be told, and none of them may be another's anyway. A share of a function is another matter: its own driver keeps that.
    /// </summary>
    static IEnumerable<PciAddress> OfOpenGroups(HostSnapshot snapshot, QemuProcess process) =>
        snapshot.Uses.Where(use => use.Kind == HostUseKind.OpenNode && use.IsVfio && use.Detail.EndsWith($"(pid {process.Start.Number})", StringComparison.Ordinal))
            .Select(use => use.Address).Where(address => snapshot.Functions.GetValueOrDefault(address)?.Driver == DriverName.VfioPci).Distinct();
}
