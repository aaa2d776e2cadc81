using System.Collections.Immutable;
using System.Globalization;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads what the host uses its functions for: network and disks.</summary>
static class UseReader
{
    public static ImmutableArray<HostUse> Read(HostSystem host, KernelNames names)
    {
        var uses = ImmutableArray.CreateBuilder<HostUse>();
        ReadNetwork(host, names, uses);
        ReadDisks(host.Files, uses);
        return [.. uses.Distinct()];
    }

    /// <summary>How the kernel names the links from an interface to those that stand on it (net/core/dev.c).</summary>
    const string Upper = "upper_";

    static void ReadNetwork(HostSystem host, KernelNames names, ImmutableArray<HostUse>.Builder uses)
    {
        var files = host.Files;
        if (names.Interfaces.Count == 0)
            return;
        var byIndex = new Dictionary<int, string>();
        foreach (var name in names.Interfaces.Keys)
        {
            if (int.TryParse(files.ReadText($"/sys/class/net/{name}/ifindex"), NumberStyles.None, CultureInfo.InvariantCulture, out var index))
                byIndex[index] = name;
        }
        // An address that the kernel gave by itself to an interface that is merely up is no use by anybody.
        foreach (var address in NetworkTables.ParseAddresses(host.DumpAddresses()))
        {
            if (!address.IsLinkLocal && byIndex.TryGetValue(address.InterfaceIndex, out var name))
                uses.Add(new HostUse(names.Interfaces[name], HostUseKind.NetworkAddress, name, address.Text));
        }
        foreach (var name in NetworkTables.ParseDefaultRoutes4(files.ReadText("/proc/net/route") ?? ""))
        {
            if (names.Interfaces.TryGetValue(name, out var function))
                uses.Add(new HostUse(function, HostUseKind.DefaultRoute, name, "IPv4"));
        }
        foreach (var name in NetworkTables.ParseDefaultRoutes6(files.ReadText("/proc/net/ipv6_route") ?? ""))
        {
            if (names.Interfaces.TryGetValue(name, out var function))
                uses.Add(new HostUse(function, HostUseKind.DefaultRoute, name, "IPv6"));
        }
        foreach (var (name, function) in names.Interfaces)
        {
            if (files.ReadLink($"/sys/class/net/{name}/master") is string master)
                uses.Add(new HostUse(function, HostUseKind.NetworkPort, name, master[(master.LastIndexOf('/') + 1)..]));
            else
                // VLANs, macvlans and their kind stand on it, whatever they are used for.
                foreach (var upper in files.List($"/sys/class/net/{name}").Where(entry => entry.StartsWith(Upper, StringComparison.Ordinal)))
                    uses.Add(new HostUse(function, HostUseKind.NetworkLower, name, upper[Upper.Length..]));
        }
    }

    static void ReadDisks(SysTree files, ImmutableArray<HostUse>.Builder uses)
    {
        foreach (var mount in MountTable.ParseMountInfo(files.ReadText("/proc/self/mountinfo") ?? ""))
        {
            // File systems that span devices have a number of their own (major 0); their source names one of the devices.
            var device = mount.Major != 0 ? $"/sys/dev/block/{mount.Major}:{mount.Minor}" : BlockClass(files, mount.Source);
            if (device is not null)
                Add(device, HostUseKind.Mount, mount.MountPoint);
        }
        foreach (var swap in MountTable.ParseSwaps(files.ReadText("/proc/swaps") ?? ""))
        {
            if (BlockClass(files, swap) is string device)
                Add(device, HostUseKind.Swap, swap);
        }

        void Add(string device, HostUseKind kind, string detail)
        {
            foreach (var (function, name) in FunctionsBelow(files, device, depth: 0))
                uses.Add(new HostUse(function, kind, name, detail));
        }
    }

    /// <summary>A device's folder in sysfs by its path below /dev, following the names that device mapper gives; null for what is none.</summary>
    static string? BlockClass(SysTree files, string path)
    {
        if (!path.StartsWith("/dev/", StringComparison.Ordinal))
            return null;
        var name = files.ReadLink(path) is string target ? target[(target.LastIndexOf('/') + 1)..] : path[5..];
        var folder = $"/sys/class/block/{name.Replace('/', '!')}";
        return files.Exists(folder) ? folder : null;
    }

    /// <summary>The functions that a block device stands on, through device mapper, md and loop-free stacks of them (the slaves in sysfs).</summary>
    static IEnumerable<(PciAddress Function, string Name)> FunctionsBelow(SysTree files, string device, int depth)
    {
        const int Deepest = 16;
        if (files.ReadLink(device) is not string link || depth > Deepest)
            yield break;
        var name = link[(link.LastIndexOf('/') + 1)..];
        if (KernelNames.FunctionBehind(link) is PciAddress function)
        {
            yield return (function, name);
            yield break;
        }
        foreach (var slave in files.List($"/sys/class/block/{name}/slaves"))
        {
            foreach (var found in FunctionsBelow(files, $"/sys/class/block/{slave}", depth + 1))
                yield return found;
        }
    }
}
