using System.Collections.Immutable;
using System.Globalization;
using PciPass.Core;

namespace PciPass.Tests;

/// <summary>
/// A host in a few lines, for tests of the planner. A function is <c>ADDRESS CLASS [word...]</c>, where a word is
/// <c>driver=</c>, <c>override=</c>, <c>names=</c>, <c>below=BRIDGE</c>, <c>pf=ADDRESS</c>, <c>slot</c>, <c>type1</c> (a bridge's
/// header), <c>mf</c> (several functions), <c>acs</c> (isolates), <c>group=</c>, <c>irq=</c>, <c>line</c> (no MSI), <c>noreset</c>,
/// <c>silent</c> (does not answer), <c>node=</c>, <c>rom=STATE</c>, <c>d3cold</c>, <c>ids=</c>, <c>pcie=TYPE</c> or <c>serial=</c>. Other lines: <c>guest NAME DOMID TYPE [nomap] [pod] [altp2m]</c>,
/// <c>qemu NAME PID [FREE-PORT...]</c> (without ports: without a monitor), <c>libvirt NAME PID</c>, <c>attached ADDRESS DOMID|PID [SLOT]</c>,
/// <c>use ADDRESS KIND NAME DETAIL</c>, <c>claim ADDRESS GUEST FILE</c>, <c>taken ADDRESS DRIVER|- OVERRIDE|- GUEST|-</c>,
/// <c>open ADDRESS STATE</c>, <c>bar ADDRESS START END [HOLDER]</c>, <c>rmrr ADDRESS</c>, <c>no remapping</c>, <c>no iommu</c>, <c>no pciback</c>, <c>no xen</c>,
/// <c>no vfio</c>.
/// </summary>
static class HostText
{
    public static HostSnapshot Parse(string text)
    {
        var host = new HostSnapshot { BootId = "boot-1", Hypervisor = Hypervisor.XenDom0, Iommu = IommuState.Active, InterruptRemapping = IommuState.Active, PcibackLoaded = true };
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var words = line.Split(' ');
            host = words switch
            {
                ["no", "iommu"] => host with { Iommu = IommuState.Absent, IommuReason = "xl info: virt_caps: pv hvm" },
                ["no", "remapping"] => host with { InterruptRemapping = IommuState.Absent, InterruptRemappingReason = "the firmware's table RMAD says that the platform cannot" },
                ["override", "groups"] => host with { GroupsAreOverridden = true },
                ["bar", var address, var start, var end, .. var holder] => host with { Ranges = host.Ranges.Add(new AddressRange(PciAddress.Parse(address), Hex(start), Hex(end), IsPort: false, holder.FirstOrDefault() ?? "")) },
                ["rmrr", var address] => host with { Reserved = host.Reserved.Add(new ReservedMemory(PciAddress.Parse(address), 0x7f000000, 0x7f0fffff, IsShared: false)) },
                ["no", "pciback"] => host with { PcibackLoaded = false },
                ["no", "vfio"] => host with { Drivers = ["none"] },
                ["qemu" or "libvirt", var name, var id, .. var ports] => host with
                {
                    Guests = host.Guests.Add(new Guest(GuestName.Parse(name), GuestStart.Process(words[0] == "qemu" ? Toolstack.Qemu : Toolstack.Libvirt, Number(id), 88), GuestType.Hvm)
                    {
                        FreePorts = ports.Length == 0 ? null : [.. ports.Where(port => port != "none")], NoMonitor = ports.Length == 0 ? "it has no monitor" : null,
                    }),
                },
                ["no", "xen"] => host with { Hypervisor = Hypervisor.None },
                ["guest", var name, var id, var type, .. { Length: > 0 } settings] => host with
                {
                    Guests = host.Guests.Add(new Guest(GuestName.Parse(name), GuestStart.Domain(Number(id)), Enum.Parse<GuestType>(type, ignoreCase: true))
                    {
                        HasHostMap = settings.Contains("nomap") ? false : null, PopulatesOnDemand = settings.Contains("pod"), HasSeveralMaps = settings.Contains("altp2m"),
                    }),
                },
                ["guest", var name, var id, var type] => host with { Guests = host.Guests.Add(new Guest(GuestName.Parse(name), GuestStart.Domain(Number(id)), Enum.Parse<GuestType>(type, ignoreCase: true))) },
                ["attached", var address, var id, .. var slot] => host with
                {
                    Attachments = host.Attachments.Add(new Attachment(PciAddress.Parse(address), host.Guests.FirstOrDefault(guest => guest.Start.Number == Number(id))?.Start ?? GuestStart.Domain(Number(id)), slot.FirstOrDefault())),
                },
                ["use", var address, var kind, var name, var detail] => host with { Uses = host.Uses.Add(new HostUse(PciAddress.Parse(address), Enum.Parse<HostUseKind>(kind), name, detail)) },
                ["claim", var address, var guest, var file] => host with { Claims = host.Claims.Add(new ConfiguredClaim(PciAddress.Parse(address), guest, file)) },
                ["taken", var address, var driver, var was, var guest] => host with
                {
                    Taken = host.Taken.Add(new Taken(PciAddress.Parse(address), Driver(driver), Driver(was), HadSlot: false, host.Find(PciAddress.Parse(address))!.Identity,
                        guest == "-" ? null : GuestReference.Parse(guest), 7)),
                },
                ["open", var address, var state] => host with { Unfinished = host.Unfinished.Add(new Unfinished(PciAddress.Parse(address), 8, "attach", state)) },
                _ => AddFunction(host, words),
            };
        }
        return !host.Drivers.IsEmpty ? host : host with { Drivers = [.. host.Functions.Values.Select(function => function.Driver?.ToString()).OfType<string>(), "e1000e", "nvme", "pciback", "vfio-pci"] };
    }

    static HostSnapshot AddFunction(HostSnapshot host, string[] words)
    {
        var address = PciAddress.Parse(words[0]);
        var code = int.Parse(words[1], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        string? Value(string key) => words.FirstOrDefault(word => word.StartsWith($"{key}=", StringComparison.Ordinal))?[(key.Length + 1)..];
        var serial = Value("serial") is string text ? ulong.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) : (ulong?)null;
        var function = new PciFunction
        {
            Address = address,
            Identity = new PciIdentity($"0000:00/{address.Device:x2}.{address.Function}", Value("ids") is string ids ? new PciIds((ushort)Hex(ids[..4]), (ushort)Hex(ids[5..]), 0, 0) : new PciIds(0x8086, 0x10d3, 0, 0), serial),
            Class = new PciClass((byte)(code >> 16), (byte)(code >> 8), (byte)code),
            HeaderType = words.Contains("type1") ? (byte)1 : (byte)0,
            ExpressType = Value("pcie") is string type ? Enum.Parse<PciExpressType>(type) : null,
            IsMultiFunction = words.Contains("mf"),
            AccessControl = words.Contains("acs") ? new AccessControl(0x5f, 0x1d) : null,
            Answers = !words.Contains("silent"),
            Resets = words.Contains("noreset") ? ResetMethods.None : ResetMethods.FunctionLevel,
            NumaNode = Value("node") is string node ? Number(node) : null,
            Rom = Value("rom") is string rom ? Enum.Parse<RomState>(rom, ignoreCase: true) : RomState.Unknown,
            IsSwitchedOff = words.Contains("d3cold"),
            HasMessageInterrupts = !words.Contains("line"),
            InterruptPin = Value("irq") is null ? (byte)0 : (byte)1,
            Irq = Value("irq") is string irq ? Number(irq) : 0,
            IommuGroup = Value("group") is string group ? Number(group) : null,
            Driver = Value("driver") is string driver ? DriverName.Parse(driver) : null,
            DriverOverride = Value("override") is string name ? DriverName.Parse(name) : null,
            Parent = Value("below") is string bridge ? PciAddress.Parse(bridge) : null,
            PhysicalFunction = Value("pf") is string physical ? PciAddress.Parse(physical) : null,
            KernelNames = Value("names") is string names ? [.. names.Split(',')] : [],
        };
        return host with
        {
            Functions = host.Functions.SetItem(address, function),
            PcibackSlots = words.Contains("slot") ? host.PcibackSlots.Add(address) : host.PcibackSlots,
        };
    }

    static DriverName? Driver(string word) => word == "-" ? null : DriverName.Parse(word);

    static ulong Hex(string word) => ulong.Parse(word, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    static int Number(string word) => int.Parse(word, NumberStyles.None, CultureInfo.InvariantCulture);
}
