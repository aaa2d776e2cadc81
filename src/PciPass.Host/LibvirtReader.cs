using System.Collections.Immutable;
using System.Globalization;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>
/// Reads libvirt's guests, of QEMU or, in dom0, of Xen: what those have that run, and what those that are defined will have. That they run is
/// seen before, by their processes or in xenstore.
/// </summary>
static class LibvirtReader
{
    static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    /// <summary>The process that a running guest of libvirt's is: libvirt keeps a file of it, as it does for itself.</summary>
    public static int? ProcessOf(SysTree files, string guest) =>
        GuestName.TryParse(guest, out var name) && int.TryParse((files.ReadText($"/run/libvirt/qemu/{name}.pid") ?? "").Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var process) ? process : null;

    /// <summary>
    /// Whether libvirt runs this domain of Xen: libvirt keeps a file of each that it has started, as it does for itself
    /// (libxl_conf.h, LIBXL_STATE_DIR; virDomainObjSave).
    /// </summary>
    public static bool RunsDomain(SysTree files, GuestName guest, int domId) =>
        (files.ReadText($"/run/libvirt/libxl/{guest}.xml") ?? "").Contains($"<domain type='xen' id='{domId}'", StringComparison.Ordinal);

    /// <summary>Tells the domains of Xen that libvirt runs from the others.</summary>
    public static HostSnapshot Marked(SysTree files, HostSnapshot snapshot) => snapshot with
    {
        Guests = [.. snapshot.Guests.Select(guest => RunsDomain(files, guest.Name, guest.Start.Number) ? guest with { IsLibvirts = true, NoMonitor = NobodyListens } : guest)],
    };

    const string NobodyListens = "libvirt started it, and no libvirt listens at /run/libvirt that runs guests by Xen";

    /// <param name="host">The host.</param>
    /// <param name="snapshot">With the guests that run.</param>
    public static HostSnapshot Read(HostSystem host, HostSnapshot snapshot)
    {
        try
        {
            using var libvirt = Libvirt.Connect(host, Deadline);
            if (libvirt is null)
                return snapshot;
            foreach (var domain in libvirt.RunningDomains())
            {
                var number = snapshot.Hypervisor == Hypervisor.XenDom0 ? domain.Id : ProcessOf(host.Files, domain.Name);
                if (snapshot.Guests.FirstOrDefault(guest => guest.RunBy == Toolstack.Libvirt && guest.Start.Number == number && $"{guest.Name}" == domain.Name) is Guest guest)
                    snapshot = WithGuest(snapshot, guest, libvirt.ReadLive(domain), new Guid(domain.Uuid, bigEndian: true));
            }
            return WithDefinitions(snapshot, [.. libvirt.DefinedDomains().Where(domain => domain.Id != 0 && GuestName.TryParse(domain.Name, out _)).Select(domain => new GuestDefinition(GuestName.Parse(domain.Name), libvirt.ReadDefinition(domain)))]);
        }
        catch (HostFailure failure)
        {
            // Those that run are seen by their processes, and why no more is known of them is told where it matters.
            return snapshot with { Guests = [.. snapshot.Guests.Select(guest => guest.RunBy == Toolstack.Libvirt && guest.NoMonitor is not null ? guest with { NoMonitor = failure.Message } : guest)] };
        }
    }

    static HostSnapshot WithGuest(HostSnapshot snapshot, Guest guest, DomainXml xml, Guid uuid)
    {
        if (xml.Problem is string problem)
            return snapshot with { Guests = snapshot.Guests.Replace(guest, guest with { NoMonitor = $"libvirt's description of it cannot be understood: {problem}" }) };
        if (guest.Start.Toolstack == Toolstack.Xen)
        {
            // What it has stands in xenstore. Managed or not: by Xen libvirt takes functions from the host, and never gives them back (seen in the lab).
            return snapshot with { Guests = snapshot.Guests.Replace(guest, guest with { NoMonitor = null, Listed = [.. xml.Functions] }) };
        }
        return snapshot with
        {
            Guests = snapshot.Guests.Replace(guest, guest with { NoMonitor = null, FreePorts = xml.FreePorts, Uuid = $"{uuid}" }),
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
        Claims = [.. snapshot.Claims, .. definitions.SelectMany(definition => definition.Claims)],
    };
}
