using PciPass.Core;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>A driver of the simulated kernel: which functions it knows, and what it makes of them.</summary>
/// <param name="name">The name below <c>/sys/bus/pci/drivers</c>.</param>
/// <param name="knows">The driver's own table of ids.</param>
public sealed class SimDriver(string name, Func<SimFunction, bool> knows)
{
    public string Name => name;

    /// <summary>Whether it drives any function that <c>driver_override</c> gives it (vfio-pci, pci-stub); others look at what they got.</summary>
    public bool TakesAnything { get; init; }

    /// <summary>Whether it offers virtual functions (<c>sriov_numvfs</c>).</summary>
    public bool HasVirtualFunctions { get; init; }

    /// <summary>Whether it switches the virtual functions off when it goes. Not every driver does.</summary>
    public bool DisablesVirtualFunctions { get; init; }

    /// <summary>The error number with which its probe fails from now on; 0 when it works.</summary>
    public int ProbeError { get; set; }

    internal SimDirectory Directory { get; } = new();
    internal List<(ushort Vendor, ushort Device)> DynamicIds { get; } = [];

    internal bool KnowsIds(ushort vendor, ushort device) =>
        DynamicIds.Contains((vendor, device)) || knows(new SimFunction(default, new PciIds(vendor, device, 0, 0), default));

    internal bool Matches(SimFunction function)
    {
        if (function.DriverOverride is string only)
            return only == name;
        return DynamicIds.Contains((function.Ids.Vendor, function.Ids.Device)) || knows(function);
    }

    /// <summary>The driver's verdict on a function that matched: 0, or an error number.</summary>
    internal int Probe(SimFunction function)
    {
        if (ProbeError != 0)
            return ProbeError;
        return TakesAnything || knows(function) || DynamicIds.Contains((function.Ids.Vendor, function.Ids.Device)) ? 0 : Errno.ENODEV;
    }

    /// <summary>The drivers that a simulated kernel can have, by name.</summary>
    public static SimDriver Create(string name) => name switch
    {
        "pcieport" => new(name, static f => f.Class is { Base: 6, Sub: 4 }),
        "e1000" => new(name, static f => Is(f, 0x8086, 0x100e)),
        "e1000e" => new(name, static f => Is(f, 0x8086, 0x10d3)),
        "igb" => new(name, static f => Is(f, 0x8086, 0x10c9, 0x1521)) { HasVirtualFunctions = true, DisablesVirtualFunctions = true },
        "igbvf" => new(name, static f => Is(f, 0x8086, 0x10ca, 0x1520)),
        "bnx2" => new(name, static f => Is(f, 0x14e4, 0x1639, 0x164c)),
        "nvme" => new(name, static f => f.Class is { Base: 1, Sub: 8 }) { HasVirtualFunctions = true },
        "ahci" => new(name, static f => f.Class is { Base: 1, Sub: 6 }),
        "i801_smbus" => new(name, static f => Is(f, 0x8086, 0x2930)),
        "lpc_ich" => new(name, static f => Is(f, 0x8086, 0x2918)),
        "snd_hda_intel" => new(name, static f => f.Class is { Base: 4, Sub: 3 }),
        "xhci_hcd" => new(name, static f => f.Class is { Base: 0x0c, Sub: 3, Interface: 0x30 }),
        "vfio-pci" or "pci-stub" => new(name, static _ => false) { TakesAnything = true },
        _ => throw new ArgumentException($"no simulated driver is called {name}", nameof(name)),
    };

    static bool Is(SimFunction function, ushort vendor, params ReadOnlySpan<ushort> devices) =>
        function.Ids.Vendor == vendor && devices.Contains(function.Ids.Device);
}
