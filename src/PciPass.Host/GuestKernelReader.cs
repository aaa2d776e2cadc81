using System.Collections.Immutable;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>Reads from inside a guest what it has for hot-plug: procfs, sysfs, the kernel's lists of modules, and the files that load modules at a start.</summary>
public static class GuestKernelReader
{
    public static GuestKernel Read(HostSystem host)
    {
        var files = host.Files;
        var platform = ReadPlatform(files);
        var release = files.ReadText("/proc/sys/kernel/osrelease") ?? throw new HostFailure("open", "/proc/sys/kernel/osrelease", Errno.ENOENT);
        var bridges = files.List("/sys/bus/pci/devices").Where(name => (files.ReadText($"/sys/bus/pci/devices/{name}/class") ?? "").StartsWith("0x0604", StringComparison.Ordinal))
            .Select(name => $"{files.ReadText($"/sys/bus/pci/devices/{name}/vendor")}:{files.ReadText($"/sys/bus/pci/devices/{name}/device")} {files.ReadLink($"/sys/bus/pci/devices/{name}/driver")}").ToArray();
        // QEMU's ports and bridges (docs/specs/pci-ids.rst), and what the kernel's own driver took for a port.
        var hasPorts = bridges.Any(bridge => bridge.EndsWith("/pcieport", StringComparison.Ordinal) || bridge.StartsWith("0x1b36:0x000c", StringComparison.Ordinal) || bridge.StartsWith("0x8086:0x3420", StringComparison.Ordinal));
        var hasHotplugBridge = bridges.Any(bridge => bridge.StartsWith("0x1b36:0x0001", StringComparison.Ordinal));
        var way = files.Exists(GuestKernel.ModulesLoadFolder) ? KeepWay.ModulesLoad
            : files.Exists(GuestKernel.SysconfigFolder) ? KeepWay.SysconfigModules
            : files.Exists(GuestKernel.EtcModules) ? KeepWay.EtcModules : KeepWay.None;
        return new GuestKernel(platform, release,
            [.. GuestKernel.Needs(platform, hasPorts, hasHotplugBridge).Select(need => new GuestModule(need.Name, StateOf(files, release, need.Name), need.IsRequired, need.Why))],
            way, FilesOf(files, way));
    }

    static GuestPlatform ReadPlatform(SysTree files)
    {
        if (files.ReadText("/sys/hypervisor/type") != "xen")
            return GuestPlatform.Machine;
        // Linux 4.13 and newer say it (Documentation/ABI/stable/sysfs-hypervisor-xen); older ones show a machine's BIOS, or none.
        return files.ReadText("/sys/hypervisor/guest_type") switch
        {
            "PV" => GuestPlatform.XenPv,
            "HVM" => GuestPlatform.XenHvm,
            "PVH" => GuestPlatform.XenPvh,
            _ => files.ReadText("/sys/class/dmi/id/product_name") == "HVM domU" ? GuestPlatform.XenHvm : GuestPlatform.XenPv,
        };
    }

    /// <summary>How this kernel has a module.</summary>
    public static ModuleState StateOf(SysTree files, string release, string name)
    {
        var under = name.Replace('-', '_');
        if ((files.ReadText("/proc/modules") ?? "").Split('\n').Any(line => line.StartsWith($"{under} ", StringComparison.Ordinal)))
            return ModuleState.Loaded;
        // A part of the kernel that takes options has a folder there as well, whether it could be a module or not.
        if (files.Exists($"/sys/module/{under}") || IsListed($"/lib/modules/{release}/modules.builtin"))
            return ModuleState.BuiltIn;
        // Linux 2.6.18 lists no built-in modules. Its Xen frontend is built in, and shows as a driver.
        if (name == "xen-pcifront" && files.Exists("/sys/bus/xen/drivers/pcifront"))
            return ModuleState.BuiltIn;
        return IsListed($"/lib/modules/{release}/modules.dep") ? ModuleState.Loadable : ModuleState.Missing;

        bool IsListed(string list) => (files.ReadText(list) ?? "").Split('\n').Any(line =>
        {
            // kernel/drivers/pci/xen-pcifront.ko.xz: ...
            var path = line.Split(':')[0];
            var file = path[(path.LastIndexOf('/') + 1)..];
            var dot = file.IndexOf(".ko", StringComparison.Ordinal);
            return dot > 0 && file[..dot].Replace('-', '_') == under;
        });
    }

    static ImmutableSortedDictionary<string, FileContent> FilesOf(SysTree files, KeepWay way)
    {
        var found = ImmutableSortedDictionary.CreateBuilder<string, FileContent>(StringComparer.Ordinal);
        var paths = way switch
        {
            KeepWay.ModulesLoad => files.List(GuestKernel.ModulesLoadFolder).Where(name => name.EndsWith(".conf", StringComparison.Ordinal)).Select(name => $"{GuestKernel.ModulesLoadFolder}/{name}").Append(GuestKernel.EtcModules),
            KeepWay.SysconfigModules => files.List(GuestKernel.SysconfigFolder).Where(name => name.EndsWith(".modules", StringComparison.Ordinal)).Select(name => $"{GuestKernel.SysconfigFolder}/{name}"),
            KeepWay.EtcModules => [GuestKernel.EtcModules],
            _ => [],
        };
        foreach (var path in paths)
        {
            // Debian links a file of modules-load.d to /etc/modules, which is read by itself.
            if (files.ReadLink(path) is null && files.ReadAll(path) is byte[] bytes)
                found[path] = new FileContent(bytes);
        }
        return found.ToImmutable();
    }
}
