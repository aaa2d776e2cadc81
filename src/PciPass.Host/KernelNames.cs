using System.Collections.Immutable;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>The kernel's names of what hangs on each function: network interfaces, disks, graphics cards.</summary>
public sealed class KernelNames
{
    readonly Dictionary<string, PciAddress> byName = new(StringComparer.Ordinal);
    ImmutableDictionary<string, PciAddress>? all;

    /// <summary>The network interfaces and their functions.</summary>
    public ImmutableDictionary<string, PciAddress> Interfaces { get; private init; } = ImmutableDictionary<string, PciAddress>.Empty;

    public static KernelNames Read(SysTree files)
    {
        var interfaces = ImmutableDictionary.CreateBuilder<string, PciAddress>(StringComparer.Ordinal);
        foreach (var name in files.List("/sys/class/net"))
        {
            // Kernels before 2.6.25 have a directory there, with a link to the device in it.
            if (FunctionBehind(files.ReadLink($"/sys/class/net/{name}") ?? files.ReadLink($"/sys/class/net/{name}/device")) is PciAddress address)
                interfaces[name] = address;
        }
        var names = new KernelNames { Interfaces = interfaces.ToImmutable() };
        foreach (var (name, address) in names.Interfaces)
            names.byName[name] = address;
        foreach (var family in (ReadOnlySpan<string>)["block", "nvme", "drm", "sound", "infiniband", "ieee80211"])
        {
            foreach (var name in files.List($"/sys/class/{family}"))
            {
                // One of several ways to a namespace (nvme0c0n1) is no name that anybody uses.
                if (IsWayToNamespace(name))
                    continue;
                if (FunctionsBehind(files, files.ReadLink($"/sys/class/{family}/{name}")) is [var address, ..])
                    names.byName[name] = address;
            }
        }
        if (!files.Exists("/sys/class/block"))
        {
            foreach (var name in files.List("/sys/block"))
            {
                if (FunctionBehind(files.ReadLink($"/sys/block/{name}/device")) is PciAddress address)
                    names.byName[name] = address;
            }
        }
        return names;
    }

    /// <summary>All names with the functions that they stand for.</summary>
    public ImmutableDictionary<string, PciAddress> All => all ??= byName.ToImmutableDictionary(StringComparer.Ordinal);

    /// <summary>
    /// The names worth showing for each function. Partitions, controllers beside their disks and mixer devices would only
    /// repeat: a name goes when another of the same function begins it.
    /// </summary>
    public ILookup<PciAddress, string> Shown() =>
        byName.GroupBy(pair => pair.Value, pair => pair.Key)
            .SelectMany(names => names.Where(name => !names.Any(other => other != name && IsLesser(name, other))).Select(name => (Function: names.Key, Name: name)))
            .OrderBy(pair => pair.Name, StringComparer.Ordinal)
            .ToLookup(pair => pair.Function, pair => pair.Name);

    static bool IsLesser(string name, string other)
    {
        if (name.StartsWith("nvme", StringComparison.Ordinal))
        {
            // nvme0 < nvme0n1 > nvme0n1p1: the disk is the name that people use.
            return other.StartsWith(name, StringComparison.Ordinal)
                ? !name.AsSpan(4).Contains('n')
                : name.StartsWith(other, StringComparison.Ordinal) && other.AsSpan(4).Contains('n');
        }
        return name.StartsWith(other, StringComparison.Ordinal) || (name.StartsWith("render", StringComparison.Ordinal) && other.StartsWith("card", StringComparison.Ordinal));
    }

    /// <summary>nvme0c1n1: subsystem 0, controller 1, namespace 1 (drivers/nvme/host/multipath.c).</summary>
    static bool IsWayToNamespace(string name) => name.StartsWith("nvme", StringComparison.Ordinal) && name.AsSpan(4).TrimStart("0123456789").StartsWith("c");

    /// <summary>
    /// The functions that a device's path below /sys/devices leads to. With several ways to it, or the possibility of that (virtual
    /// functions), an NVMe namespace belongs to its subsystem, which is no PCI device; the ways are the controllers that the subsystem
    /// links to (drivers/nvme/host/multipath.c, seen in the lab).
    /// </summary>
    public static IReadOnlyList<PciAddress> FunctionsBehind(SysTree files, string? link)
    {
        if (FunctionBehind(link) is PciAddress function)
            return [function];
        const string Subsystems = "/nvme-subsystem/";
        if (link is null || link.IndexOf(Subsystems, StringComparison.Ordinal) is not (>= 0 and var at))
            return [];
        var subsystem = link[(at + Subsystems.Length)..].Split('/')[0];
        return
        [
            .. files.List($"/sys/class/nvme-subsystem/{subsystem}").Where(name => name.StartsWith("nvme", StringComparison.Ordinal) && name.AsSpan(4).IndexOfAnyExceptInRange('0', '9') < 0)
                .Select(controller => FunctionBehind(files.ReadLink($"/sys/class/nvme/{controller}"))).OfType<PciAddress>(),
        ];
    }

    /// <summary>The last function on a device's path below /sys/devices; null where the path has none.</summary>
    public static PciAddress? FunctionBehind(string? link)
    {
        if (link is null)
            return null;
        PciAddress? last = null;
        foreach (var range in link.AsSpan().Split('/'))
        {
            if (PciAddress.TryParse(link.AsSpan()[range], out var address))
                last = address;
        }
        return last;
    }
}
