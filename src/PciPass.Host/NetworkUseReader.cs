using System.Collections.Immutable;
using System.Globalization;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads what the host's network interfaces are used for.</summary>
sealed class NetworkUseReader(HostSystem host, ImmutableDictionary<string, PciAddress> interfaces, ImmutableArray<HostUse>.Builder uses)
{
    const string Class = "/sys/class/net";

    /// <summary>How the kernel names the links between an interface and those that stand on it (net/core/dev.c).</summary>
    const string Upper = "upper_", Lower = "lower_";

    const int Deepest = 8;

    readonly SysTree files = host.Files;

    public void Read(ImmutableSortedDictionary<PciAddress, PciFunction> functions, ProcessTable processes)
    {
        var addresses = NetworkTables.ParseAddresses(host.DumpAddresses()).ToArray();
        if (interfaces.Count > 0)
        {
            ReadAddresses(addresses);
            ReadRoutes();
            foreach (var (name, function) in interfaces)
                ReadPlace(name, function);
            ReadSession(addresses);
            ReadStorage(addresses);
            ReadForeignLinks(processes);
        }
        ReadOtherNamespaces(functions, processes);
    }

    void ReadAddresses(InterfaceAddress[] addresses)
    {
        var byIndex = ByIndex(interfaces.Keys);
        // An address that the kernel gave by itself to an interface that is merely up is no use by anybody.
        foreach (var address in addresses)
        {
            foreach (var name in address.IsLinkLocal ? [] : byIndex[address.InterfaceIndex])
                uses.Add(new HostUse(interfaces[name], HostUseKind.NetworkAddress, name, address.Text));
        }
    }

    void ReadRoutes()
    {
        foreach (var route in NetworkTables.ParseRoutes4(files.ReadText("/proc/net/route") ?? "").Concat(NetworkTables.ParseRoutes6(files.ReadText("/proc/net/ipv6_route") ?? "")))
        {
            if (!interfaces.TryGetValue(route.Interface, out var function))
                continue;
            if (route.IsDefault)
                uses.Add(new HostUse(function, HostUseKind.DefaultRoute, route.Interface, route.IsInet6 ? "IPv6" : "IPv4"));
            // The kernel makes a route for each address by itself, which tells the same again.
            else if (route.Gateway is not null || !uses.Any(use => use.Kind == HostUseKind.NetworkAddress && use.Name == route.Interface))
                uses.Add(new HostUse(function, HostUseKind.Route, route.Interface, route.Target));
        }
    }

    void ReadPlace(string name, PciAddress function)
    {
        if (files.ReadLink($"{Class}/{name}/master") is string master)
            uses.Add(new HostUse(function, HostUseKind.NetworkPort, name, master[(master.LastIndexOf('/') + 1)..]));
        var isWireless = false;
        foreach (var entry in files.List($"{Class}/{name}"))
        {
            // VLANs, macvlans and their kind stand on it, whatever they are used for. Its master does as well, and was told.
            if (entry.StartsWith(Upper, StringComparison.Ordinal) && !uses.Any(use => use.Kind == HostUseKind.NetworkPort && use.Name == name && use.Detail == entry[Upper.Length..]))
                uses.Add(new HostUse(function, HostUseKind.NetworkLower, name, entry[Upper.Length..]));
            isWireless |= entry is "phy80211" or "wireless";
        }
        if (isWireless && files.ReadText($"{Class}/{name}/operstate") == "up")
            uses.Add(new HostUse(function, HostUseKind.WirelessLink, name, ""));
    }

    /// <summary>The way of the caller's own SSH session: the interface with the address that it came to, and all that this one stands on.</summary>
    void ReadSession(InterfaceAddress[] addresses)
    {
        if (SshSession.ServerAddress(files, host.Caller.ProcessId) is not string server)
            return;
        var index = addresses.FirstOrDefault(address => address.Text.AsSpan(0, address.Text.IndexOf('/')).SequenceEqual(server))?.InterfaceIndex;
        foreach (var name in index is int number ? ByIndex(files.List(Class))[number] : [])
        {
            foreach (var (function, lowest) in FunctionsBelow(name, 0))
                uses.Add(new HostUse(function, HostUseKind.SshSession, lowest, lowest == name ? server : $"{server} on {name}"));
        }
    }

    /// <summary>File systems and disks of the host that come from another machine: the way there leads through an interface, and what that one stands on.</summary>
    void ReadStorage(InterfaceAddress[] addresses)
    {
        var storage = NetworkStorage.Read(files).ToArray();
        if (storage.Length == 0)
            return;
        var routes = NetworkTables.ParseRoutes4(files.ReadText("/proc/net/route") ?? "").Concat(NetworkTables.ParseRoutes6(files.ReadText("/proc/net/ipv6_route") ?? "")).ToArray();
        var names = ByIndex(files.List(Class));
        foreach (var (server, what) in storage)
        {
            if (RouteLookup.InterfaceTo(server, addresses.SelectMany(address => names[address.InterfaceIndex].DefaultIfEmpty("").Select(each => (each, address.Text))), routes) is not string name)
                continue;
            foreach (var (function, lowest) in FunctionsBelow(name, 0))
                uses.Add(new HostUse(function, HostUseKind.NetworkStorage, lowest, what));
        }
    }

    /// <summary>What containers have standing on the host's interfaces: a macvlan that was moved to another namespace leaves no trace in this one.</summary>
    void ReadForeignLinks(ProcessTable processes)
    {
        var spaces = files.List("/run/netns").Select(name => ($"/run/netns/{name}", $"ip netns {name}"))
            .Concat(processes.OtherNetworkNamespaces.Select(process => ($"/proc/{process.Id}/ns/net", $"the network namespace of {process}"))).ToArray();
        if (spaces.Length == 0)
            return;
        var byIndex = ByIndex(interfaces.Keys);
        foreach (var (space, owner) in spaces)
        {
            foreach (var link in host.ForeignLinks(space))
            {
                // The two ends of a veth stand on each other, and on no card.
                foreach (var name in link.Kind == "veth" ? [] : byIndex[link.LowerIndex])
                    uses.Add(new HostUse(interfaces[name], HostUseKind.NetworkLower, name, $"{link.Name} in {owner}"));
            }
        }
    }

    IEnumerable<(PciAddress Function, string Name)> FunctionsBelow(string name, int depth)
    {
        if (interfaces.TryGetValue(name, out var function))
            yield return (function, name);
        else if (depth < Deepest)
        {
            foreach (var entry in files.List($"{Class}/{name}").Where(entry => entry.StartsWith(Lower, StringComparison.Ordinal)))
            {
                foreach (var found in FunctionsBelow(entry[Lower.Length..], depth + 1))
                    yield return found;
            }
        }
    }

    /// <summary>
    /// Sysfs shows the interfaces of one's own network namespace only. A network card with a driver and without an interface has it
    /// elsewhere, or none; where there are other namespaces, the former is the safe guess.
    /// </summary>
    void ReadOtherNamespaces(ImmutableSortedDictionary<PciAddress, PciFunction> functions, ProcessTable processes)
    {
        var named = files.List("/run/netns");
        if (processes.OtherNetworkNamespaces.Count == 0 && named.Count == 0)
            return;
        var seen = interfaces.Values.ToHashSet();
        var where = string.Join(", ", named.Select(name => $"ip netns {name}").Concat(processes.OtherNetworkNamespaces.Select(process => $"that of {process}")).Take(4));
        foreach (var function in functions.Values)
        {
            if (function.Class.IsNetwork && function.Driver is DriverName driver && !seen.Contains(function.Address) && !IsPassThrough(driver))
                uses.Add(new HostUse(function.Address, HostUseKind.OtherNetworkNamespace, driver.ToString(), where));
        }
    }

    static bool IsPassThrough(DriverName driver) => driver.ToString() is "pciback" or "vfio-pci" or "pci-stub" or "uio_pci_generic" or "igb_uio";

    /// <summary>Interfaces by their numbers. While they are read, one may go, or pass its name on: a number is then nobody's, or that of two.</summary>
    ILookup<int, string> ByIndex(IEnumerable<string> names) =>
        names.Select(name => (Index: IndexOf(name), Name: name)).Where(each => each.Index is not null).ToLookup(each => each.Index!.Value, each => each.Name);

    int? IndexOf(string name) =>
        int.TryParse(files.ReadText($"{Class}/{name}/ifindex"), NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : null;
}
