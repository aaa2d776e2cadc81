using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Text;

namespace PciPass.Sim;

/// <summary>
/// What the kernel makes of functions for the rest of the system, and how that is used: network interfaces with addresses and
/// routes, disks with mounts and swap. They come and go with the driver, and so does what was configured on them.
/// </summary>
sealed class SimNames
{
    readonly SimDirectory sys;
    readonly SortedDictionary<string, Interface> interfaces = new(StringComparer.Ordinal);
    readonly List<(string Disk, int Minor)> disks = [];
    readonly List<(string Device, string Point, string Type)> mounts = [];
    readonly List<string> swaps = [];
    int nextIndex = 1;
    int nextMinor;

    public SimNames(SimDirectory sys)
    {
        this.sys = sys;
        sys.Make("class/net");
        sys.Make("class/block");
        sys.Make("class/nvme");
        sys.Make("block");
        sys.Make("dev/block");
        var loopback = AddInterface("lo", "devices/virtual/net/lo", "00:00:00:00:00:00");
        loopback.IsUp = true;
        loopback.Addresses.Add((IPAddress.Loopback, 8));
        loopback.Addresses.Add((IPAddress.IPv6Loopback, 128));
    }

    sealed class Interface(string name, int index, string place)
    {
        public string Name => name;
        public int Index => index;
        public string Place => place;
        public string? Master { get; set; }
        public List<(IPAddress Address, int Prefix)> Addresses { get; } = [];
        public Dictionary<IPAddress, IPAddress> Broadcasts { get; } = [];
        public List<(IPAddress Address, int Metric)> Gateways { get; } = [];
        public bool IsUp { get; set; }
    }

    public bool HasInterface(string name) => interfaces.ContainsKey(name);

    public IEnumerable<string> Uses => interfaces.Values.Where(i => i.Name != "lo").SelectMany(i =>
            i.Addresses.Select(a => $"address {a.Address}/{a.Prefix}{(i.Broadcasts.TryGetValue(a.Address, out var all) ? $" broadcast {all}" : "")} on {i.Name}")
                .Concat(i.Gateways.Select(g => $"default route by {g.Address} on {i.Name}"))
                .Concat(i.Master is null ? [] : [$"{i.Name} is a port of {i.Master}"]))
        .Concat(mounts.Select(m => $"mount {m.Device} on {m.Point}"))
        .Concat(swaps.Select(s => $"swap on {s}"));

    // ---- drivers come and go -----------------------------------------------------------------------------------------------------

    public void Bound(SimFunction function)
    {
        if (function.Driver is "pciback" or "vfio-pci" or "pci-stub")
            return;
        if (function.MacAddress is string mac)
        {
            var n = 0;
            while (interfaces.ContainsKey($"eth{n}"))
                n++;
            function.KernelName = $"eth{n}";
            AddInterface(function.KernelName, $"{function.Place}/net/{function.KernelName}", mac);
        }
        else if (function.Driver == "nvme")
        {
            AddDisk(function);
        }
    }

    public void Unbound(SimFunction function)
    {
        if (function.KernelName is not string name)
            return;
        function.KernelName = null;
        var place = sys.Make(function.Place);
        if (interfaces.Remove(name, out var gone))
        {
            sys.Make("class/net").Remove(name);
            place.Remove("net");
            if (gone.Master is string master)
                sys.Make($"devices/virtual/net/{master}/brif").Remove(name);
            return;
        }
        place.Remove("nvme");
        sys.Make("class/nvme").Remove(name[..name.LastIndexOf('n')]);
        foreach (var (disk, minor) in disks.Where(disk => disk.Disk == name || disk.Disk.StartsWith(name + "p", StringComparison.Ordinal)).ToList())
        {
            disks.Remove((disk, minor));
            sys.Make("class/block").Remove(disk);
            sys.Make("block").Remove(disk);
            sys.Make("dev/block").Remove($"259:{minor}");
            swaps.Remove($"/dev/{disk}");
        }
    }

    Interface AddInterface(string name, string place, string mac)
    {
        var index = nextIndex++;
        var added = new Interface(name, index, place);
        interfaces.Add(name, added);
        var directory = sys.Make(place);
        directory.Set("address", SimAttribute.Text(mac));
        directory.Set("ifindex", SimAttribute.Text($"{index}"));
        directory.Set("operstate", SimAttribute.Text(() => added.IsUp ? "up\n" : "down\n"));
        directory.Set("flags", SimAttribute.Text(() => added.IsUp ? "0x1003\n" : "0x1002\n"));
        directory.Set("type", SimAttribute.Text(name == "lo" ? "772" : "1"));
        directory.Set("mtu", SimAttribute.Text(name == "lo" ? "65536" : "1500"));
        directory.Set("subsystem", new SimLink($"{Up(place)}class/net"));
        if (!place.StartsWith("devices/virtual/", StringComparison.Ordinal))
            directory.Set("device", new SimLink($"../../../{place.Split('/')[^3]}"));
        sys.Make("class/net").Set(name, new SimLink($"../../{place}"));
        return added;
    }

    void AddDisk(SimFunction function)
    {
        var n = 0;
        while (sys.Make("class/nvme").Find($"nvme{n}") is not null)
            n++;
        var (controller, disk) = ($"nvme{n}", $"nvme{n}n1");
        function.KernelName = disk;
        var place = $"{function.Place}/nvme/{controller}";
        var directory = sys.Make(place);
        directory.Set("model", SimAttribute.Text("QEMU NVMe Ctrl                          "));
        directory.Set("serial", SimAttribute.Text("NVME0001            "));
        directory.Set("state", SimAttribute.Text("live"));
        directory.Set("transport", SimAttribute.Text("pcie"));
        directory.Set("device", new SimLink($"../../../{function.Address}"));
        directory.Set("subsystem", new SimLink($"{Up(place)}class/nvme"));
        sys.Make("class/nvme").Set(controller, new SimLink($"../../{place}"));
        AddBlock(disk, $"{place}/{disk}", partition: null);
        sys.Make($"{place}/{disk}").Set("device", new SimLink($"../../{controller}"));
        sys.Make("block").Set(disk, new SimLink($"../{place}/{disk}"));
        foreach (var partition in function.Partitions)
            AddBlock($"{disk}p{partition}", $"{place}/{disk}/{disk}p{partition}", partition);
    }

    void AddBlock(string name, string place, int? partition)
    {
        var minor = nextMinor++;
        disks.Add((name, minor));
        var directory = sys.Make(place);
        directory.Set("dev", SimAttribute.Text($"259:{minor}"));
        directory.Set("size", SimAttribute.Text("32768"));
        directory.Set("holders", new SimDirectory());
        directory.Set("subsystem", new SimLink($"{Up(place)}class/block"));
        if (partition is int number)
            directory.Set("partition", SimAttribute.Text($"{number}"));
        else
            directory.Set("slaves", new SimDirectory());
        sys.Make("class/block").Set(name, new SimLink($"../../{place}"));
        sys.Make("dev/block").Set($"259:{minor}", new SimLink($"../../{place}"));
    }

    static string Up(string place) => string.Concat(Enumerable.Repeat("../", place.AsSpan().Count('/') + 1));

    // ---- use --------------------------------------------------------------------------------------------------------------------

    public void AddAddress(string name, IPAddress address, int prefix, IPAddress? broadcast = null)
    {
        if (broadcast is not null)
            interfaces[name].Broadcasts[address] = broadcast;
        var addresses = interfaces[name].Addresses;
        if (!addresses.Contains((address, prefix)))
            addresses.Add((address, prefix));
        interfaces[name].IsUp = true;
    }

    public void RemoveAddress(string name, IPAddress address, int prefix) => interfaces[name].Addresses.Remove((address, prefix));

    public void AddDefaultRoute(string name, IPAddress gateway)
    {
        interfaces[name].IsUp = true;
        interfaces[name].Gateways.Add((gateway, 0));
    }

    // ---- what the program ip asks for: null, or why the kernel refuses -------------------------------------------------------------

    /// <summary>An interface that is switched off keeps its IPv4 addresses and loses its routes and its IPv6 addresses.</summary>
    public string? Switch(string name, bool on)
    {
        var one = interfaces[name];
        if (one.IsUp && !on)
        {
            one.Gateways.Clear();
            one.Addresses.RemoveAll(static address => address.Address.GetAddressBytes().Length == 16);
        }
        one.IsUp = on;
        return null;
    }

    public string? Flush(string name)
    {
        interfaces[name].Addresses.Clear();
        interfaces[name].Gateways.Clear();
        return null;
    }

    /// <param name="name">The interface.</param>
    /// <param name="text">Address and prefix length.</param>
    /// <param name="broadcast">The address that all of its network hear; null for none, <c>+</c> for the last one of the network.</param>
    public string? Give(string name, string text, string? broadcast)
    {
        if (text.Split('/') is not [var address, var prefix])
            return "Invalid argument";
        var given = (IPAddress.Parse(address), int.Parse(prefix, CultureInfo.InvariantCulture));
        if (interfaces[name].Addresses.Contains(given))
            return "File exists";
        interfaces[name].Addresses.Add(given);
        interfaces[name].Broadcasts.Remove(given.Item1);
        if (broadcast is not null)
            interfaces[name].Broadcasts[given.Item1] = broadcast == "+" ? Last(given.Item1, given.Item2) : IPAddress.Parse(broadcast);
        return null;

        static IPAddress Last(IPAddress address, int prefix) =>
            new(BinaryPrimitives.ReverseEndianness(BinaryPrimitives.ReadUInt32BigEndian(address.GetAddressBytes()) | (uint)(uint.MaxValue >> prefix)));
    }

    public string? Lead(string name, IPAddress gateway, int metric)
    {
        var one = interfaces[name];
        if (!one.IsUp)
            return "Network is down";
        if (!one.Addresses.Any(address => new IPNetwork(Base(address.Address, address.Prefix), address.Prefix).Contains(gateway)))
            return "Network is unreachable";
        if (one.Gateways.Contains((gateway, metric)))
            return "File exists";
        one.Gateways.Add((gateway, metric));
        return null;

        static IPAddress Base(IPAddress address, int prefix)
        {
            var bytes = address.GetAddressBytes();
            for (var bit = prefix; bit < bytes.Length * 8; bit++)
                bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
            return new IPAddress(bytes);
        }
    }

    public string? Join(string name, string master)
    {
        var wasUp = interfaces[name].IsUp;
        Enslave(name, master);
        interfaces[name].IsUp = wasUp;
        return null;
    }

    public string? Release(string name)
    {
        var port = interfaces[name];
        if (port.Master is string master)
        {
            sys.Make($"devices/virtual/net/{master}/brif").Remove(name);
            sys.Make(port.Place).Remove("master");
            sys.Make(port.Place).Remove("brport");
        }
        port.Master = null;
        return null;
    }

    /// <summary>Makes an interface a port of a bridge, which is made where needed.</summary>
    public void Enslave(string name, string bridge)
    {
        if (!interfaces.ContainsKey(bridge))
        {
            AddInterface(bridge, $"devices/virtual/net/{bridge}", "02:00:00:00:00:01");
            sys.Make($"devices/virtual/net/{bridge}/bridge").Set("bridge_id", SimAttribute.Text("8000.020000000001"));
        }
        var port = interfaces[name];
        port.Master = bridge;
        port.IsUp = true;
        sys.Make(port.Place).Set("master", new SimLink($"{Up(port.Place)}devices/virtual/net/{bridge}"));
        sys.Make($"{port.Place}/brport").Set("state", SimAttribute.Text("3"));
        sys.Make($"devices/virtual/net/{bridge}/brif").Set(name, new SimLink($"{Up($"devices/virtual/net/{bridge}/brif")}{port.Place}/brport"));
    }

    public void Mount(string device, string point, string type) => mounts.Add((device, point, type));

    public void Unmount(string point) => mounts.RemoveAll(mount => mount.Point == point);

    public void SwapOn(string device) => swaps.Add(device);

    public string MountTable
    {
        get
        {
            var text = new StringBuilder("1 1 0:2 / / rw - rootfs rootfs rw,size=1048576k\n20 1 0:19 / /sys rw,relatime - sysfs sys rw\n21 1 0:20 / /proc rw,relatime - proc proc rw\n22 1 0:5 / /dev rw,relatime - devtmpfs devtmpfs rw\n");
            var id = 30;
            foreach (var (device, point, type) in mounts)
                text.Append(CultureInfo.InvariantCulture, $"{id++} 1 {DeviceNumber(device)} / {point} rw,relatime shared:{id} - {type} {device} rw\n");
            return text.ToString();
        }
    }

    string DeviceNumber(string device) => disks.Find(disk => $"/dev/{disk.Disk}" == device) is { Disk: not null } found ? $"259:{found.Minor}" : "0:99";

    public string SwapTable => "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
        + string.Concat(swaps.Select(device => $"{device,-40}partition\t1048572\t\t0\t\t-2\n"));

    public string RouteTable
    {
        get
        {
            var text = new StringBuilder("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       \n");
            foreach (var i in interfaces.Values)
            {
                foreach (var (gateway, metric) in i.Gateways.Where(static gateway => gateway.Address.GetAddressBytes().Length == 4))
                    Line(i.Name, 0, Number(gateway), 3, 0, metric);
                foreach (var (address, prefix) in i.Addresses.Where(a => i.Name != "lo" && i.IsUp && a.Address.GetAddressBytes().Length == 4))
                {
                    var mask = BinaryPrimitives.ReverseEndianness(uint.MaxValue << (32 - prefix));
                    Line(i.Name, Number(address) & mask, 0, 1, mask);
                }
            }
            return text.ToString();

            void Line(string name, uint destination, uint gateway, int flags, uint mask, int metric = 0) => text.Append(
                $"{name}\t{destination:X8}\t{gateway:X8}\t{flags:X4}\t0\t0\t{metric}\t{mask:X8}\t0\t0\t0".PadRight(127)).Append('\n');

            static uint Number(IPAddress address) => BinaryPrimitives.ReadUInt32LittleEndian(address.GetAddressBytes());
        }
    }

    public string Route6Table => string.Concat(interfaces.Values.SelectMany(i => i.Gateways.Where(static gateway => gateway.Address.GetAddressBytes().Length == 16)
        .Select(gateway => $"{new string('0', 32)} 00 {new string('0', 32)} 00 {Convert.ToHexStringLower(gateway.Address.GetAddressBytes())} {(gateway.Metric == 0 ? 1024 : gateway.Metric):x8} 00000001 00000000 00000003 {i.Name,8}\n")));

    /// <summary>One RTM_NEWADDR message per address, with the attributes IFA_ADDRESS, and for IPv4 IFA_LOCAL, IFA_BROADCAST where there is one, and IFA_LABEL.</summary>
    public byte[] DumpAddresses()
    {
        const ushort NewAddress = 20, MultiPart = 2, IfaAddress = 1, IfaLocal = 2, IfaLabel = 3, IfaBroadcast = 4;
        using var all = new MemoryStream();
        foreach (var i in interfaces.Values.OrderBy(i => i.Index))
        {
            foreach (var (address, prefix) in i.Addresses)
            {
                var bytes = address.GetAddressBytes();
                var message = new byte[24];
                BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(4), NewAddress);
                BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(6), MultiPart);
                BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(8), 1);
                message[16] = (byte)(bytes.Length == 4 ? 2 : 10);
                message[17] = (byte)prefix;
                message[18] = 0x80;
                message[19] = (byte)(i.Name == "lo" ? 254 : 0);
                BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(20), i.Index);
                message = [.. message, .. Attribute(IfaAddress, bytes)];
                if (bytes.Length == 4)
                    message = [.. message, .. Attribute(IfaLocal, bytes), .. i.Broadcasts.TryGetValue(address, out var everybody) ? Attribute(IfaBroadcast, everybody.GetAddressBytes()) : [], .. Attribute(IfaLabel, Encoding.ASCII.GetBytes(i.Name + "\0"))];
                BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
                all.Write(message);
            }
        }
        return all.ToArray();

        static byte[] Attribute(ushort type, byte[] value)
        {
            var attribute = new byte[(4 + value.Length + 3) & ~3];
            BinaryPrimitives.WriteUInt16LittleEndian(attribute, (ushort)(4 + value.Length));
            BinaryPrimitives.WriteUInt16LittleEndian(attribute.AsSpan(2), type);
            value.CopyTo(attribute, 4);
            return attribute;
        }
    }
}
