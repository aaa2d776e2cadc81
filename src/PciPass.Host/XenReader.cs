using System.Collections.Immutable;
using System.Globalization;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>Reads what Xen is and does here: from sysfs, xenstore and, for what nothing else tells, <c>xl info</c>.</summary>
static class XenReader
{
    public static Hypervisor ReadHypervisor(SysTree files)
    {
        if (files.ReadText("/sys/hypervisor/type") != "xen")
            return Hypervisor.None;
        // xenfs may not be mounted yet; dom0's uuid is all zeros (xen/common/domain.c).
        var isDom0 = files.ReadText("/proc/xen/capabilities") is string capabilities
            ? capabilities.Contains("control_d", StringComparison.Ordinal)
            : files.ReadText("/sys/hypervisor/uuid") == "00000000-0000-0000-0000-000000000000";
        return isDom0 ? Hypervisor.XenDom0 : Hypervisor.XenGuest;
    }

    /// <summary>The functions in pciback's slots; none without pciback. (Its <c>quirks</c> are never read: that has crashed dom0's kernel in the lab.)</summary>
    public static IEnumerable<PciAddress> ReadSlots(SysTree files)
    {
        foreach (var line in (files.ReadText("/sys/bus/pci/drivers/pciback/slots") ?? "").Split('\n'))
        {
            if (PciAddress.TryParse(line.AsSpan().Trim(), out var address))
                yield return address;
        }
    }

    /// <summary>Reads the running guests and what the backend offers each of them, as one consistent state.</summary>
    public static HostSnapshot ReadGuests(HostSystem host, HostSnapshot snapshot)
    {
        using var channel = host.ConnectXenstore();
        if (channel is null)
            throw new HostFailure("xenstored does not run: who has which function cannot be known");
        using var store = new Xenstore(channel, host.Clock);
        return store.Consistent(transaction =>
        {
            var guests = ImmutableArray.CreateBuilder<Guest>();
            foreach (var id in Numbers(store.List("/local/domain", transaction)))
            {
                if (id != 0 && GuestName.TryParse(store.Read($"/local/domain/{id}/name", transaction), out var name))
                {
                    guests.Add(GuestRecord.Complete(host.Files, new Guest(name, GuestStart.Domain(id), Type(store.Read($"/libxl/{id}/type", transaction)))
                    {
                        HasAgent = store.Read($"/local/domain/{id}/{GuestAsk.Agent}", transaction) == GuestAsk.Version,
                        Uuid = Uuid(store.Read($"/local/domain/{id}/vm", transaction)),
                    }));
                }
            }
            var attachments = ImmutableArray.CreateBuilder<Attachment>();
            foreach (var id in Numbers(store.List("/local/domain/0/backend/pci", transaction)))
                attachments.AddRange(ReadAttachments(store, id, transaction));
            var disks = ReadDisks(store, guests.ToImmutable(), transaction).ToArray();
            return snapshot with { NamesForGuests = GuestFileReader.ReadNames(store, transaction), Guests = guests.ToImmutable(), Attachments = attachments.ToImmutable(), Uses = snapshot.Uses.AddRange(disks.Length == 0 ? [] : UseReader.OfGuests(host.Files, disks)) };
        });
    }

    /// <summary>
    /// What the backend offers one guest (xen/include/public/io/pciif.h and libxl): <c>num_devs</c>, then <c>dev-N</c>,
    /// <c>state-N</c> and <c>vdev-N</c>. An N is never kept: libxl moves the higher ones down when one goes.
    /// </summary>
    public static IEnumerable<Attachment> ReadAttachments(Xenstore store, int domId, uint transaction)
    {
        const int Most = 256;
        var backend = BackendPath(domId);
        _ = int.TryParse(store.Read($"{backend}/num_devs", transaction), NumberStyles.None, CultureInfo.InvariantCulture, out var count);
        var busState = State(store.Read($"{backend}/state", transaction));
        var hasDeviceModel = Type(store.Read($"/libxl/{domId}/type", transaction)) == GuestType.Hvm;
        for (var number = 0; number < Math.Min(count, Most); number++)
        {
            if (PciAddress.TryParse(store.Read($"{backend}/dev-{number}", transaction), out var address))
            {
                var state = State(store.Read($"{backend}/state-{number}", transaction));
                // It has it when it is exported by the backend, and the bus is connected, not in the middle of a change.
                yield return new Attachment(address, GuestStart.Domain(domId), hasDeviceModel ? DeviceModelSlot(store.Read($"{backend}/vdevfn-{number}", transaction)) : VirtualSlotAt(store, backend, number, transaction), state == XenbusState.Initialised && busState == XenbusState.Connected,
                    $"in xenstore the function's state is {state}, the backend's {busState}");
            }
        }
    }

    /// <summary>
    /// An HVM guest sees the function on its device model's bus, where that has put it: libxl writes its device and function there, as eight bits.
    /// What pciback writes is its own bus, which no HVM guest looks at (seen in the lab).
    /// </summary>
    static string? DeviceModelSlot(string? text) =>
        int.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number) && number is >= 0 and <= 0xff ? $"{new PciAddress(0, 0, number >> 3, number & 7)}" : null;

    /// <summary>Where the guest sees the function with this number; null before pciback has written it.</summary>
    public static string? VirtualSlotAt(Xenstore store, string backend, int number, uint transaction) =>
        store.Read($"{backend}/vdev-{number}", transaction) is string slot ? VirtualSlot(slot) : null;

    /// <summary>The block devices that the kernel's backend opened for guests: <c>physical-device</c>, major and minor in hexadecimal (xen/include/public/io/blkif.h).</summary>
    static IEnumerable<(string Guest, int Major, int Minor)> ReadDisks(Xenstore store, ImmutableArray<Guest> guests, uint transaction)
    {
        const string Backend = "/local/domain/0/backend/vbd";
        foreach (var id in Numbers(store.List(Backend, transaction)))
        {
            var guest = guests.FirstOrDefault(guest => guest.Start == GuestStart.Domain(id))?.Name.ToString() ?? $"domain {id}";
            foreach (var disk in store.List($"{Backend}/{id}", transaction))
            {
                if (store.Read($"{Backend}/{id}/{disk}/physical-device", transaction)?.Split(':') is [var major, var minor]
                    && int.TryParse(major, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var first) && int.TryParse(minor, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var second))
                    yield return (guest, first, second);
            }
        }
    }

    /// <summary>A guest's memory in bytes, as its balloon is told it (<c>memory/target</c>, in KiB); null where that cannot be read.</summary>
    public static long? MemoryOf(HostSystem host, GuestStart start)
    {
        if (host.ConnectXenstore() is not ByteChannel channel)
            return null;
        using var store = new Xenstore(channel, host.Clock);
        return long.TryParse(store.Read($"/local/domain/{start.Number}/memory/target"), NumberStyles.None, CultureInfo.InvariantCulture, out var kibibytes) && kibibytes < long.MaxValue >> 10 ? kibibytes << 10 : null;
    }

    public static string BackendPath(int domId) => $"/local/domain/0/backend/pci/{domId}/0";

    /// <summary>
    /// Whether Xen has an IOMMU in use: only xl can ask the hypervisor (the capabilities of XEN_SYSCTL_physinfo). And with which options
    /// it was booted: that of the interrupts is switched off there.
    /// </summary>
    public static HostSnapshot ReadIommu(HostSystem host, HostSnapshot snapshot)
    {
        try
        {
            var result = host.XenInfo();
            if (result.ExitCode != 0 || Value("virt_caps") is not string capabilities)
                return snapshot with { Iommu = IommuState.Unknown, IommuReason = $"xl info ended with {result.ExitCode}: {FirstLine(result.Errors)}" };
            var active = capabilities.Split(' ').Any(word => word is "pv_directio" or "hvm_directio");
            snapshot = snapshot with { Iommu = active ? IommuState.Active : IommuState.Absent, IommuReason = $"xl info: virt_caps: {capabilities}" };
            var off = (Value("xen_commandline") ?? "").Split(' ').FirstOrDefault(SwitchesRemappingOff);
            return off is null ? snapshot : snapshot with { InterruptRemapping = IommuState.Absent, InterruptRemappingReason = $"Xen was booted with {off}" };

            string? Value(string name) => result.Output.Split('\n').FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) is string line
                ? line[(line.IndexOf(':') + 1)..].Trim()
                : null;
        }
        catch (HostFailure failure)
        {
            return snapshot with { Iommu = IommuState.Unknown, IommuReason = failure.Message };
        }
    }

    /// <summary>Xen's option iommu= takes a list; booleans are written as <c>no-intremap</c> or <c>intremap=off</c> (docs/misc/xen-command-line.pandoc).</summary>
    static bool SwitchesRemappingOff(string option) => option.StartsWith("iommu=", StringComparison.Ordinal)
        && option["iommu=".Length..].Split(',').Any(word => word is "no-intremap" or "intremap=no" or "intremap=off" or "intremap=false" or "intremap=0" or "intremap=disable");

    /// <summary>pciback writes a function's number with two digits (<c>0000:00:00.00</c>); people write one.</summary>
    static string VirtualSlot(string text)
    {
        var dot = text.LastIndexOf('.');
        return dot > 0 && text.Length == dot + 3 && text[dot + 1] == '0' ? $"{text[..(dot + 1)]}{text[dot + 2]}" : text;
    }

    static string? Uuid(string? vm) => vm is not null && vm.StartsWith("/vm/", StringComparison.Ordinal) && Guid.TryParse(vm.AsSpan("/vm/".Length), out var uuid) ? uuid.ToString() : null;

    static GuestType Type(string? text) => text switch
    {
        "pv" => GuestType.Pv,
        "pvh" => GuestType.Pvh,
        "hvm" => GuestType.Hvm,
        _ => GuestType.Unknown,
    };

    static XenbusState State(string? text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and <= 8 ? (XenbusState)number : XenbusState.Unknown;

    static IEnumerable<int> Numbers(IEnumerable<string> names) =>
        from name in names
        where int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out _)
        let number = int.Parse(name, CultureInfo.InvariantCulture)
        orderby number
        select number;

    static string FirstLine(string text) => text.Split('\n')[0].Trim();
}
