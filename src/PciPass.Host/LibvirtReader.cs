using System.Collections.Immutable;
using System.Globalization;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads libvirt's guests of QEMU: what those have that run, and what those that are defined will have.</summary>
static class LibvirtReader
{
    static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    /// <summary>The process that a running guest of libvirt's is: libvirt keeps a file of it, as it does for itself.</summary>
    public static int? ProcessOf(SysTree files, string guest) =>
        GuestName.TryParse(guest, out var name) && int.TryParse((files.ReadText($"/run/libvirt/qemu/{name}.pid") ?? "").Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var process) ? process : null;

    /// <param name="host">The host.</param>
    /// <param name="snapshot">With the guests that QEMU's processes show.</param>
    public static HostSnapshot Read(HostSystem host, HostSnapshot snapshot)
    {
        try
        {
            using var libvirt = Libvirt.Connect(host, Deadline);
            if (libvirt is null)
                return snapshot;
            foreach (var domain in libvirt.RunningDomains())
            {
                if (ProcessOf(host.Files, domain.Name) is int process && snapshot.Guests.FirstOrDefault(guest => guest.Start.Toolstack == Toolstack.Libvirt && guest.Start.Number == process) is Guest guest)
                    snapshot = WithGuest(snapshot, guest, libvirt, domain);
            }
            return WithDefinitions(snapshot, [.. libvirt.DefinedDomains().Where(domain => GuestName.TryParse(domain.Name, out _)).Select(domain => new GuestDefinition(GuestName.Parse(domain.Name), libvirt.ReadDefinition(domain)))]);
        }
        catch (HostFailure failure)
        {
            // Those that run are seen by their processes, and why no more is known of them is told where it matters.
            return snapshot with { Guests = [.. snapshot.Guests.Select(guest => guest.Start.Toolstack == Toolstack.Libvirt && guest.NoMonitor is not null ? guest with { NoMonitor = failure.Message } : guest)] };
        }
    }

    static HostSnapshot WithGuest(HostSnapshot snapshot, Guest guest, Libvirt libvirt, LibvirtDomain domain)
    {
        var xml = libvirt.ReadLive(domain);
        if (xml.Problem is string problem)
            return snapshot with { Guests = snapshot.Guests.Replace(guest, guest with { NoMonitor = $"libvirt's description of it cannot be understood: {problem}" }) };
        return snapshot with
        {
            Guests = snapshot.Guests.Replace(guest, guest with { NoMonitor = null, FreePorts = xml.FreePorts }),
            Attachments =
            [
                .. snapshot.Attachments.Where(attachment => attachment.Guest != guest.Start),
                .. xml.HostDevices.Select(device => new Attachment(device.Address, guest.Start, device.Slot is PciAddress slot ? $"{slot}" : null) { IsManaged = device.Managed }),
            ],
        };
    }

    static HostSnapshot WithDefinitions(HostSnapshot snapshot, ImmutableArray<GuestDefinition> definitions) => snapshot with
    {
        Definitions = definitions,
        Claims = [.. snapshot.Claims, .. definitions.SelectMany(definition => definition.Xml.Functions.Distinct().Select(function => new ConfiguredClaim(function, $"{definition.Name}", definition.Source)))],
    };
}
