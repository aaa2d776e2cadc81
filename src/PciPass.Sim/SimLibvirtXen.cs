using System.Text;
using PciPass.Core.Formats;

namespace PciPass.Sim;

/// <summary>
/// The driver for Xen of a simulated libvirtd (src/libxl/libxl_driver.c): it does with libxl what xl does, and keeps a list of each guest's
/// functions, which nobody else changes. What it manages it takes from the host, and never gives back (seen in the lab, with libvirt 9.0).
/// </summary>
sealed class SimLibvirtXen(SimHost host)
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    readonly Dictionary<int, List<XmlHostDevice>> listed = [];

    /// <summary>The guests that it has started.</summary>
    public IEnumerable<SimGuest> Running => host.Guests.Where(guest => guest.Plan.IsLibvirts);

    public List<XmlHostDevice> Listed(SimGuest guest) => listed.TryGetValue(guest.DomId, out var devices) ? devices : listed[guest.DomId] = [];

    /// <summary>The file that it keeps of a guest as long as that runs.</summary>
    public static string StateFile(SimGuest guest) => $"/run/libvirt/libxl/{guest.Name}.xml";

    public static byte[] State(SimGuest guest) => Encoding.UTF8.GetBytes($"<domstatus state='running' reason='booted' pid='0'>\n  <domain type='xen' id='{guest.DomId}'>\n    <name>{guest.Name}</name>\n  </domain>\n</domstatus>\n");

    /// <summary>Gives a running guest a function, or takes it, as virsh or another client has it.</summary>
    /// <param name="words">What the trace says, when this process is the one that asks; null when somebody else does.</param>
    /// <param name="attach">Which of both.</param>
    /// <param name="guest">The guest.</param>
    /// <param name="element">The function's element.</param>
    public SimLibvirt.Refusal? Change(string? words, bool attach, SimGuest guest, string element)
    {
        if (SimLibvirt.Read(element) is not XmlHostDevice device || host.Find(device.Address) is not SimFunction function)
            return new SimLibvirt.Refusal(SimLibvirt.InternalError, "internal error: the device cannot be found");
        var there = Listed(guest).FirstOrDefault(has => has.Address == device.Address);
        if (attach && there is not null)
            return new SimLibvirt.Refusal(SimLibvirt.OperationFailed, $"operation failed: target pci device {device.Address} already exists");
        if (attach && Running.FirstOrDefault(other => Listed(other).Any(has => has.Address == device.Address)) is SimGuest owner)
            return new SimLibvirt.Refusal(SimLibvirt.InvalidOperation, $"Requested operation is not valid: PCI device {device.Address} is in use by driver xenlight, domain {owner.Name}");
        if (!attach && there is null)
            return new SimLibvirt.Refusal(SimLibvirt.OperationFailed, $"operation failed: host pci device {device.Address} not found");
        if (attach && !device.Managed && function.Driver != "pciback")
            return new SimLibvirt.Refusal(SimLibvirt.InvalidOperation, $"Requested operation is not valid: Unmanaged PCI device {device.Address} must be manually detached from the host");

        var toolstack = SimXl.Start(host, [attach ? "pci-attach" : "pci-detach", $"{guest.DomId}", $"{device.Address}"]);
        if (words is null)
            Begin();
        else
            host.Change(words, Begin);
        host.Clock.WaitFor(() => toolstack.HasEnded, Patience);
        return toolstack.ExitCode == 0 ? null : new SimLibvirt.Refusal(SimLibvirt.InternalError, $"internal error: libxenlight failed to {(attach ? "attach" : "detach")} pci device {device.Address}");

        void Begin()
        {
            if (attach && device.Managed)
                host.Rebind(function, "pciback");
            toolstack.Begin(host.Clock, () =>
            {
                if (toolstack.ExitCode != 0)
                    return;
                if (attach)
                    Listed(guest).Add(device);
                else
                    Listed(guest).Remove(there!);
            });
        }
    }

    /// <summary>Has a guest started with what its definition names: what is managed is taken from the host.</summary>
    public void Starts(SimGuest guest, string? definition)
    {
        listed.Remove(guest.DomId);
        foreach (var device in definition is null ? [] : DomainXml.Parse(definition).HostDevices)
        {
            if (device.Managed && host.Find(device.Address) is SimFunction function)
                host.Rebind(function, "pciback");
            Listed(guest).Add(device);
        }
    }
}
