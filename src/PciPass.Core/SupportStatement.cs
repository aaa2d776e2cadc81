using System.Collections.Immutable;
using System.Text;

namespace PciPass.Core;

/// <summary>What a vendor says of passing functions to one kind of guest.</summary>
/// <param name="Guests">The guests it is about, in words.</param>
/// <param name="Hypervisor">Xen or KVM.</param>
/// <param name="Types">The types of Xen guests it holds for; none for KVM's.</param>
/// <param name="Standing">Supported or not, in a few words.</param>
/// <param name="Limits">What it is bound to.</param>
/// <param name="Warning">What is said of a guest of this type before it gets a function, since its system cannot be seen from outside; empty where nothing is.</param>
/// <param name="Source">Who says so, and where.</param>
public sealed record SupportStatement(string Guests, string Hypervisor, ImmutableArray<GuestType> Types, string Standing, string Limits, string Warning, string Source)
{
    const string XenStatement = "Xen, SUPPORT.md, x86/PCI Device Passthrough (4.17)";
    const string Rhel5 = "Red Hat Enterprise Linux 5, Virtualization Guide", Rhel6 = "Red Hat Enterprise Linux 6, Virtualization Host Configuration and Guest Installation Guide, 12.5";

    /// <summary>Today's first, then those of the systems of the time that the guides are about.</summary>
    public static ImmutableArray<SupportStatement> All { get; } =
    [
        new("PV guests", "Xen", [GuestType.Pv], "supported, with caveats", "only with an IOMMU; not with shared interrupt lines or pages; not for completely untrusted guests; no save and no migration", "", XenStatement),
        new("HVM guests", "Xen", [GuestType.Hvm], "supported, with caveats", "as PV guests; and no populate-on-demand, altp2m, introspection, sharing or paging of memory", "", XenStatement),
        new("PVH guests", "Xen", [GuestType.Pvh], "not possible", "neither a frontend nor a device model", "", $"{XenStatement} lists PV and HVM alone; xl.cfg(5)"),
        new("RHEL 5, paravirtualised", "Xen", [GuestType.Pv], "supported", "on every release of RHEL 5; the guest can reach the DMA addresses of dom0 where there is no IOMMU", "", $"{Rhel5}, 15.5"),
        new("RHEL 5, fully virtualised", "Xen", [GuestType.Hvm], "supported from 5.4 on", "RHEL 5.4 or newer", "RHEL 5 before 5.4 supports no passthrough in HVM guests", $"{Rhel5}, 15.5"),
        new("RHEL 6, paravirtualised", "Xen", [GuestType.Pv], "not supported", "considered insecure", "RHEL 6 supports no passthrough in PV guests", $"{Rhel5}, 15.5"),
        new("RHEL 5 as a guest", "KVM", [], "supported", "acpiphp has to be loaded for hot-plug; 32 slots, of which 28 are free", "RHEL 5 in it needs acpiphp loaded", $"{Rhel5}, 5.2 and 15.5"),
        new("guests on RHEL 5 hosts", "Xen, KVM", [], "supported", $"not more than {Settings.HotplugLimit} hot-plugs or hot-unplugs of a function in a brief time", "", $"{Rhel5}, 15.5"),
        new("guests on RHEL 6 hosts", "KVM", [], "supported", "8 functions a guest; 32 slots, of which 4 are taken and 2 of these can be freed; interrupt remapping from 6.2 on", "a host of RHEL 6 supports 8 functions a guest", Rhel6),
    ];

    /// <summary>What is to be said of a guest, whose system cannot be seen.</summary>
    public static string WarningFor(Guest guest) => string.Join("; ", All.Where(each => each.Warning.Length > 0 && (guest.Start.Toolstack == Toolstack.Xen ? each.Types.Contains(guest.Type) : each.Hypervisor == "KVM"))
        .Select(each => each.Warning));

    /// <summary>What Xen itself says of this type.</summary>
    public static SupportStatement OfXen(GuestType type) => All.First(each => each.Types.Contains(type));

    /// <summary>The table of docs/support.md.</summary>
    public static string Table()
    {
        var text = new StringBuilder("| guests | hypervisor | standing | bound to | source |\n|---|---|---|---|---|\n");
        foreach (var each in All)
            text.Append($"| {each.Guests} | {each.Hypervisor} | {each.Standing} | {each.Limits} | {each.Source} |\n");
        return text.ToString();
    }
}
