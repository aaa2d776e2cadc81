using PciPass.Core;

namespace PciPass.Host;

/// <summary>The host's block devices, and which functions each of them stands on, through every stack that the kernel shows.</summary>
sealed class BlockDevices
{
    const string Class = "/sys/class/block";
    const int Deepest = 16;

    readonly SysTree files;
    readonly Dictionary<string, string> folders = new(StringComparer.Ordinal);
    readonly Dictionary<string, string> links = new(StringComparer.Ordinal);
    readonly Dictionary<string, IReadOnlyList<(PciAddress, string)>> below = new(StringComparer.Ordinal);

    public BlockDevices(SysTree files)
    {
        this.files = files;
        foreach (var name in files.List(Class))
        {
            if (files.ReadLink($"{Class}/{name}") is string link)
                (links[name], folders[name]) = (link, $"{Class}/{name}");
        }
        if (links.Count == 0)
            ReadOldKernel();
    }

    /// <summary>Before 2.6.26 the devices are directories below /sys/block, partitions inside their disk, each with a link to the device.</summary>
    void ReadOldKernel()
    {
        foreach (var disk in files.List("/sys/block"))
        {
            var link = files.ReadLink($"/sys/block/{disk}/device") ?? "";
            (links[disk], folders[disk]) = ($"{link}/{disk}", $"/sys/block/{disk}");
            foreach (var part in files.List($"/sys/block/{disk}").Where(name => name.StartsWith(disk, StringComparison.Ordinal)))
                (links[part], folders[part]) = ($"{link}/{disk}/{part}", $"/sys/block/{disk}/{part}");
        }
    }

    public IEnumerable<string> Names => links.Keys;

    /// <summary>The functions below a device with the kernel's name of what lies on each: <c>nvme0n1p2</c>.</summary>
    public IReadOnlyList<(PciAddress Function, string Name)> FunctionsBelow(string name) => FunctionsBelow(name, 0);

    /// <summary>The functions that a device itself is a disk or a partition of; none for those that stand on others.</summary>
    public IReadOnlyList<PciAddress> FunctionsOf(string name) => links.TryGetValue(name, out var link) ? KernelNames.FunctionsBehind(files, link) : [];

    /// <summary>A device by its number.</summary>
    public string? ByNumber(int major, int minor) => files.ReadLink($"/sys/dev/block/{major}:{minor}") is string link ? LastPart(link) : folders.Keys.FirstOrDefault(name => !IsInClass(name) && NumberOf(name) == $"{major}:{minor}");

    bool IsInClass(string name) => folders[name].StartsWith(Class, StringComparison.Ordinal);

    /// <summary>A device by its path below /dev, following the names that device mapper and udev give; null for what is none.</summary>
    public string? ByPath(string path)
    {
        if (!path.StartsWith("/dev/", StringComparison.Ordinal))
            return null;
        var name = files.ReadLink(path) is string target ? LastPart(target) : path[5..].Replace('/', '!');
        return links.ContainsKey(name) ? name : OfMapper(path);
    }

    /// <summary>Without udev, and on old systems, what lies in /dev/mapper are devices by device mapper's own names, no links (seen in the lab).</summary>
    string? OfMapper(string path) => path.StartsWith("/dev/mapper/", StringComparison.Ordinal)
        ? links.Keys.FirstOrDefault(name => name.StartsWith("dm-", StringComparison.Ordinal) && files.ReadText($"{folders[name]}/dm/name") == path["/dev/mapper/".Length..])
        : null;

    /// <summary>What stands right on a device: device mapper, md, bcache.</summary>
    public IReadOnlyList<string> HoldersOf(string name) => folders.TryGetValue(name, out var folder) ? files.List($"{folder}/holders") : [];

    /// <summary>What a loop device reads from; null for others.</summary>
    public string? LoopFile(string name) => name.StartsWith("loop", StringComparison.Ordinal) && folders.TryGetValue(name, out var folder) ? files.ReadText($"{folder}/loop/backing_file") : null;

    public bool IsPartition(string name) => files.Exists($"{folders[name]}/partition") || (!IsInClass(name) && folders[name].Count(letter => letter == '/') > 3);

    /// <summary>The disk that a partition is on; the device itself where it is none.</summary>
    public string DiskOf(string name) => links.TryGetValue(name, out var link) && IsPartition(name) && link.Split('/') is [.., var disk, _] ? disk : name;

    /// <summary>Whether bcache has it, as a cache or as what is cached (drivers/md/bcache/sysfs.c).</summary>
    public bool IsInCache(string name) => files.Exists($"{folders[name]}/bcache");

    /// <summary>The device's number as <c>major:minor</c>.</summary>
    public string? NumberOf(string name) => files.ReadText($"{folders[name]}/dev");

    IReadOnlyList<(PciAddress Function, string Name)> FunctionsBelow(string name, int depth)
    {
        if (below.TryGetValue(name, out var known))
            return known;
        if (depth > Deepest || !links.TryGetValue(name, out var link))
            return [];
        var own = KernelNames.FunctionsBehind(files, link);
        List<(PciAddress, string)> found = [.. own.Select(function => (function, name))];
        if (own.Count == 0)
        {
            foreach (var slave in files.List($"{folders[name]}/slaves"))
                found.AddRange(FunctionsBelow(slave, depth + 1));
            if (LoopFile(name) is string file && ByPath(file) is string device)
                found.AddRange(FunctionsBelow(device, depth + 1));
        }
        return below[name] = found;
    }

    static string LastPart(string path) => path[(path.LastIndexOf('/') + 1)..];
}
