using System.Collections.Immutable;

namespace PciPass.Lab;

/// <summary>
/// The PCI devices of a machine, as QEMU's arguments, in the order of their making. Every method returns a new topology with one device
/// more. QEMU's own ids name the buses: "pcie.0" is the root bus, and a bridge's id names the bus below it.
/// </summary>
public sealed record Topology
{
    /// <summary>The chipset's own functions and nothing else.</summary>
    public static readonly Topology Empty = new();

    Topology() { }

    /// <summary>QEMU's arguments.</summary>
    public ImmutableArray<string> Arguments { get; private init; } = [];

    /// <summary>The disks, by QEMU's drive id. Each boot gets them empty.</summary>
    public ImmutableSortedDictionary<string, Disk> Disks { get; private init; } = ImmutableSortedDictionary<string, Disk>.Empty;

    /// <summary>A PCI Express root port. Buses are numbered in the order of the ports' addresses.</summary>
    /// <param name="id">QEMU's id, also the name of the bus below.</param>
    /// <param name="address">Device and function on the bus above, "4.0".</param>
    /// <param name="bus">The bus above.</param>
    public Topology RootPort(string id, string address, string bus = "pcie.0")
    {
        var function = address.Split('.') is [_, var text] ? text : "0";
        var chassis = Arguments.Count(argument => argument.StartsWith("pcie-root-port", StringComparison.Ordinal)) + 1;
        return Device($"pcie-root-port,id={id},bus={bus},chassis={chassis},addr={address}{(function == "0" ? ",multifunction=on" : "")}");
    }

    /// <summary>Nine root ports, rp1 to rp9, with the buses 01 to 09 below them.</summary>
    public Topology NineRootPorts()
    {
        var topology = this;
        for (var port = 1; port <= 8; port++)
        {
            topology = topology.RootPort($"rp{port}", $"4.{port - 1}");
        }
        return topology.RootPort("rp9", "5.0");
    }

    /// <summary>A second root bus with a number of its own.</summary>
    public Topology RootBus(string id, byte number) => Device($"pxb-pcie,id={id},bus_nr={number},bus=pcie.0");

    /// <summary>A PCI Express to PCI bridge: what is behind it shares one requester id, and so one IOMMU group.</summary>
    public Topology ConventionalBridge(string id, string bus) => Device($"pcie-pci-bridge,id={id},bus={bus}");

    /// <summary>An Intel network card that answers pings at 10.0.2.2, on a network of its own.</summary>
    /// <param name="model">"e1000e" (PCI Express) or "e1000" (conventional PCI).</param>
    /// <param name="bus">The bus above.</param>
    /// <param name="address">Device and function, "0" or "0.1".</param>
    /// <param name="mac">The card's address.</param>
    /// <param name="multifunction">Whether further functions follow at the same device number.</param>
    public Topology NetworkCard(string model, string bus, string address, string mac, bool multifunction = false)
    {
        var id = $"net-{bus}-{address}";
        var option = multifunction ? ",multifunction=on" : "";
        return With("-netdev", $"user,id={id}").Device($"{model},netdev={id},bus={bus},addr={address},mac={mac}{option}");
    }

    /// <summary>A network card that leads to another machine, and nowhere else.</summary>
    /// <param name="bus">The bus above.</param>
    /// <param name="address">Device and function.</param>
    /// <param name="mac">The card's address.</param>
    /// <param name="socket">A Unix socket: the way from one QEMU to the other.</param>
    /// <param name="listens">Whether this machine makes the socket: it is started first.</param>
    public Topology CableTo(string bus, string address, string mac, string socket, bool listens) =>
        With("-netdev", $"stream,id=cable,server={(listens ? "on" : "off")},addr.type=unix,addr.path={socket}").Device($"e1000e,netdev=cable,bus={bus},addr={address},mac={mac}");

    /// <summary>An NVMe disk.</summary>
    /// <param name="bus">The bus above.</param>
    /// <param name="serial">Its serial number.</param>
    /// <param name="size">Its size in bytes.</param>
    /// <param name="virtualFunctions">How many virtual functions it can make.</param>
    /// <param name="writesPerSecond">The bytes that it writes in a second; 0 for as fast as it can.</param>
    public Topology NvmeDisk(string bus, string serial, long size, int virtualFunctions = 0, int writesPerSecond = 0)
    {
        var disk = $"disk-{serial}";
        var topology = this with { Disks = Disks.Add(disk, new Disk(size, writesPerSecond)) };
        if (virtualFunctions == 0)
        {
            return topology.Device($"nvme,drive={disk},serial={serial},bus={bus},addr=0");
        }
        // QEMU wants a subsystem, and queues and interrupts that it can give to the virtual functions.
        var flexible = $"sriov_vq_flexible={virtualFunctions * 2},sriov_vi_flexible={virtualFunctions}";
        return topology
            .Device($"nvme-subsys,id=subsystem-{serial}")
            .Device(
                $"nvme,serial={serial},bus={bus},addr=0,subsys=subsystem-{serial},sriov_max_vfs={virtualFunctions},{flexible},"
                    + $"max_ioqpairs={2 + (virtualFunctions * 2)},msix_qsize={2 + virtualFunctions}"
            )
            .Device($"nvme-ns,drive={disk},shared=false,nsid=1");
    }

    /// <summary>A USB controller; what hangs on it names its bus ID.0.</summary>
    public Topology UsbController(string bus, string id = "hub") => Device($"qemu-xhci,id={id},bus={bus},addr=0");

    /// <summary>A memory device without an interrupt pin and without any driver.</summary>
    public Topology SharedMemory(string bus, string address) =>
        With("-object", "memory-backend-ram,id=shared-memory,size=1M,share=on")
            .Device($"ivshmem-plain,memdev=shared-memory,bus={bus},addr={address}");

    /// <summary>A disk on the chipset's own SATA controller, 00:1f.2.</summary>
    public Topology SataDisk(string serial, long size)
    {
        var disk = $"disk-{serial}";
        return (this with { Disks = Disks.Add(disk, new Disk(size, 0)) }).Device($"ide-hd,bus=ide.0,drive={disk},serial={serial}");
    }

    /// <summary>A keyboard on a USB controller.</summary>
    /// <param name="controller">The controller's bus: "hub.0".</param>
    public Topology UsbKeyboard(string controller = "hub.0") => Device($"usb-kbd,bus={controller}");

    /// <summary>A disk on a USB controller.</summary>
    /// <param name="serial">Its serial number.</param>
    /// <param name="size">Its size in bytes.</param>
    /// <param name="controller">The controller's bus.</param>
    public Topology UsbDisk(string serial, long size, string controller = "hub.0")
    {
        var disk = $"disk-{serial}";
        return (this with { Disks = Disks.Add(disk, new Disk(size, 0)) }).Device($"usb-storage,bus={controller},drive={disk},serial={serial}");
    }

    /// <summary>A device by QEMU's own words: "i6300esb,bus=pcie.0,addr=11".</summary>
    public Topology Other(string words) => Device(words);

    Topology Device(string text) => With("-device", text);

    Topology With(string option, string text) => this with { Arguments = [.. Arguments, option, text] };
}
