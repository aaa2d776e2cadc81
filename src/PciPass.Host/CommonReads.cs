using PciPass.Core;

namespace PciPass.Host;

/// <summary>
/// What functions have in common, read once instead of for each: their bus's place in the tree, their driver, and which physical ones have
/// virtual ones. On a host of many functions most of a list's time are system calls, and these are the ones that can go.
/// </summary>
/// <param name="files">The folder of all functions.</param>
/// <param name="drivers">Each function's driver; null where they are asked themselves.</param>
sealed class CommonReads(SysFolder files, IReadOnlyDictionary<string, DriverName>? drivers)
{
    const string Drivers = "/sys/bus/pci/drivers";

    /// <summary>A driver's folder costs four system calls, a link one: below this many functions for each driver the links are the cheaper way.</summary>
    const int FunctionsPerDriver = 8;

    readonly HashSet<PciAddress> virtuals = [];
    (int Segment, int Bus) bus = (-1, -1);
    (string Path, PciAddress? Parent) place;

    /// <summary>The functions of each driver, from its folder; null where so few functions are quicker asked themselves.</summary>
    public static IReadOnlyDictionary<string, DriverName>? ReadDrivers(SysTree files, int functions)
    {
        var names = files.List(Drivers);
        if (functions < names.Count * FunctionsPerDriver)
            return null;
        var drivers = new Dictionary<string, DriverName>(functions, StringComparer.Ordinal);
        foreach (var name in names)
        {
            if (!DriverName.TryParse(name, out var driver))
                continue;
            // The kernel makes this link and the function's own together (driver_sysfs_add in drivers/base/dd.c).
            foreach (var entry in files.List($"{Drivers}/{name}"))
            {
                if (entry.Contains(':'))
                    drivers[entry] = driver;
            }
        }
        return drivers;
    }

    /// <summary>
    /// Where a function is in the tree. All of one bus hang on that bus's bridge (pci_setup_device in drivers/pci/probe.c), so one link tells
    /// it for all; they come one after the other.
    /// </summary>
    /// <returns>Null when the function went away.</returns>
    public (string Path, PciAddress? Parent)? PlaceOf(string entry, PciAddress address)
    {
        if (bus != (address.Segment, address.Bus))
        {
            if (files.ReadLink(entry, "") is not string link)
                return null;
            var (path, parent) = FunctionReader.ReadPath(link);
            if (path.LastIndexOf('/') is not (> 0 and var cut))
                return (path, parent);
            (bus, place) = ((address.Segment, address.Bus), (path[..cut], parent));
        }
        return ($"{place.Path}/{address.Device:x2}.{address.Function}", place.Parent);
    }

    /// <summary>Keeps which functions a physical one has just said to be its own.</summary>
    public void KeepVirtuals(PciAddress address, ConfigSpace config)
    {
        var (count, first, stride) = config.VirtualFunctions;
        var own = (address.Bus << 8) | (address.Device << 3) | address.Function;
        for (var (number, at) = (0, own + first); number < count && at <= ushort.MaxValue; number++, at += stride)
            virtuals.Add(new PciAddress(address.Segment, at >> 8, (at >> 3) & 0x1f, at & 7));
    }

    /// <summary>Whether a physical function, which comes before its virtual ones, has said that this is one of them.</summary>
    public bool IsVirtual(PciAddress address) => virtuals.Contains(address);

    /// <summary>A function's driver. What stands in no driver's folder is asked itself: a record of a host may lack those folders.</summary>
    public DriverName? DriverOf(string entry) =>
        drivers is not null && drivers.TryGetValue(entry, out var driver) ? driver : FunctionReader.ReadDriver(files, entry);
}
