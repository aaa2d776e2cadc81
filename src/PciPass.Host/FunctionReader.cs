using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads the PCI functions from sysfs (Documentation/ABI/testing/sysfs-bus-pci).</summary>
static class FunctionReader
{
    const string Root = "/sys/bus/pci/devices";

    /// <summary>From so many functions on, they are read by several threads: to start one takes as long as to read some dozens.</summary>
    const int ManyFunctions = 512;

    const int MostThreads = 4;

    /// <param name="files">The host's files.</param>
    /// <param name="names">The kernel's names of what hangs on functions.</param>
    /// <param name="underWay">
    /// Functions of operations that have not ended. A write that hangs holds their lock, behind which a read of <c>driver_override</c>
    /// would hang as well (seen in the lab): it is left unread.
    /// </param>
    /// <param name="detail">How much of each.</param>
    public static ImmutableSortedDictionary<PciAddress, PciFunction> Read(SysTree files, KernelNames names, IReadOnlySet<PciAddress> underWay, Detail detail = Detail.All)
    {
        var shown = names.Shown();
        var hasNodes = files.Exists("/sys/devices/system/node/node1");
        var entries = files.List(Root);
        var drivers = detail != Detail.All ? CommonReads.ReadDrivers(files, entries.Count) : null;
        var read = new PciFunction?[entries.Count];
        var threads = files.IsForThreads && entries.Count >= ManyFunctions ? Math.Clamp(Environment.ProcessorCount, 1, MostThreads) : 1;
        // Neighbours stay together: what they have in common, each thread reads for its own part.
        Side.BySide(
            threads,
            part =>
            {
                using var folder = files.OpenFolder(Root);
                var common = detail != Detail.All ? new CommonReads(folder, drivers) : null;
                for (var (at, end) = (entries.Count * part / threads, entries.Count * (part + 1) / threads); at < end; at++)
                {
                    if (PciAddress.TryParse(entries[at], out var address))
                        read[at] = ReadOne(folder, entries[at], address, shown[address], hasNodes, !underWay.Contains(address), common);
                }
            }
        );
        var functions = ImmutableSortedDictionary.CreateBuilder<PciAddress, PciFunction>();
        foreach (var function in read)
        {
            if (function is not null)
                functions.Add(function.Address, function);
        }
        return functions.ToImmutable();
    }

    /// <returns>Null when the function went away while it was read. With <c>common</c>, what is read once for all, less of it is read.</returns>
    [SkipLocalsInit]
    static PciFunction? ReadOne(
        SysFolder files,
        string entry,
        PciAddress address,
        IEnumerable<string> shown,
        bool hasNodes,
        bool isFree,
        CommonReads? common
    )
    {
        Span<byte> buffer = stackalloc byte[4096];
        var physical = common?.IsVirtual(address) == true ? Physical() : null;
        // What the configuration space of a virtual function could tell decides nothing in a list.
        var isSkipped = physical is not null;
        var count = isSkipped ? 0 : files.ReadConfig(entry, buffer);
        if (count < 0 || (common is null ? ReadPlace(files, entry) : common.PlaceOf(entry, address)) is not var (path, parent))
            return null;
        var config = new ConfigSpace(buffer[..count]);
        common?.KeepVirtuals(address, config);
        var answers = config.Answers;
        if (common is null || config.IsHeaderOnly || !answers)
            physical ??= Physical();
        // A virtual function's ids read as all ones from its own configuration space (SR-IOV 1.1, 3.4.1.1): the kernel fills them in.
        var (ids, kind) = answers ? (config.Ids, config.Class) : ReadIds(files, entry);
        var headerType = answers ? config.HeaderType : (byte)0;
        var display = kind.Base == 0x03;
        var pin = physical is null ? config.InterruptPin : (byte)0;
        return new PciFunction
        {
            Address = address,
            Identity = new PciIdentity(path, ids, config.SerialNumber),
            Class = kind,
            HeaderType = headerType,
            ExpressType = config.ExpressType,
            // Not every device says so on its further functions; that they are there says it (pci_scan_slot in drivers/pci/probe.c).
            IsMultiFunction = physical is null && (config.IsMultiFunction || address.Function > 0),
            Answers = answers || physical is not null || count == 0,
            IsHeaderOnly = !isSkipped && config.IsHeaderOnly,
            SecondaryBus = config.SecondaryBus,
            AccessControl = config.AccessControl,
            Resets = headerType == 0 && common is null ? Resets(files, entry, config.OwnResets) : null,
            UsesPhantomFunctions = config.UsesPhantomFunctions,
            WideBars = physical is null ? config.WideBars : [],
            Rom = display ? Rom(files.ReadText(entry, "resource")) : RomState.Unknown,
            IsSwitchedOff = display && files.ReadText(entry, "power_state") == "D3cold",
            HasMessageInterrupts = config.HasMessageInterrupts,
            InterruptPin = pin,
            Irq =
                pin != 0
                && common is null
                && int.TryParse(files.ReadText(entry, "irq"), NumberStyles.None, CultureInfo.InvariantCulture, out var irq)
                    ? irq
                    : 0,
            NumaNode =
                hasNodes
                && common is null
                && int.TryParse(files.ReadText(entry, "numa_node"), NumberStyles.None, CultureInfo.InvariantCulture, out var node)
                    ? node
                    : null,
            Driver = common is null ? ReadDriver(files, entry) : common.DriverOf(entry),
            DriverOverride =
                isFree
                && common is null
                && DriverName.TryParse(files.ReadText(entry, "driver_override"), out var name)
                && name.ToString() != "(null)"
                    ? name
                    : null,
            IommuGroup =
                files.ReadLink(entry, "iommu_group") is string group
                && int.TryParse(LastPart(group), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                    ? number
                    : null,
            Parent = parent,
            PhysicalFunction = physical,
            KernelNames = [.. shown],
        };

        PciAddress? Physical() =>
            files.ReadLink(entry, "physfn") is string target && PciAddress.TryParse(LastPart(target), out var at) ? at : null;
    }

    /// <summary>Ids and class as the kernel tells them: all in one line, or each by itself in records of hosts that hold no more.</summary>
    static (PciIds Ids, PciClass Class) ReadIds(SysFolder files, string entry)
    {
        if (files.ReadText(entry, "modalias") is string alias && PciAlias.TryParse(alias, out var ids, out var kind))
            return (ids, kind);
        var code = Hex("class");
        return (
            new PciIds((ushort)Hex("vendor"), (ushort)Hex("device"), (ushort)Hex("subsystem_vendor"), (ushort)Hex("subsystem_device")),
            new PciClass((byte)(code >> 16), (byte)(code >> 8), (byte)code)
        );

        uint Hex(string name) =>
            files.ReadText(entry, name) is string text
            && text.StartsWith("0x", StringComparison.Ordinal)
            && uint.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
                ? value
                : 0;
    }

    /// <summary>The seventh line of <c>resource</c> is the ROM's: start, end and flags (Documentation/ABI/testing/sysfs-bus-pci, include/linux/ioport.h).</summary>
    static RomState Rom(string? resource)
    {
        const ulong Shadow = 2 /* IORESOURCE_ROM_SHADOW */, LegacyPlace = 0xc0000;
        if (resource is null)
            return RomState.Unknown;
        if (resource.Split('\n') is not [_, _, _, _, _, _, var line, ..] || line.Split(' ') is not [var start, _, var flags] || Number(start) is not (> 0 and var place))
            return RomState.Absent;
        return place == LegacyPlace || ((Number(flags) ?? 0) & Shadow) != 0 ? RomState.Shadow : RomState.Present;

        static ulong? Number(string word) => word.StartsWith("0x", StringComparison.Ordinal)
            && ulong.TryParse(word.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) ? value : null;
    }

    /// <summary>Linux has told the ways since 5.15 and, where there are none, shows no such file; before, it told only whether there are any (<c>reset</c>).</summary>
    static ResetMethods Resets(SysFolder files, string entry, ResetMethods own)
    {
        if (files.ReadText(entry, "reset_method") is string methods)
            return ResetMethodNames.Parse(methods);
        if (!files.Exists(entry, "reset"))
            return ResetMethods.None;
        return own == ResetMethods.None ? ResetMethods.Bus : own;
    }

    public static DriverName? ReadDriver(SysFolder files, string entry) =>
        files.ReadLink(entry, "driver") is string driver && DriverName.TryParse(LastPart(driver).ToString(), out var name) ? name : null;

    static (string Path, PciAddress? Parent)? ReadPlace(SysFolder files, string entry) =>
        files.ReadLink(entry, "") is string link ? ReadPath(link) : null;

    /// <summary>
    /// Turns <c>../../../devices/pci0000:00/0000:00:05.0/0000:09:00.0</c> into the path of an identity,
    /// <c>0000:00/05.0/00.0</c>, and the bridge above, <c>0000:00:05.0</c>.
    /// </summary>
    public static (string Path, PciAddress? Parent) ReadPath(string link)
    {
        List<string> parts = [];
        PciAddress? parent = null, last = null;
        foreach (var range in link.AsSpan().Split('/'))
        {
            var part = link.AsSpan()[range];
            if (PciAddress.TryParse(part, out var address))
            {
                parts.Add($"{address.Device:x2}.{address.Function}");
                (parent, last) = (last, address);
            }
            else if (part.StartsWith("pci", StringComparison.Ordinal) && part.Contains(':'))
            {
                parts.Add(part[3..].ToString());
            }
        }
        return (string.Join('/', parts), parent);
    }

    static ReadOnlySpan<char> LastPart(string path) => path.AsSpan(path.LastIndexOf('/') + 1);
}
