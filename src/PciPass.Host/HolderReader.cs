using System.Globalization;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>A process that has a device node of a function open.</summary>
/// <param name="ProcessId">The process.</param>
/// <param name="Name">Its name as the kernel keeps it (<c>/proc/PID/comm</c>, at most 15 characters).</param>
/// <param name="Node">What it has open: <c>/dev/nvme0n1</c>.</param>
public sealed record Holder(int ProcessId, string Name, string Node)
{
    public override string ToString() => $"{Name} (pid {ProcessId}) has {Node} open";
}

/// <summary>
/// Finds who holds a function's device nodes open: the usual reason why a driver does not let go. Read from /proc, as lsof does;
/// processes that end meanwhile are passed over.
/// </summary>
public static class HolderReader
{
    public static IReadOnlyList<Holder> Read(SysTree files, PciAddress address)
    {
        var nodes = DeviceNodes.Read(files).Where(node => node.Value.Contains(address)).Select(node => node.Key).ToHashSet(StringComparer.Ordinal);
        if (nodes.Count == 0)
            return [];
        List<Holder> holders = [];
        foreach (var name in files.List("/proc"))
        {
            if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var processId))
                continue;
            foreach (var node in OpenFiles(files, processId).Where(nodes.Contains).Distinct(StringComparer.Ordinal))
                holders.Add(new Holder(processId, files.ReadText($"/proc/{processId}/comm") ?? "?", node));
        }
        return holders;
    }

    static IEnumerable<string> OpenFiles(SysTree files, int processId)
    {
        try
        {
            return [.. files.List($"/proc/{processId}/fd").Select(descriptor => files.ReadLink($"/proc/{processId}/fd/{descriptor}")).OfType<string>()];
        }
        catch (HostFailure)
        {
            // Another user's process, or one that just ended.
            return [];
        }
    }
}
