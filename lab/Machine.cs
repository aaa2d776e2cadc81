using System.Collections.Immutable;

namespace PciPass.Lab;

/// <summary>The description of a machine: everything a boot depends on, apart from the images.</summary>
public sealed record Machine
{
    /// <summary>What runs on it.</summary>
    public required MachineKind Kind { get; init; }

    /// <summary>Its PCI devices.</summary>
    public required Topology Topology { get; init; }

    /// <summary>Its memory in MiB. dom0 has 768 of it, a guest of the images 256.</summary>
    public int Memory { get; init; } = 2048;

    /// <summary>Whether its IOMMU, where it has one, remaps interrupts too.</summary>
    public bool HasInterruptRemapping { get; init; } = true;

    /// <summary>Kernel modules that dom0 loads before its native drivers.</summary>
    public ImmutableArray<string> Modules { get; init; } = [];

    /// <summary>Further words for the command line of dom0's kernel, or of Linux.</summary>
    public string KernelArguments { get; init; } = "";

    /// <summary>A folder that keeps the disks from one boot to the next; without it, each boot gets them empty.</summary>
    public string? DiskFolder { get; init; }

    /// <summary>The initramfs of a distribution's own making that starts it; null for the lab's own, which has no drivers before dom0's.</summary>
    public Initramfs? Initramfs { get; init; }

    /// <summary>Whether it can run guests of its own by QEMU (<c>lab-qemu</c>).</summary>
    public bool HasQemu { get; init; }

    /// <summary>Whether libvirt is there to run them (<c>lab-libvirt</c>).</summary>
    public bool HasLibvirt { get; init; }

    /// <summary>Whether Xen has a device model there, and so runs fully virtualised guests (HVM).</summary>
    public bool HasDeviceModel { get; init; }

    /// <summary>Whether systemd starts it, with the unit of pcipass' package.</summary>
    public bool HasSystemd { get; init; }

    /// <summary>Whether it can be reached by ssh and reach others (<c>lab-ssh</c>).</summary>
    public bool HasSsh { get; init; }

    /// <summary>The archives laid over the image, in their order.</summary>
    internal IEnumerable<string> Overlays
    {
        get
        {
            (bool Has, string Name)[] all = [(HasQemu, "kvm"), (HasLibvirt, "libvirt"), (HasDeviceModel, "hvm"), (HasSystemd, "systemd"), (HasSsh, "ssh")];
            return all.Where(overlay => overlay.Has).Select(overlay => overlay.Name);
        }
    }

    /// <summary>Files laid over the image.</summary>
    public ImmutableArray<MachineFile> Files { get; init; } = [];

    /// <summary>
    /// Xen with network cards at 0000:09:00.0 and 0000:08:00.0 and an NVMe disk at 0000:07:00.0, each alone below its own root port.
    /// </summary>
    public static Machine Demo { get; } =
        new()
        {
            Kind = MachineKind.Xen,
            Topology = Topology
                .Empty.NineRootPorts()
                .NetworkCard("e1000e", "rp9", "0", "52:54:00:09:00:00")
                .NetworkCard("e1000e", "rp8", "0", "52:54:00:08:00:00")
                .NvmeDisk("rp7", "NVME0001", 16 << 20),
            Modules = ["xen-pciback"],
        };

    /// <summary>
    /// The demo's machine, and behind three more root ports an NVMe disk with two virtual functions (0a:00.0), a function on a conventional
    /// bus (0c:01.0), and a network card of two functions (0d:00.0, 0d:00.1).
    /// </summary>
    public static Machine Contract { get; } =
        Demo with
        {
            Topology = Demo
                .Topology.RootPort("virtual", "6.0")
                .RootPort("old", "7.0")
                .RootPort("double", "8.0")
                .NvmeDisk("virtual", "NVME000A", 16 << 20, virtualFunctions: 2)
                .ConventionalBridge("conventional", "old")
                .SharedMemory("conventional", "1.0")
                .NetworkCard("e1000e", "double", "0.0", "52:54:00:0d:00:00", multifunction: true)
                .NetworkCard("e1000e", "double", "0.1", "52:54:00:0d:00:01"),
        };

    /// <summary>The same devices below Linux alone, with VFIO.</summary>
    public static Machine ContractLinux { get; } =
        Contract with
        {
            Kind = MachineKind.Linux,
            Modules = ["vfio-pci"],
            Memory = 1024,
        };

    /// <summary>
    /// The demo's machine with a disk so slow that its driver lets go of it only after minutes, when there is something to write; and a
    /// kernel that has the patience for it.
    /// </summary>
    public static Machine SlowDisk { get; } =
        Demo with
        {
            Topology = Topology
                .Empty.NineRootPorts()
                .NetworkCard("e1000e", "rp9", "0", "52:54:00:09:00:00")
                .NvmeDisk("rp7", "NVME0001", 16 << 20, writesPerSecond: 96 << 10),
            KernelArguments = "nvme_core.io_timeout=600",
        };

    /// <summary>The demo's machine without an IOMMU.</summary>
    public static Machine DemoWithoutIommu { get; } = Demo with { Kind = MachineKind.XenWithoutIommu };

    /// <summary>The demo's machine with an IOMMU that lets interrupts pass unchecked.</summary>
    public static Machine DemoWithoutInterruptRemapping { get; } = Demo with { HasInterruptRemapping = false };

    /// <summary>Linux alone, with VFIO and three disks that can make 86 virtual functions each.</summary>
    public static Machine Many { get; } =
        new()
        {
            Kind = MachineKind.Linux,
            Topology = Topology
                .Empty.NineRootPorts()
                .NvmeDisk("rp7", "NVME0007", 16 << 20, virtualFunctions: 86)
                .NvmeDisk("rp8", "NVME0008", 16 << 20, virtualFunctions: 86)
                .NvmeDisk("rp9", "NVME0009", 16 << 20, virtualFunctions: 86),
            Modules = ["vfio-pci"],
            KernelArguments = "pci=realloc",
        };

    /// <summary>The demo's devices below Linux alone.</summary>
    public static Machine DemoLinux { get; } = Demo with { Kind = MachineKind.Linux, Modules = [], Memory = 1024 };

    /// <summary>The contract's devices below Linux alone, which runs guests by QEMU.</summary>
    public static Machine Kvm { get; } = ContractLinux with { HasQemu = true, Memory = 1536 };

    /// <summary>The same with libvirt, whose files the start holds in memory.</summary>
    public static Machine Libvirt { get; } = Kvm with { HasLibvirt = true, Memory = 2304 };

    /// <summary>The demo's machine with libvirt in dom0, which runs guests by Xen.</summary>
    public static Machine LibvirtXen { get; } = Demo with { HasLibvirt = true };

    /// <summary>The demo's machine with a device model, which runs fully virtualised guests.</summary>
    public static Machine Hvm { get; } = Demo with { HasDeviceModel = true, Memory = 2560 };

    /// <summary>
    /// Xen with what the demo has not: a card of two functions (01:00.0, 01:00.1), two cards behind a conventional bridge (03:01.0, 03:02.0),
    /// an NVMe disk with two virtual functions (04:00.0, and 04:00.1 and 04:00.2 once they are made), a USB controller (05:00.0), a function
    /// without interrupt pin or driver on the root bus (00:10.0), and a card on a second root bus, whose number needs hexadecimal digits
    /// (3b:00.0).
    /// </summary>
    public static Machine Rich { get; } =
        new()
        {
            Kind = MachineKind.Xen,
            Topology = Topology
                .Empty.RootPort("card", "2.0")
                .RootPort("old", "2.1")
                .RootPort("disk", "2.2")
                .RootPort("usb", "2.3")
                .RootBus("far", 0x3a)
                .RootPort("remote", "0.0", "far")
                .NetworkCard("e1000e", "card", "0.0", "52:54:00:01:00:00", multifunction: true)
                .NetworkCard("e1000e", "card", "0.1", "52:54:00:01:00:01")
                .ConventionalBridge("conventional", "old")
                .NetworkCard("e1000", "conventional", "1", "52:54:00:03:01:00")
                .NetworkCard("e1000", "conventional", "2", "52:54:00:03:02:00")
                .NvmeDisk("disk", "NVME0004", 16 << 20, virtualFunctions: 2)
                .UsbController("usb")
                .SharedMemory("pcie.0", "10.0")
                .NetworkCard("e1000e", "remote", "0", "52:54:00:3b:00:00"),
            Modules = ["xen-pciback"],
        };

    /// <summary>
    /// Linux alone with what hosts build their stacks on: NVMe disks (01:00.0, 02:00.0), network cards (03:00.0, 04:00.0), a USB controller
    /// with a keyboard and a disk (05:00.0), a SATA controller with a disk (00:1f.2), a watchdog (07:01.0) and a serial card (07:02.0)
    /// behind a conventional bridge, and a graphics card (00:10.0).
    /// </summary>
    public static Machine Stacks { get; } =
        new()
        {
            Kind = MachineKind.Linux,
            Memory = 1024,
            Topology = Topology
                .Empty.RootPort("first", "2.0")
                .RootPort("second", "2.1")
                .RootPort("left", "2.2")
                .RootPort("right", "2.3")
                .RootPort("usb", "2.4")
                .RootPort("old", "2.5")
                .NvmeDisk("first", "NVME0001", 48 << 20)
                .NvmeDisk("second", "NVME0002", 48 << 20)
                .NetworkCard("e1000e", "left", "0", "52:54:00:03:00:00")
                .NetworkCard("e1000e", "right", "0", "52:54:00:04:00:00")
                .UsbController("usb")
                .UsbKeyboard()
                .UsbDisk("USB0001", 16 << 20)
                .SataDisk("SATA0001", 16 << 20)
                .ConventionalBridge("conventional", "old")
                .Other("i6300esb,bus=conventional,addr=1")
                .Other("pci-serial,bus=conventional,addr=2")
                .Other("VGA,bus=pcie.0,addr=10"),
        };

    /// <summary>The modules that <see cref="Stacks"/> has beyond the image's.</summary>
    public static readonly ImmutableArray<string> StackModules =
    [
        "dm-crypt", "dm-snapshot", "usb-storage", "sd_mod", "ahci", "usbhid", "hid-generic", "ipvlan", "i6300esb", "overlay",
    ];

    /// <summary>QEMU's arguments for the machine itself, without its images, disks and serial ports.</summary>
    public ImmutableArray<string> Arguments
    {
        get
        {
            // With SMAP on, dom0 dies at its first return to user space under QEMU 7.2; SMEP and PKU go with it.
            var processor = Kind == MachineKind.Linux ? "max" : "max,-smap,-smep,-pku";
            ImmutableArray<string> arguments =
            [
                .. "-nodefaults -display none -monitor none -no-reboot -accel tcg,thread=multi -smp 2".Split(' '),
                "-cpu",
                processor,
                "-m",
                $"{Memory}M",
            ];
            // The IOMMU must be made before the devices behind it.
            arguments = HasIommu
                ? [.. arguments, .. $"-machine q35,kernel-irqchip=split -device intel-iommu,intremap={(HasInterruptRemapping ? "on" : "off")},caching-mode=on".Split(' ')]
                : [.. arguments, "-machine", "q35"];
            return [.. arguments, .. Topology.Arguments];
        }
    }

    /// <summary>QEMU's arguments that start the kernel.</summary>
    /// <param name="images">The images.</param>
    /// <param name="initrd">dom0's image, with the overlay behind it.</param>
    internal ImmutableArray<string> BootArguments(Images images, string initrd)
    {
        // compat: the root ports' own services (hot-plug, AER) would only take time. panic: a dead machine ends QEMU, and so the boot.
        var kernel = "quiet mitigations=off pcie_ports=compat panic=-1";
        if (Modules.Length > 0)
        {
            kernel += $" lab.modules={string.Join(',', Modules)}";
        }
        kernel = $"{kernel} {(Initramfs is null ? "" : Initramfs == Lab.Initramfs.Dracut ? "root=lab init=/init " : "boot=lab init=/init ")}{KernelArguments}".TrimEnd();
        if (Kind == MachineKind.Linux)
        {
            // The kernel's check of its timer counts instructions against it, and panics where QEMU has to wait for a processor (seen here). Its
            // search for memory to make huge pages of has stood still in emulation, and with it the machine (a soft lockup of khugepaged, seen here).
            return ["-kernel", images.Kernel, "-initrd", initrd, "-append", $"console=ttyS0 no_timer_check transparent_hugepage=never intel_iommu=on iommu=nopt {kernel}"];
        }
        var xen = "console=com1 com1=115200,8n1 dom0_mem=768M,max:768M dom0_max_vcpus=1 dom0_vcpus_pin sched=credit spec-ctrl=no xpti=no";
        // QEMU's multiboot loader takes Xen as the kernel, and in -initrd the modules, separated by commas: so commas within are doubled.
        return
        [
            "-kernel",
            images.Xen,
            "-append",
            $"{xen} iommu={(HasIommu ? "on" : "off")}",
            "-initrd",
            $"{Doubled($"{images.Kernel} console=hvc0 {kernel}")},{Doubled(initrd)}",
        ];
    }

    bool HasIommu => Kind != MachineKind.XenWithoutIommu;

    static string Doubled(string text) => text.Replace(",", ",,", StringComparison.Ordinal);
}
