namespace PciPass.Core;

/// <summary>
/// Devices that isolate without saying so, or say so in another way, as their makers told the kernel's developers
/// (Linux: pci_dev_acs_enabled in drivers/pci/quirks.c; the x86 part of it).
/// </summary>
public static class AccessControlQuirks
{
    const ushort Intel = 0x8086, Ati = 0x1002, Amd = 0x1022, Broadcom = 0x14e4, Solarflare = 0x1924, Zhaoxin = 0x1d17, Wangxun = 0x8088;

    /// <summary>Cards whose functions send nothing to each other.</summary>
    static readonly HashSet<(ushort, ushort)> ApartFunctions =
    [
        .. Of(Solarflare, 0x0903, 0x0923, 0x0a03),
        .. Of(Intel, 0x10c6, 0x10db, 0x10dd, 0x10e1, 0x10f1, 0x10f7, 0x10f8, 0x10f9, 0x10fa, 0x10fb, 0x10fc, 0x1507, 0x1514, 0x151c, 0x1529, 0x152a, 0x154d, 0x154f, 0x1551, 0x1558),
        .. Of(Intel, 0x1509, 0x150e, 0x150f, 0x1510, 0x1511, 0x1516, 0x1527),
        .. Of(Intel, 0x10c9, 0x10e6, 0x10e7, 0x10e8, 0x150a, 0x150d, 0x1518, 0x1526, 0x10a7, 0x10a9, 0x10d6),
        .. Of(Intel, 0x1521, 0x1522, 0x1523, 0x1524, 0x105e, 0x105f, 0x1060, 0x10d9, 0x15b7, 0x15b8),
        .. Of(0x19a2, 0x0710),
        .. Of(0x10df, 0x0720),
        .. Of(Broadcom, 0x16d7, 0x1750, 0x1751, 0x1752, 0x1760, 0x1761, 0x1762, 0x1763),
        .. Of(Zhaoxin, 0x3038, 0x3104, 0x9083),
    ];

    static readonly HashSet<(ushort, ushort)> AmdSouthbridge = [.. Of(Ati, 0x4385, 0x439c, 0x4383, 0x439d, 0x4384, 0x4399), .. Of(Amd, 0x780f, 0x7809)];

    /// <summary>Root ports of Intel's chipsets from Ibex Peak to Wellsburg: ranges of device ids.</summary>
    static readonly (ushort First, ushort Last)[] IntelRootPorts =
    [
        (0x3b42, 0x3b51), (0x1c10, 0x1c1f), (0x1e10, 0x1e1f), (0x8c10, 0x8c1f), (0x9c10, 0x9c1b), (0x9c90, 0x9c9b), (0x1d10, 0x1d1e), (0x8d10, 0x8d1e), (0x8c90, 0x8c9e),
    ];

    /// <summary>Root ports of Intel's 100 and 200 series: the control register is four bytes behind the capability, not two.</summary>
    static readonly (ushort First, ushort Last)[] WideRegisters = [(0xa110, 0xa11f), (0xa167, 0xa16a), (0xa290, 0xa29f), (0xa2e7, 0xa2ee), (0x9d10, 0x9d1b)];

    public static bool HasWideRegisters(PciIds ids) => ids.Vendor == Intel && Array.Exists(WideRegisters, range => ids.Device >= range.First && ids.Device <= range.Last);

    /// <summary>Whether a function is known to isolate whatever its capability says.</summary>
    public static bool Isolates(PciFunction function)
    {
        var (vendor, device) = (function.Ids.Vendor, function.Ids.Device);
        return ApartFunctions.Contains((vendor, device))
            || (function.IsMultiFunction && function.Parent is null && AmdSouthbridge.Contains((vendor, device)))
            || (vendor == Intel && function.ExpressType == PciExpressType.RootComplexEndpoint)
            || (vendor == Intel && function.ExpressType == PciExpressType.RootPort && Array.Exists(IntelRootPorts, range => device >= range.First && device <= range.Last))
            || (vendor == Zhaoxin && function.ExpressType is PciExpressType.RootPort or PciExpressType.DownstreamPort && device is (>= 0x0710 and <= 0x071e) or 0x0721 or (>= 0x0723 and <= 0x0732))
            || (vendor == Wangxun && device is (>= 0x0100 and <= 0x010f) or 0x1001 or 0x2001);
    }

    static IEnumerable<(ushort, ushort)> Of(ushort vendor, params ushort[] devices) => devices.Select(device => (vendor, device));
}
