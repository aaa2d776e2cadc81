using System.Globalization;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>
/// The kernel's PCI bus with its drivers, and their directories in sysfs (drivers/base/bus.c, drivers/base/dd.c,
/// drivers/pci/pci-driver.c, drivers/pci/iov.c of Linux 6.1).
/// </summary>
sealed class SimPci
{
    readonly SimDirectory root;
    readonly SimDirectory sys;
    readonly SimDirectory devices;
    readonly SimDirectory driversDirectory;
    readonly SimNames names;
    readonly IReadOnlyList<SimFunction> wired;
    readonly SimIommu iommu;
    readonly SortedDictionary<PciAddress, SimFunction> functions = [];
    readonly Dictionary<string, SimFunction> byName = new(StringComparer.Ordinal);
    readonly List<SimDriver> drivers = [];

    /// <param name="root">The root directory.</param>
    /// <param name="names">What drivers make of their functions.</param>
    /// <param name="wired">What a scan of the buses finds, bridges before what is behind them.</param>
    /// <param name="iommu">Xen's view of the functions.</param>
    public SimPci(SimDirectory root, SimNames names, IReadOnlyList<SimFunction> wired, SimIommu iommu)
    {
        this.root = root;
        this.names = names;
        this.wired = wired;
        this.iommu = iommu;
        sys = root.Make("sys");
        devices = sys.Make("bus/pci/devices");
        driversDirectory = sys.Make("bus/pci/drivers");
        var bus = sys.Make("bus/pci");
        bus.Set("drivers_probe", new SimAttribute(null, value => Named(value) is SimFunction function ? Attach(function) : Errno.ENODEV));
        bus.Set("drivers_autoprobe", SimAttribute.Text("1"));
        bus.Set("rescan", new SimAttribute(null, Rescan));
    }

    public IEnumerable<SimFunction> Functions => functions.Values;

    public IReadOnlyList<SimDriver> Drivers => drivers;

    public SimPciback? Pciback { get; private set; }

    public SimFunction? Find(PciAddress address) => functions.GetValueOrDefault(address);

    SimFunction? Named(string value) => byName.GetValueOrDefault(value.EndsWith('\n') ? value[..^1] : value);

    // ---- functions -------------------------------------------------------------------------------------------------------------

    /// <summary>The kernel found a function; drivers are asked later.</summary>
    public void Add(SimFunction function)
    {
        functions.Add(function.Address, function);
        byName.Add(function.Address.ToString(), function);
        var directory = sys.Make(function.Place);
        devices.Set(function.Address.ToString(), new SimLink($"../../../{function.Place}"));
        var (ids, c) = (function.Ids, function.Class);
        directory.Set("config", new SimAttribute(() => function.Config));
        directory.Set("vendor", SimAttribute.Text($"0x{ids.Vendor:x4}"));
        directory.Set("device", SimAttribute.Text($"0x{ids.Device:x4}"));
        directory.Set("subsystem_vendor", SimAttribute.Text($"0x{ids.SubVendor:x4}"));
        directory.Set("subsystem_device", SimAttribute.Text($"0x{ids.SubDevice:x4}"));
        directory.Set("class", SimAttribute.Text($"0x{c}"));
        directory.Set("revision", SimAttribute.Text("0x00"));
        directory.Set("irq", SimAttribute.Text($"{function.Irq}"));
        directory.Set("numa_node", SimAttribute.Text("-1"));
        directory.Set("modalias", SimAttribute.Text(
            $"pci:v{ids.Vendor:X8}d{ids.Device:X8}sv{ids.SubVendor:X8}sd{ids.SubDevice:X8}bc{c.Base:X2}sc{c.Sub:X2}i{c.Interface:X2}"));
        directory.Set("resource", SimAttribute.Text(() => Resources(function)));
        directory.Set("enable", SimAttribute.Text(() => function.Driver is null or "pciback" ? "0\n" : "1\n"));
        directory.Set("driver_override", SimAttribute.Text(() => $"{function.DriverOverride ?? "(null)"}\n", value => SetOverride(function, value)));
        directory.Set("subsystem", new SimLink($"{Up(function.Place)}bus/pci"));
        directory.Set("remove", new SimAttribute(null, _ => RemoveFromBus(function)));
        if (function.ResetMethods.Length > 0 && !function.IsBridge)
        {
            directory.Set("reset", new SimAttribute(null, static value => value.Trim() == "1" ? 0 : Errno.EINVAL));
            directory.Set("reset_method", SimAttribute.Text(function.ResetMethods));
        }
        if (function.IommuGroup is int group)
        {
            directory.Set("iommu_group", new SimLink($"{Up(function.Place)}kernel/iommu_groups/{group}"));
            sys.Make($"kernel/iommu_groups/{group}/devices").Set(function.Address.ToString(), new SimLink($"../../../../{function.Place}"));
        }
        if (function.PhysicalFunction is SimFunction physical)
            directory.Set("physfn", new SimLink($"../{physical.Address}"));
        if (function.TotalVfs != 0)
        {
            directory.Set("sriov_totalvfs", SimAttribute.Text($"{function.TotalVfs}"));
            directory.Set("sriov_vf_device", SimAttribute.Text($"{function.VfDevice:x}"));
            directory.Set("sriov_offset", SimAttribute.Text("1"));
            directory.Set("sriov_stride", SimAttribute.Text("1"));
            directory.Set("sriov_numvfs", SimAttribute.Text(() => $"{function.NumVfs}\n", value => SetNumVfs(function, value)));
            directory.Set("sriov_drivers_autoprobe", SimAttribute.Text(() => function.DriversAutoprobe ? "1\n" : "0\n", value =>
            {
                if (value.Trim() is not ("0" or "1"))
                    return Errno.EINVAL;
                function.DriversAutoprobe = value.Trim() == "1";
                return 0;
            }));
        }
    }

    /// <summary>The kernel forgets a function, as when it is pulled out.</summary>
    public void Remove(SimFunction function)
    {
        Unbind(function);
        function.DriverOverride = null;
        // dom0's kernel tells Xen (PHYSDEVOP_pci_device_remove), and once more when the function is back: then dom0 owns it.
        iommu.Forget(function.Address);
        functions.Remove(function.Address);
        byName.Remove(function.Address.ToString());
        devices.Remove(function.Address.ToString());
        if (function.IommuGroup is int group)
            sys.Make($"kernel/iommu_groups/{group}/devices").Remove(function.Address.ToString());
        sys.Make(function.Place).Parent!.Remove(function.Address.ToString());
    }

    /// <summary>Finds what is wired and not known, and offers it to the drivers. What is known stays as it is, driver or none.</summary>
    int Rescan(string value)
    {
        if (!int.TryParse(value.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var yes))
            return Errno.EINVAL;
        if (yes == 0)
            return 0;
        var found = wired.Where(function => Find(function.Address) is null).ToList();
        foreach (var function in found)
            Add(function);
        foreach (var function in found)
            Attach(function);
        return 0;
    }

    int RemoveFromBus(SimFunction function)
    {
        foreach (var below in functions.Values.Where(other => other.Parent == function || other.PhysicalFunction == function).ToList())
            RemoveFromBus(below);
        function.VirtualFunctions.Clear();
        Remove(function);
        return 0;
    }

    static string Resources(SimFunction function)
    {
        var text = function.BarSize == 0 ? "" : $"0x{function.BarStart:x16} 0x{function.BarStart + (ulong)function.BarSize - 1:x16} 0x0000000000040200\n";
        var lines = (function.IsBridge ? 17 : 13) - (function.BarSize == 0 ? 0 : 1);
        return text + string.Concat(Enumerable.Repeat("0x0000000000000000 0x0000000000000000 0x0000000000000000\n", lines));
    }

    static string Up(string place) => string.Concat(Enumerable.Repeat("../", place.AsSpan().Count('/') + 1));

    static int SetOverride(SimFunction function, string value)
    {
        if (value.Length >= 4095)
            return Errno.EINVAL;
        var end = value.IndexOf('\n');
        var name = end < 0 ? value : value[..end];
        function.DriverOverride = name.Length == 0 ? null : name;
        return 0;
    }

    int SetNumVfs(SimFunction function, string value)
    {
        if (!ushort.TryParse(value.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var count))
            return Errno.EINVAL;
        if (count > function.TotalVfs)
            return Errno.ERANGE;
        if (count == function.NumVfs)
            return 0;
        if (drivers.Find(driver => driver.Name == function.Driver) is not { HasVirtualFunctions: true })
            return Errno.ENOENT;
        if (count == 0)
            return function.VirtualFunctions.Exists(vf => vf.Driver == "pciback") ? Errno.EPERM : DropVfs(function);
        if (function.NumVfs != 0)
            return Errno.EBUSY;
        for (var n = 1; n <= count; n++)
        {
            var at = function.DevFn + n;
            var address = new PciAddress(function.Address.Segment, function.Address.Bus + (at >> 8), (at >> 3) & 0x1f, at & 7);
            var vf = new SimFunction(address, function.Ids with { Device = function.VfDevice }, function.Class)
            {
                ExpressType = function.ExpressType,
                PhysicalFunction = function,
                Parent = function.Parent,
                BarSize = 0,
                Acs = true,
                MacAddress = function.MacAddress is null ? null : $"02:00:00:00:{address.Bus:x2}:{at & 0xff:x2}",
                ResetMethods = function.ResetMethods,
                IommuGroup = function.IommuGroup is null ? null : functions.Values.Max(other => other.IommuGroup) + 1,
            };
            function.VirtualFunctions.Add(vf);
            Add(vf);
            sys.Make(function.Place).Set($"virtfn{n - 1}", new SimLink($"../{address}"));
            Attach(vf);
        }
        return 0;
    }

    int DropVfs(SimFunction function)
    {
        for (var n = function.NumVfs - 1; n >= 0; n--)
        {
            sys.Make(function.Place).Remove($"virtfn{n}");
            Remove(function.VirtualFunctions[n]);
        }
        function.VirtualFunctions.Clear();
        return 0;
    }

    // ---- drivers ---------------------------------------------------------------------------------------------------------------

    /// <summary>Loads a driver and offers it every function that has none.</summary>
    public void Load(SimDriver driver)
    {
        drivers.Add(driver);
        if (driver.Name == "vfio-pci")
            root.Make("dev/vfio").Set("vfio", SimAttribute.Text(""));
        var directory = driversDirectory.Set(driver.Name, driver.Directory);
        directory.Set("bind", new SimAttribute(null, value => Named(value) is SimFunction function && driver.Matches(function) ? Bind(driver, function) : Errno.ENODEV));
        directory.Set("unbind", new SimAttribute(null, value =>
        {
            if (Named(value) is not SimFunction function || function.Driver != driver.Name)
                return Errno.ENODEV;
            Unbind(function);
            return 0;
        }));
        directory.Set("new_id", new SimAttribute(null, value => NewId(driver, value)));
        directory.Set("remove_id", new SimAttribute(null, value =>
            TryIds(value, out var id) ? driver.DynamicIds.Remove(id) ? 0 : Errno.ENODEV : Errno.EINVAL));
        directory.Set("uevent", new SimAttribute(null, static _ => 0));
        foreach (var function in functions.Values)
        {
            if (function.Driver is null && driver.Matches(function))
                Bind(driver, function);
        }
    }

    /// <summary>Loads pciback.</summary>
    /// <param name="hide">The module's parameter.</param>
    public void LoadPciback(string hide)
    {
        var pciback = new SimPciback(this);
        if (!pciback.Hide(hide))
            return;
        Pciback = pciback;
        Load(pciback.Driver);
    }

    public SimDriver? FindDriver(string name) => drivers.Find(driver => driver.Name == name);

    int NewId(SimDriver driver, string value)
    {
        if (!TryIds(value, out var id))
            return Errno.EINVAL;
        if (driver.KnowsIds(id.Vendor, id.Device))
            return Errno.EEXIST;
        driver.DynamicIds.Add(id);
        foreach (var function in functions.Values)
        {
            if (function.Driver is null && driver.Matches(function))
                Bind(driver, function);
        }
        return 0;
    }

    static bool TryIds(string value, out (ushort Vendor, ushort Device) ids)
    {
        ids = default;
        var words = value.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 2 || !ushort.TryParse(words[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var vendor)
            || !ushort.TryParse(words[1], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var device))
            return false;
        ids = (vendor, device);
        return true;
    }

    /// <summary>Asks the drivers in turn, in the order they were loaded; it is no error when none wants it.</summary>
    int Attach(SimFunction function)
    {
        if (function.Driver is null)
        {
            foreach (var driver in drivers)
            {
                if (driver.Matches(function) && Bind(driver, function) == 0)
                    break;
            }
        }
        return 0;
    }

    int Bind(SimDriver driver, SimFunction function)
    {
        if (function.Driver is not null)
            return Errno.EBUSY;
        // Virtual functions are left alone while their physical function says so, unless the override names the driver.
        if (function.PhysicalFunction is { DriversAutoprobe: false } && function.DriverOverride is null)
            return Errno.ENODEV;
        var error = driver == Pciback?.Driver && driver.ProbeError == 0 ? Pciback!.Probe(function) : driver.Probe(function);
        if (error != 0)
            return error;
        function.Driver = driver.Name;
        sys.Make(function.Place).Set("driver", new SimLink($"{Up(function.Place)}bus/pci/drivers/{driver.Name}"));
        driver.Directory.Set(function.Address.ToString(), new SimLink($"../../../../{function.Place}"));
        names.Bound(function);
        ShowGroup(function);
        return 0;
    }

    void Unbind(SimFunction function)
    {
        if (function.Driver is null)
            return;
        var driver = FindDriver(function.Driver)!;
        // pciback lets go of the virtual functions of a physical function that loses its driver.
        foreach (var vf in function.VirtualFunctions.Where(vf => vf.Driver == "pciback" && Pciback!.ExportedTo(vf.Address) is null).ToList())
            Unbind(vf);
        if (driver.DisablesVirtualFunctions)
            DropVfs(function);
        names.Unbound(function);
        if (driver == Pciback?.Driver)
            Pciback!.Removed(function);
        function.Driver = null;
        sys.Make(function.Place).Remove("driver");
        driver.Directory.Remove(function.Address.ToString());
        ShowGroup(function);
    }

    /// <summary>A group has a node as long as vfio-pci has one of its functions (drivers/vfio/vfio_main.c).</summary>
    void ShowGroup(SimFunction function)
    {
        if (function.IommuGroup is not int group)
            return;
        if (functions.Values.Any(other => other.IommuGroup == group && other.Driver == "vfio-pci"))
            root.Make("dev/vfio").Set($"{group}", SimAttribute.Text(""));
        else
            root.Make("dev/vfio").Remove($"{group}");
    }
}
