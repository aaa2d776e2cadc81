using System.Buffers.Binary;
using PciPass.Core;

namespace PciPass.Sim;

/// <summary>A function of the simulated machine: what is wired, and what kernel and hypervisor make of it right now.</summary>
public sealed class SimFunction(PciAddress address, PciIds ids, PciClass @class)
{
    byte[]? config;

    public PciAddress Address => address;
    public PciIds Ids => ids;
    public PciClass Class => @class;

    /// <summary>0 an endpoint, 1 a PCI-to-PCI bridge, 2 a CardBus bridge.</summary>
    public byte HeaderType { get; init; }

    /// <summary>The bus right below a bridge.</summary>
    public byte SecondaryBus { get; init; }

    /// <summary>The highest bus below a bridge; 0 stands for <see cref="SecondaryBus"/>.</summary>
    public byte SubordinateBus { get; init; }

    /// <summary>Null for conventional PCI.</summary>
    public PciExpressType? ExpressType { get; init; }

    /// <summary>The Device Serial Number, where it has one (PCI Express only).</summary>
    public ulong? SerialNumber { get; init; }

    /// <summary>0 none, 1 to 4 for INTA to INTD.</summary>
    public byte InterruptPin { get; init; }

    public int Irq { get; init; }

    /// <summary>The size of its only BAR in bytes; 0 when it has none.</summary>
    public int BarSize { get; init; } = 0x20000;

    /// <summary>Whether it isolates what is behind or beside it (Access Control Services): decides about IOMMU groups.</summary>
    public bool Acs { get; init; }

    /// <summary>The ways in which the kernel can reset it (<c>reset_method</c>); empty when there is none.</summary>
    public string ResetMethods { get; init; } = "bus";

    /// <summary>The MAC address of its network port; null when it is no network card.</summary>
    public string? MacAddress { get; init; }

    /// <summary>Its partitions, when it is an NVMe disk: <c>1</c>, <c>2</c>.</summary>
    public IReadOnlyList<int> Partitions { get; init; } = [];

    /// <summary>How many virtual functions it can have; 0 without SR-IOV.</summary>
    public ushort TotalVfs { get; init; }

    /// <summary>The device id of its virtual functions.</summary>
    public ushort VfDevice { get; init; }

    /// <summary>The physical function of a virtual one.</summary>
    public SimFunction? PhysicalFunction { get; internal init; }

    /// <summary>The bridge above; null on a root bus.</summary>
    public SimFunction? Parent { get; internal set; }

    /// <summary>The name of the driver that has it; null when none has.</summary>
    public string? Driver { get; internal set; }

    /// <summary>What <c>driver_override</c> was set to; null when it is not set.</summary>
    public string? DriverOverride { get; internal set; }

    /// <summary>The IOMMU group on plain Linux with an IOMMU.</summary>
    public int? IommuGroup { get; internal set; }

    /// <summary>The network interface or disk that its driver made of it: <c>eth1</c>, <c>nvme0n1</c>.</summary>
    public string? KernelName { get; internal set; }

    /// <summary>How many virtual functions are switched on.</summary>
    public ushort NumVfs => (ushort)VirtualFunctions.Count;

    internal List<SimFunction> VirtualFunctions { get; } = [];
    internal bool DriversAutoprobe { get; set; } = true;
    internal bool IsBridge => HeaderType == 1;
    internal int DevFn => (address.Device << 3) | address.Function;

    /// <summary>The directory below /sys, without it: <c>devices/pci0000:00/0000:00:05.0/0000:09:00.0</c>.</summary>
    internal string Place => Parent is null ? $"devices/pci{address.Segment:x4}:{address.Bus:x2}/{address}" : $"{Parent.Place}/{address}";

    internal ulong BarStart => BarSize == 0 ? 0 : 0xfe000000ul + (ulong)((address.Bus << 16) | (DevFn << 8)) * 0x100;

    /// <summary>The configuration space: 4096 bytes for PCI Express, 256 else.</summary>
    internal byte[] Config => config ??= BuildConfig();

    byte[] BuildConfig()
    {
        var bytes = new byte[ExpressType is null ? 256 : 4096];
        var isVirtual = PhysicalFunction is not null;
        // The ids of a virtual function read as all ones (PCI Express Base Specification, 9.3.4.1): software takes the physical one's.
        Word(0x00, isVirtual ? (ushort)0xffff : ids.Vendor);
        Word(0x02, isVirtual ? (ushort)0xffff : ids.Device);
        Word(0x04, 0x0103);
        bytes[0x09] = @class.Interface;
        bytes[0x0a] = @class.Sub;
        bytes[0x0b] = @class.Base;
        bytes[0x0e] = (byte)(HeaderType | (IsMultiFunction ? 0x80 : 0));
        bytes[0x3d] = InterruptPin;
        bytes[0x3c] = (byte)Irq;
        if (HeaderType == 0)
        {
            Word(0x2c, ids.SubVendor);
            Word(0x2e, ids.SubDevice);
            if (BarSize != 0 && !isVirtual)
                BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(0x10), (uint)BarStart);
        }
        else
        {
            bytes[0x18] = (byte)address.Bus;
            bytes[0x19] = SecondaryBus;
            bytes[0x1a] = Math.Max(SubordinateBus, SecondaryBus);
        }

        if (ExpressType is PciExpressType type)
        {
            // Power management, MSI, PCI Express: the order in which most cards have them.
            bytes[0x34] = 0x40;
            bytes[0x06] |= 0x10;
            Capability(0x40, 0x01, 0x50);
            Capability(0x50, 0x05, 0x70);
            Capability(0x70, 0x10, 0);
            Word(0x72, (ushort)(0x2 | ((int)type << 4)));
            // Function level reset (device capabilities, bit 28).
            if (ResetMethods.StartsWith("flr", StringComparison.Ordinal))
                bytes[0x77] = 0x10;
            // "No_Soft_Reset": switching it off and on is then no reset.
            bytes[0x44] = (byte)(ResetMethods.Contains("pm", StringComparison.Ordinal) ? 0 : 8);
            List<Action<int>> extended = [];
            if (SerialNumber is ulong serial)
                extended.Add(at => { Extended(at, 0x0003); BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(at + 4), serial); });
            if (TotalVfs != 0)
            {
                extended.Add(at =>
                {
                    Extended(at, 0x0010);
                    Word(at + 0x0c, TotalVfs);
                    Word(at + 0x0e, TotalVfs);
                    Word(at + 0x14, 1);
                    Word(at + 0x16, 1);
                    Word(at + 0x1a, VfDevice);
                });
            }
            // What QEMU's root ports can, and what a dom0 switches on of it (seen in the lab).
            if (Acs && !isVirtual)
                extended.Add(at => { Extended(at, 0x000d); Word(at + 4, 0x5f); Word(at + 6, 0x1d); });
            for (var number = 0; number < extended.Count; number++)
            {
                var at = 0x100 + 0x40 * number;
                extended[number](at);
                if (number + 1 < extended.Count)
                    Word(at + 2, (ushort)(1 | ((at + 0x40) << 4)));
            }
        }
        return bytes;

        void Word(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(at), value);

        void Capability(int at, byte id, byte following)
        {
            bytes[at] = id;
            bytes[at + 1] = following;
        }

        void Extended(int at, ushort id) => BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at), id | 0x10000u);
    }

    /// <summary>Whether other functions share its device number; known once the machine is complete.</summary>
    internal bool IsMultiFunction { get; set; }

    public override string ToString() => address.ToString();
}
