using System.Collections.Immutable;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>Reads what the host uses its functions for: each sort by a reader of its own, and all processes in one pass.</summary>
static class UseReader
{
    public static ImmutableArray<HostUse> Read(HostSystem host, KernelNames names, ImmutableSortedDictionary<PciAddress, PciFunction> functions)
    {
        var uses = ImmutableArray.CreateBuilder<HostUse>();
        var processes = ProcessTable.Read(host.Files, DeviceNodes.Read(host.Files), host.Caller.ProcessId);
        new NetworkUseReader(host, names.Interfaces, uses).Read(functions, processes);
        new DiskUseReader(host.Files, new BlockDevices(host.Files), uses).Read(processes);
        DeviceUseReader.Read(host.Files, functions, uses);
        uses.AddRange(processes.OpenNodes);
        return [.. uses.Distinct()];
    }

    /// <summary>What the host uses for its guests: disks that the backend opened for them, which no process shows.</summary>
    public static IEnumerable<HostUse> OfGuests(SysTree files, IEnumerable<(string Guest, int Major, int Minor)> disks)
    {
        var devices = new BlockDevices(files);
        return from disk in disks
               let device = devices.ByNumber(disk.Major, disk.Minor)
               where device is not null
               from below in devices.FunctionsBelow(device)
               select new HostUse(below.Function, HostUseKind.GuestDisk, below.Name, disk.Guest);
    }
}
