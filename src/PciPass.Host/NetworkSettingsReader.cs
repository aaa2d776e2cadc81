using System.Collections.Immutable;
using System.Globalization;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads what is configured on the network interfaces of functions, so that it can be set up again.</summary>
public static class NetworkSettingsReader
{
    const string Class = "/sys/class/net";
    const int UsualMtu = 1500;

    /// <summary>IFF_UP (include/uapi/linux/if.h).</summary>
    const int Up = 1;

    /// <summary>All interfaces of functions.</summary>
    public static ImmutableArray<FunctionInterface> Read(HostSystem host) => Read(host, KernelNames.Read(host.Files).Interfaces);

    /// <param name="host">The host.</param>
    /// <param name="interfaces">Interfaces and their functions.</param>
    internal static ImmutableArray<FunctionInterface> Read(HostSystem host, IReadOnlyDictionary<string, PciAddress> interfaces)
    {
        if (interfaces.Count == 0)
            return [];
        var addresses = NetworkTables.ParseAddresses(host.DumpAddresses()).ToLookup(address => address.InterfaceIndex);
        var routes = NetworkTables.ParseRoutes4(host.Files.ReadText("/proc/net/route") ?? "")
            .Concat(NetworkTables.ParseRoutes6(host.Files.ReadText("/proc/net/ipv6_route") ?? "")).ToLookup(route => route.Interface);
        return [.. interfaces.OrderBy(each => each.Key, StringComparer.Ordinal).Select(each => new FunctionInterface(each.Value, each.Key, One(host.Files, each.Key, addresses, routes[each.Key])))];
    }

    static NetworkSettings One(SysTree files, string name, ILookup<int, InterfaceAddress> addresses, IEnumerable<Route> routes)
    {
        var index = Number("ifindex") ?? -1;
        // What a router or the kernel gave comes again by itself; an IPv4 lease is kept, since its client may not ask again in time.
        var own = addresses[index].Where(address => !address.IsLinkLocal && (address.IsForEver || !address.Text.Contains(':'))).ToImmutableArray();
        var isUp = files.ReadText($"{Class}/{name}/flags") is ['0', 'x', .. var flags] && int.TryParse(flags, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var bits) && (bits & Up) != 0;
        var master = files.ReadLink($"{Class}/{name}/master") is string link ? link[(link.LastIndexOf('/') + 1)..] : null;
        return new NetworkSettings(isUp, Number("mtu") is int mtu and not UsualMtu ? mtu : null, master, [.. own.Select(address => address.Setting)],
            [.. routes.Where(route => !route.IsOfKernel && !(route.Gateway is null && own.Any(address => NetworkTables.NetworkOf(address.Text) == route.Target))).Select(route => route.Text)]);

        int? Number(string attribute) => int.TryParse(files.ReadText($"{Class}/{name}/{attribute}"), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
    }
}
