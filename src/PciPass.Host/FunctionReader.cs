using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>Reads the PCI functions from sysfs (Documentation/ABI/testing/sysfs-bus-pci).</summary>
static class FunctionReader
{
    const string Root = "/sys/bus/pci/devices";

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
        var functions = ImmutableSortedDictionary.CreateBuilder<PciAddress, PciFunction>();
        var entries = files.List(Root);
        var common = detail == Detail.State ? new CommonReads(files, entries.Count) : null;
        foreach (var name in entries)
        {
            if (PciAddress.TryParse(name, out var address) && ReadOne(files, name, address, shown[address], hasNodes, !underWay.Contains(address), common) is PciFunction function)
                functions.Add(address, function);
        }
        return functions.ToImmutable();
    }

    /// <returns>Null when the function went away while it was read. With <c>common</c>, what is read once for all, less of it is read.</returns>
    [SkipLocalsInit]
    static PciFunction? ReadOne(SysTree files, string entry, PciAddress address, IEnumerable<string> shown, bool hasNodes, bool isFree, CommonReads? common)
    {
        var folder = $"{Root}/{entry}";
        Span<byte> buffer = stackalloc byte[4096];
        var count = files.Read($"{folder}/config", buffer);
        if (count < 0 || (common is null ? ReadPlace(files, folder) : common.PlaceOf(folder, address)) is not var (path, parent))
            return null;
        var config = new ConfigSpace(buffer[..count]);
        var physical = common?.MayBeVirtual(address, config) != false && files.ReadLink($"{folder}/physfn") is string target && PciAddress.TryParse(LastPart(target), out var at) ? at : (PciAddress?)null;
        // A virtual function's ids read as all ones from its own configuration space (SR-IOV 1.1, 3.4.1.1): the kernel fills them in.
        var answers = config.Answers;
        var ids = answers ? config.Ids : new PciIds(Attribute("vendor"), Attribute("device"), Attribute("subsystem_vendor"), Attribute("subsystem_device"));
        var headerType = answers ? config.HeaderType : (byte)0;
        var display = (answers ? config.Class : ClassAttribute()).Base == 0x03;
        var pin = physical is null ? config.InterruptPin : (byte)0;
        return new PciFunction
        {
            Address = address,
            Identity = new PciIdentity(path, ids, config.SerialNumber),
            Class = answers ? config.Class : ClassAttribute(),
            HeaderType = headerType,
            ExpressType = config.ExpressType,
            // Not every device says so on its further functions; that they are there says it (pci_scan_slot in drivers/pci/probe.c).
            IsMultiFunction = physical is null && (config.IsMultiFunction || address.Function > 0),
            Answers = answers || physical is not null || count == 0,
            IsHeaderOnly = config.IsHeaderOnly,
            SecondaryBus = config.SecondaryBus,
            AccessControl = config.AccessControl,
            Resets = headerType == 0 && common is null ? Resets(files, folder, config.OwnResets) : null,
            UsesPhantomFunctions = config.UsesPhantomFunctions,
            WideBars = physical is null ? config.WideBars : [],
            Rom = display ? Rom(files.ReadText($"{folder}/resource")) : RomState.Unknown,
            IsSwitchedOff = display && files.ReadText($"{folder}/power_state") == "D3cold",
            HasMessageInterrupts = config.HasMessageInterrupts,
            InterruptPin = pin,
            Irq = pin != 0 && common is null && int.TryParse(files.ReadText($"{folder}/irq"), NumberStyles.None, CultureInfo.InvariantCulture, out var irq) ? irq : 0,
            NumaNode = hasNodes && common is null && int.TryParse(files.ReadText($"{folder}/numa_node"), NumberStyles.None, CultureInfo.InvariantCulture, out var node) ? node : null,
            Driver = common is null ? ReadDriver(files, folder) : common.DriverOf(folder, entry),
            DriverOverride = isFree && common is null && DriverName.TryParse(files.ReadText($"{folder}/driver_override"), out var name) && name.ToString() != "(null)" ? name : null,
            IommuGroup = files.ReadLink($"{folder}/iommu_group") is string group && int.TryParse(LastPart(group), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null,
            Parent = parent,
            PhysicalFunction = physical,
            KernelNames = [.. shown],
        };

        ushort Attribute(string name) => (ushort)Hex(name);

        PciClass ClassAttribute()
        {
            var code = Hex("class");
            return new PciClass((byte)(code >> 16), (byte)(code >> 8), (byte)code);
        }

        uint Hex(string name) => files.ReadText($"{folder}/{name}") is string text && text.StartsWith("0x", StringComparison.Ordinal)
            && uint.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) ? value : 0;
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
    static ResetMethods Resets(SysTree files, string folder, ResetMethods own)
    {
        if (files.ReadText($"{folder}/reset_method") is string methods)
            return ResetMethodNames.Parse(methods);
        if (!files.Exists($"{folder}/reset"))
            return ResetMethods.None;
        return own == ResetMethods.None ? ResetMethods.Bus : own;
    }

    public static DriverName? ReadDriver(SysTree files, string folder) =>
        files.ReadLink($"{folder}/driver") is string driver && DriverName.TryParse(LastPart(driver).ToString(), out var name) ? name : null;

    static (string Path, PciAddress? Parent)? ReadPlace(SysTree files, string folder) => files.ReadLink(folder) is string link ? ReadPath(link) : null;

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
