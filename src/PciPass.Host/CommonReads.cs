using PciPass.Core;

namespace PciPass.Host;

/// <summary>
/// What functions have in common, read once instead of for each: their bus's place in the tree, their driver, and which physical ones have
/// virtual ones. On a host of many functions nine tenths of a list's time are system calls, and these are the ones that can go.
/// </summary>
sealed class CommonReads
{
    const string Drivers = "/sys/bus/pci/drivers";

    /// <summary>A driver's folder costs four system calls, a link one: below this many functions for each driver the links are the cheaper way.</summary>
    const int FunctionsPerDriver = 8;

    readonly SysTree files;
    readonly Dictionary<(int Segment, int Bus), (string Path, PciAddress? Parent)> buses = [];
    readonly HashSet<PciAddress> virtuals = [];
    readonly Dictionary<string, DriverName>? drivers;

    /// <param name="files">The host's files.</param>
    /// <param name="functions">How many functions there are.</param>
    public CommonReads(SysTree files, int functions)
    {
        this.files = files;
        var names = files.List(Drivers);
        if (functions < names.Count * FunctionsPerDriver)
            return;
        drivers = new Dictionary<string, DriverName>(StringComparer.Ordinal);
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
    }

    /// <summary>Where a function is in the tree. All of one bus hang on that bus's bridge (pci_setup_device in drivers/pci/probe.c), so one link tells it for all.</summary>
    /// <returns>Null when the function went away.</returns>
    public (string Path, PciAddress? Parent)? PlaceOf(string folder, PciAddress address)
    {
        if (!buses.TryGetValue((address.Segment, address.Bus), out var bus))
        {
            if (files.ReadLink(folder) is not string link)
                return null;
            var (path, parent) = FunctionReader.ReadPath(link);
            if (path.LastIndexOf('/') is not (> 0 and var cut))
                return (path, parent);
            bus = buses[(address.Segment, address.Bus)] = (path[..cut], parent);
        }
        return ($"{bus.Path}/{address.Device:x2}.{address.Function}", bus.Parent);
    }

    /// <summary>
    /// Whether it is worth looking whether a function is a virtual one. Its ids then read as all ones; or its physical one, which comes
    /// before it, has just said that it is one of its own; or an ordinary user cannot know.
    /// </summary>
    public bool MayBeVirtual(PciAddress address, ConfigSpace config)
    {
        var (count, first, stride) = config.VirtualFunctions;
        var own = (address.Bus << 8) | (address.Device << 3) | address.Function;
        for (var (number, at) = (0, own + first); number < count && at <= ushort.MaxValue; number++, at += stride)
            virtuals.Add(new PciAddress(address.Segment, at >> 8, (at >> 3) & 0x1f, at & 7));
        return config.IsHeaderOnly || !config.Answers || virtuals.Contains(address);
    }

    /// <summary>A function's driver. What stands in no driver's folder is asked itself: a record of a host may lack those folders.</summary>
    public DriverName? DriverOf(string folder, string name) =>
        drivers is not null && drivers.TryGetValue(name, out var driver) ? driver : FunctionReader.ReadDriver(files, folder);
}
