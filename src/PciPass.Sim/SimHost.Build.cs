using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Sim;

// How a simulated machine is put together, and what happens when it is switched on.
public sealed partial class SimHost
{
    readonly List<string> drivers = [];
    string? hide = "";
    bool pcibackFirst = true;
    bool iommu = true;
    bool remapping = true;
    Action<SimHost>? initramfs;

    /// <summary>A machine with Xen, an IOMMU and xen-pciback, still without any function.</summary>
    public static SimHost Xen() => new(xen: true);

    /// <summary>A machine with plain Linux, an IOMMU and vfio-pci, still without any function.</summary>
    public static SimHost Linux() => new SimHost(xen: false) { hide = null }.WithDrivers("vfio-pci");

    /// <summary>
    /// The machine of the demonstration: QEMU's q35 with nine root ports, a network card at 0000:09:00.0 and one at 0000:08:00.0, an NVMe
    /// disk at 0000:07:00.0; Xen with its IOMMU, xen-pciback with empty slots, the paravirtualised guests web1 and db1 running, and plain1 configured,
    /// which cannot get functions.
    /// </summary>
    public static SimHost Demo() => Xen().WithCardsOfTheDemo().WithGuestsOfTheDemo().Boot();

    /// <summary>The functions of the demonstration's machine.</summary>
    public SimHost WithCardsOfTheDemo()
    {
        WithDrivers("e1000", "e1000e", "nvme").With("00:00.0", "8086:29c0", "060000", subsystem: "1af4:1100");
        for (var port = 1; port <= 9; port++)
            WithRootPort(port < 9 ? $"00:04.{port - 1}" : "00:05.0", port);
        return With("00:1f.0", "8086:2918", "060100", subsystem: "1af4:1100")
            .With("00:1f.2", "8086:2922", "010601", subsystem: "1af4:1100", pin: 1)
            .With("00:1f.3", "8086:2930", "0c0500", subsystem: "1af4:1100", pin: 1)
            .WithNvme("07:00.0")
            .WithNetworkCard("08:00.0", "52:54:00:08:00:00")
            .WithNetworkCard("09:00.0", "52:54:00:09:00:00");
    }

    /// <summary>The guests of the demonstration: web1 and db1 running, and plain1, which cannot get functions.</summary>
    public SimHost WithGuestsOfTheDemo() =>
        WithGuest(new GuestPlan("web1"))
            .WithGuest(new GuestPlan("db1"))
            .WithGuest(new GuestPlan("plain1") { Passthrough = false, E820Host = false, Autostart = false });

    /// <summary>
    /// The functions of the demonstration, and behind three more root ports an NVMe disk with virtual functions, a function on a
    /// conventional bus, and a network card of two functions.
    /// </summary>
    public SimHost WithCardsOfTheContract() =>
        WithCardsOfTheDemo()
            .WithRootPort("00:06.0", 0x0a)
            .WithRootPort("00:07.0", 0x0b, lastBus: 0x0c)
            .WithRootPort("00:08.0", 0x0d)
            .WithNvme("0a:00.0", virtualFunctions: 2)
            .WithPciBridge("0b:00.0", 0x0c)
            .With("0c:01.0", "1af4:1110", "050000", subsystem: "1af4:1100")
            .WithNetworkCard("0d:00.0", "52:54:00:0d:00:00")
            .WithNetworkCard("0d:00.1", "52:54:00:0d:00:01");

    public SimHost WithIommu(bool present)
    {
        iommu = present;
        return this;
    }

    /// <summary>Drivers that are loaded at boot, in this order (see <see cref="SimDriver.Create"/>).</summary>
    public SimHost WithDrivers(params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            drivers.Add(name);
        return this;
    }

    /// <summary>xen-pciback's parameter <c>hide=</c>.</summary>
    /// <param name="list"><c>(0000:09:00.0)(0a:04.*)</c>.</param>
    /// <param name="first">Whether pciback is loaded before the native drivers; else they win, and the list only fills the slots.</param>
    public SimHost WithHiddenAtBoot(string list, bool first = true)
    {
        hide = list;
        pcibackFirst = first;
        return this;
    }

    /// <summary>The IOMMU confines DMA, but not interrupts.</summary>
    public SimHost WithoutInterruptRemapping()
    {
        remapping = false;
        return this;
    }

    public SimHost WithoutPciback()
    {
        hide = null;
        return this;
    }

    /// <summary>What the initramfs does at each start: before pciback and the native drivers are loaded.</summary>
    public SimHost WithInitramfs(Action<SimHost> early)
    {
        initramfs = early;
        return this;
    }

    /// <summary>Takes a function out of the machine, as of the next start.</summary>
    public SimHost Without(string address)
    {
        wired.RemoveAll(function => function.Address == PciAddress.Parse(address));
        return this;
    }

    /// <summary>Any function.</summary>
    public SimHost With(SimFunction function)
    {
        wired.Add(function);
        return this;
    }

    /// <summary>A conventional function.</summary>
    /// <param name="address"><c>00:1f.3</c>.</param>
    /// <param name="ids"><c>8086:2930</c>.</param>
    /// <param name="classCode"><c>0c0500</c>.</param>
    /// <param name="subsystem">The board's ids.</param>
    /// <param name="pin">The interrupt pin, 0 to 4.</param>
    public SimHost With(string address, string ids, string classCode, string subsystem = "0000:0000", byte pin = 0) =>
        With(new SimFunction(PciAddress.Parse(address), Ids(ids, subsystem), Class(classCode)) 
        {
            InterruptPin = pin,
            Irq = pin == 0 ? 0 : 16 + pin,
            // A function on the root bus has no bridge whose bus could be reset.
            ResetMethods = PciAddress.Parse(address).Bus == 0 ? "" : "bus",
        });

    /// <summary>A PCI Express root port with the given bus below.</summary>
    public SimHost WithRootPort(string address, int bus, int lastBus = 0, bool acs = true) =>
        With(new SimFunction(PciAddress.Parse(address), Ids("1b36:000c", "0000:0000"), Class("060400"))
        {
            HeaderType = 1,
            SecondaryBus = (byte)bus,
            SubordinateBus = (byte)lastBus,
            ExpressType = PciExpressType.RootPort,
            InterruptPin = 1,
            Irq = 24 + bus,
            Acs = acs,
            BarSize = 0x1000,
        });

    /// <summary>A PCI-Express-to-PCI bridge with a conventional bus below.</summary>
    public SimHost WithPciBridge(string address, int bus) =>
        With(new SimFunction(PciAddress.Parse(address), Ids("1b36:000e", "0000:0000"), Class("060400"))
        {
            HeaderType = 1,
            SecondaryBus = (byte)bus,
            ExpressType = PciExpressType.ExpressToPciBridge,
            InterruptPin = 1,
            BarSize = 0,
        });

    /// <summary>A network card of the kind that the driver e1000e takes, or of other ids.</summary>
    public SimHost WithNetworkCard(string address, string mac, string ids = "8086:10d3", string subsystem = "8086:0000") =>
        With(new SimFunction(PciAddress.Parse(address), Ids(ids, subsystem), Class("020000"))
        {
            ExpressType = PciExpressType.Endpoint,
            InterruptPin = 1,
            Irq = 16 + PciAddress.Parse(address).Bus,
            MacAddress = mac,
            SerialNumber = Serial(mac),
            ResetMethods = "pm bus",
        });

    /// <summary>A network card with virtual functions, for the driver igb.</summary>
    public SimHost WithSriovCard(string address, string mac, ushort totalVfs = 7) =>
        With(new SimFunction(PciAddress.Parse(address), Ids("8086:10c9", "8086:a03c"), Class("020000"))
        {
            ExpressType = PciExpressType.Endpoint,
            InterruptPin = 1,
            Irq = 16 + PciAddress.Parse(address).Bus,
            MacAddress = mac,
            SerialNumber = Serial(mac),
            ResetMethods = "flr bus",
            TotalVfs = totalVfs,
            VfDevice = 0x10ca,
            Acs = true,
        });

    /// <summary>An NVMe disk, with partitions where asked for.</summary>
    public SimHost WithNvme(string address, params int[] partitions) => WithNvme(address, virtualFunctions: 0, partitions);

    /// <summary>An NVMe disk that can have virtual functions.</summary>
    public SimHost WithNvme(string address, ushort virtualFunctions, params int[] partitions) =>
        With(new SimFunction(PciAddress.Parse(address), Ids("1b36:0010", "1af4:1100"), Class("010802"))
        {
            ExpressType = PciExpressType.Endpoint,
            InterruptPin = 1,
            Irq = 16 + PciAddress.Parse(address).Bus,
            Partitions = partitions,
            ResetMethods = "flr bus",
            TotalVfs = virtualFunctions,
            VfDevice = 0x0010,
        });

    /// <summary>A guest, with its configuration file below /etc/xen.</summary>
    public SimHost WithGuest(GuestPlan guest)
    {
        plans[guest.Name] = guest;
        var text = new StringBuilder($"name = \"{guest.Name}\"\ntype = \"{(guest.Type == GuestType.Unknown ? "pv" : guest.Type.ToString().ToLowerInvariant())}\"\nmemory = 256\n");
        if (guest.Passthrough)
            text.Append("passthrough = \"enabled\"\n");
        if (guest.E820Host)
            text.Append("e820_host = 1\n");
        if (guest.Functions.Count > 0)
            text.Append(CultureInfo.InvariantCulture, $"pci = [ {string.Join(", ", guest.Functions.Select(static function => $"\"{function}\""))} ]\n");
        tree.Put($"/etc/xen/{guest.Name}.cfg", Encoding.UTF8.GetBytes(text.ToString()));
        if (BootNumber > 0 && guest.Autostart)
            StartGuest(guest.Name);
        return this;
    }

    /// <summary>A guest of QEMU that is started when the machine has started.</summary>
    public SimHost WithQemu(QemuPlan plan)
    {
        qemuPlans.Add(plan);
        if (BootNumber > 0)
            StartQemu(plan);
        return this;
    }

    /// <summary>libvirtd runs, with its driver for QEMU or, in dom0, for Xen, and has these guests defined.</summary>
    public SimHost WithLibvirt(params ReadOnlySpan<string> guests)
    {
        Libvirt = new SimLibvirt(this);
        foreach (var guest in guests)
            Libvirt.Define(guest);
        return this;
    }

    /// <summary>Switches the machine on; done by itself before the first operation.</summary>
    public SimHost Boot()
    {
        if (BootNumber == 0)
            Start(lost: false, torn: 0);
        return this;
    }

    /// <summary>Restarts the machine in an orderly way: what was written is on disk, all else begins anew.</summary>
    public void Reboot() => Start(lost: false, torn: 0);

    /// <summary>Cuts the power and switches it on again: what was not flushed is lost.</summary>
    /// <param name="torn">How many bytes of what was not flushed reached the disk all the same, per file.</param>
    public void PowerLoss(int torn = 0) => Start(lost: true, torn);

    void Start(bool lost, int torn)
    {
        BootNumber++;
        StartProcess();
        Clock.Clear();
        kernelLog.Clear();
        detached.Clear();
        pcibackLog.Clear();
        bootedAt = Clock.Elapsed;
        messages.Clear();
        Say("Linux version 6.1.0-56-amd64 (debian-kernel@lists.debian.org)");
        Iommu.Reset();
        Iommu.Present = iommu;
        Store.Reset();
        guests.Clear();
        backends.Clear();
        qemus.Clear();
        nextDomId = 1;
        tree.Restart(lost, torn);
        MakeKernelFiles();
        Names = new SimNames(tree.Root.Make("sys"));
        Pci = new SimPci(tree.Root, Names, wired, Iommu);
        Wire();
        foreach (var function in wired)
            Pci.Add(function);
        initramfs?.Invoke(this);
        StartProcess();
        if (pcibackFirst)
            LoadPciback();
        foreach (var driver in drivers.Distinct(StringComparer.Ordinal))
            LoadDriver(driver);
        LoadPciback();
        if (Libvirt is not null)
            tree.Root.Make("var/lib/libvirt/qemu/save");
        foreach (var plan in qemuPlans)
            StartQemu(plan);
        if (!IsXen)
            return;
        Store.Write("/local/domain/0/name", "Domain-0");
        Store.Write("/local/domain/0/domid", "0");
        Store.MakeDirectory("/libxl");
        Store.MakeDirectory("/vm");
        tree.Root.Make("var/lib/xen/save");
        tree.Put("/var/lib/xen/userdata-d.0.00000000-0000-0000-0000-000000000000.libxl-json", "{ \"domid\": 4294967295, \"c_info\": { \"type\": \"pv\", \"name\": \"Domain-0\" }, \"b_info\": {} }\0"u8.ToArray());
        foreach (var plan in plans.Values.Where(static plan => plan.Autostart))
            StartGuest(plan.Name);
    }

    void LoadPciback()
    {
        if (IsXen && hide is not null && Pciback is null)
            Pci.LoadPciback(hide);
    }

    void LoadDriver(string name)
    {
        if (Pci.FindDriver(name) is null)
            Pci.Load(SimDriver.Create(name));
    }

    /// <summary>modprobe of the drivers that hold functions for guests; pciback loads in dom0 alone.</summary>
    SimProcess Modprobe(IReadOnlyList<string> modules)
    {
        switch (modules)
        {
            case ["xen-pciback"] when IsXen:
                hide ??= "";
                LoadPciback();
                return SimProcess.Ended(new ProgramResult(Pciback is null ? 1 : 0, "", ""));
            case ["vfio-pci"]:
                LoadDriver("vfio-pci");
                return SimProcess.Ended(new ProgramResult(0, "", ""));
            case [var name] when IsInstalled(name):
                return new SimProcess(_ => Load(name, load: true), changesSomething: true);
            case ["-r", var name] when loadedModules.Contains(name.Replace('-', '_')):
                return new SimProcess(_ => Load(name, load: false), changesSomething: true);
            default:
                return SimProcess.Ended(new ProgramResult(1, "", $"modprobe: FATAL: Module {string.Join(' ', modules)} not found in directory /lib/modules/6.1.0\n"));
        }
    }

    /// <summary>depmod's list names it (modules.dep(5)); - and _ are one to the kernel.</summary>
    bool IsInstalled(string module) => (tree.ReadText("/lib/modules/6.1.0/modules.dep") ?? "").Split('\n')
        .Any(line => line.Split(':')[0].Replace('-', '_').Contains($"/{module.Replace('-', '_')}.ko", StringComparison.Ordinal));

    IEnumerable<TimeSpan> Load(string name, bool load)
    {
        yield return TimeSpan.FromMilliseconds(20);
        var module = name.Replace('-', '_');
        loadedModules.Remove(module);
        tree.Root.Make("sys/module").Remove(module);
        if (!load)
            yield break;
        loadedModules.Add(module);
        tree.Root.Make($"sys/module/{module}");
    }

    /// <summary>Finds out what the machine's structure says: bridges above, slots that are shared, IOMMU groups.</summary>
    void Wire()
    {
        foreach (var function in wired)
        {
            function.Driver = function.DriverOverride = function.KernelName = null;
            function.VirtualFunctions.Clear();
            function.DriversAutoprobe = true;
            function.IommuGroup = null;
            function.Parent = wired.Find(bridge => bridge.IsBridge && bridge.Address.Segment == function.Address.Segment && bridge.SecondaryBus == function.Address.Bus);
            function.IsMultiFunction = wired.Exists(other => other != function && IsSibling(other, function));
        }
        if (IsXen || !iommu)
            return;
        // One requester cannot be told from another behind a PCI-Express-to-PCI bridge, nor functions that talk past the IOMMU.
        var groups = 0;
        foreach (var function in wired.OrderBy(static function => function.Address))
        {
            var host = Ancestors(function).LastOrDefault(bridge => bridge.ExpressType == PciExpressType.ExpressToPciBridge
                || (bridge.ExpressType is null && bridge.Parent is not null) || (!bridge.Acs && bridge.ExpressType == PciExpressType.RootPort));
            function.IommuGroup = host?.IommuGroup
                ?? (function.Acs ? null : wired.Find(other => other.IommuGroup is not null && !other.Acs && IsSibling(other, function))?.IommuGroup)
                ?? groups++;
        }
    }

    static IEnumerable<SimFunction> Ancestors(SimFunction function)
    {
        for (var bridge = function.Parent; bridge is not null; bridge = bridge.Parent)
            yield return bridge;
    }

    static bool IsSibling(SimFunction one, SimFunction other) =>
        one.Address.Segment == other.Address.Segment && one.Address.Bus == other.Address.Bus && one.Address.Device == other.Address.Device;

    void MakeKernelFiles()
    {
        var (sys, proc) = (tree.Root.Make("sys"), tree.Root.Make("proc"));
        tree.Root.Make("dev").Set("kmsg", new SimAttribute(null, line =>
        {
            kernelLog.Add(line.TrimEnd('\n'));
            return 0;
        }));
        proc.Make("sys/kernel/random").Set("boot_id", SimAttribute.Text($"00000000-0000-4000-8000-{BootNumber:x12}"));
        proc.Make("self").Set("mountinfo", SimAttribute.Text(() => Names.MountTable));
        loadedModules.Clear();
        proc.Set("modules", SimAttribute.Text(() => string.Concat(loadedModules.Select(module => $"{module} 16384 0 - Live 0x0000000000000000\n"))));
        proc.Make("sys/kernel").Set("osrelease", SimAttribute.Text("6.1.0"));
        proc.Set("uptime", SimAttribute.Text(() => string.Create(CultureInfo.InvariantCulture, $"{Uptime.TotalSeconds:0.00} 0.00\n")));
        proc.Set("swaps", SimAttribute.Text(() => Names.SwapTable));
        proc.Make("net").Set("route", SimAttribute.Text(() => Names.RouteTable));
        proc.Make("net").Set("ipv6_route", SimAttribute.Text(() => Names.Route6Table));
        proc.Set("iomem", SimAttribute.Text(() => SimFirmware.Ranges(Pci.Functions, IsRoot)));
        proc.Set("cmdline", SimAttribute.Text("console=hvc0"));
        if (iommu)
        {
            var name = IsXen ? "RMAD" : "DMAR";
            sys.Make("firmware/acpi/tables").Set(name, new SimAttribute(() => IsRoot ? SimFirmware.TableOfIommus(name, remapping) : throw new HostFailure("open", $"/sys/firmware/acpi/tables/{name}", Errno.EACCES)));
        }
        if (!IsXen)
        {
            if (iommu)
                sys.Make("class/iommu").Set("dmar0", new SimLink("../../devices/virtual/iommu/dmar0"));
            proc.Set("interrupts", SimAttribute.Text($"           CPU0\n  9:          0  {(iommu && remapping ? "IR-" : "")}IO-APIC   9-fasteoi   acpi"));
            return;
        }
        proc.Make("xen").Set("capabilities", SimAttribute.Text("control_d"));
        var hypervisor = sys.Make("hypervisor");
        hypervisor.Set("type", SimAttribute.Text("xen"));
        hypervisor.Set("uuid", SimAttribute.Text("00000000-0000-0000-0000-000000000000"));
        hypervisor.Set("guest_type", SimAttribute.Text("PV"));
        hypervisor.Make("version").Set("major", SimAttribute.Text("4"));
        hypervisor.Make("version").Set("minor", SimAttribute.Text("17"));
        hypervisor.Make("version").Set("extra", SimAttribute.Text(".7"));
        tree.Put("/usr/share/misc/pci.ids", Encoding.UTF8.GetBytes(PciIdsExcerpt));
    }

    // The simulated cards' names, as the PCI ID Project has them.
    const string PciIdsExcerpt = """
        14e4  Broadcom Inc. and subsidiaries
        	1639  NetXtreme II BCM5709 Gigabit Ethernet
        	164c  NetXtreme II BCM5708 Gigabit Ethernet
        1b36  Red Hat, Inc.
        	000c  QEMU PCIe Root port
        	000e  QEMU PCIe-to-PCI bridge
        	0010  QEMU NVM Express Controller
        8086  Intel Corporation
        	100e  82540EM Gigabit Ethernet Controller
        	10c9  82576 Gigabit Network Connection
        	10ca  82576 Virtual Function
        	10d3  82574L Gigabit Network Connection
        	2918  82801IB (ICH9) LPC Interface Controller
        	2922  82801IR/IO/IH (ICH9R/DO/DH) 6 port SATA Controller [AHCI mode]
        	2930  82801I (ICH9 Family) SMBus Controller
        	29c0  82G33/G31/P35/P31 Express DRAM Controller

        """;

    // How QEMU's network cards make a serial number of a MAC address: ff:ff goes into its middle.
    static ulong Serial(string mac)
    {
        var b = Convert.FromHexString(mac.Replace(":", "", StringComparison.Ordinal));
        return BinaryPrimitives.ReadUInt64BigEndian([b[0], b[1], b[2], 0xff, 0xff, b[3], b[4], b[5]]);
    }

    static PciIds Ids(string ids, string subsystem) => new(Half(ids, 0), Half(ids, 5), Half(subsystem, 0), Half(subsystem, 5));

    static ushort Half(string text, int at) => ushort.Parse(text.AsSpan(at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    static PciClass Class(string code) => new(Convert.FromHexString(code)[0], Convert.FromHexString(code)[1], Convert.FromHexString(code)[2]);
}
