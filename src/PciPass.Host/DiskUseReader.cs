using System.Collections.Immutable;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads what the host's disks are used for: mounts of every namespace, swap, what stands on them, and what lies on them.</summary>
sealed class DiskUseReader(SysTree files, BlockDevices devices, ImmutableArray<HostUse>.Builder uses)
{
    public void Read(ProcessTable processes)
    {
        ReadMounts(files.ReadText("/proc/self/mountinfo") ?? "", "");
        foreach (var process in processes.OtherMountNamespaces)
            ReadMounts(files.ReadText($"/proc/{process.Id}/mountinfo") ?? "", $" in the mount namespace of {process}");
        foreach (var swap in MountTable.ParseSwaps(files.ReadText("/proc/swaps") ?? ""))
            Add(devices.ByPath(swap), HostUseKind.Swap, swap);
        ReadFileSystemsOfMany();
        ReadCrashDump();
        foreach (var name in devices.Names)
            ReadDevice(name);
    }

    void ReadMounts(string text, string where)
    {
        foreach (var mount in MountTable.ParseMountInfo(text))
        {
            var device = mount.Major != 0 ? devices.ByNumber(mount.Major, mount.Minor) : null;
            if (device is not null)
                AddMount(device, mount.MountPoint, where);
            else if (mount.Source.StartsWith("/dev/", StringComparison.Ordinal))
            {
                // File systems that span devices have a number of their own; their source names one device, or all of them (bcachefs).
                foreach (var source in mount.Source.Split(':'))
                    AddMount(devices.ByPath(source), mount.MountPoint, where);
            }
        }
    }

    void AddMount(string? device, string point, string where)
    {
        if (device is null)
            return;
        foreach (var (function, name) in devices.FunctionsBelow(device))
        {
            // Other namespaces see most of the same mounts again.
            if (where.Length == 0 || !uses.Any(use => use.Address == function && use.Kind == HostUseKind.Mount && use.Name == name))
                uses.Add(new HostUse(function, HostUseKind.Mount, name, point + where));
        }
    }

    /// <summary>btrfs tells all devices of each of its mounted file systems (fs/btrfs/sysfs.c); the mount table names one.</summary>
    void ReadFileSystemsOfMany()
    {
        foreach (var id in files.List("/sys/fs/btrfs"))
        {
            foreach (var name in files.List($"/sys/fs/btrfs/{id}/devices"))
                Add(name, HostUseKind.Holder, $"the btrfs file system {id}", unlessMounted: true);
        }
    }

    void ReadCrashDump()
    {
        if (files.ReadText("/sys/kernel/kexec_crash_loaded") != "1")
            return;
        foreach (var line in (files.ReadText("/etc/kdump.conf") ?? "").Split('\n'))
        {
            // raw /dev/sdb1, or a file system's type and its device (kdump.conf(5)).
            if (line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries) is [not "path" and not "core_collector" and [not '#', ..], var device, ..])
                Add(devices.ByPath(device), HostUseKind.CrashDump, device);
        }
    }

    void ReadDevice(string name)
    {
        var functions = devices.FunctionsOf(name);
        if (functions.Count == 0)
        {
            // A loop device opens what it reads from, and nothing in sysfs links the two.
            if (devices.LoopFile(name) is string file)
                Add(devices.ByPath(file), HostUseKind.Holder, name, unlessMounted: true);
            return;
        }
        foreach (var holder in devices.HoldersOf(name))
            Add(name, HostUseKind.Holder, holder, unlessMounted: true);
        var content = UdevDatabase.Content(files, devices.NumberOf(name));
        if (content is { IsZfs: true } && (content.Label is null || files.Exists($"/proc/spl/kstat/zfs/{content.Label}")))
            Add(name, HostUseKind.Holder, $"the ZFS pool {content.Label ?? "of unknown name"}");
        else if (content is not null)
            Add(name, HostUseKind.Content, content.Text);
        else if (devices.IsPartition(name))
            Add(name, HostUseKind.Content, "a partition");
    }

    void Add(string? device, HostUseKind kind, string detail, bool unlessMounted = false)
    {
        if (device is null)
            return;
        foreach (var (function, name) in devices.FunctionsBelow(device))
        {
            if (!unlessMounted || !uses.Any(use => use.Address == function && use.Name == name && use.Kind is HostUseKind.Mount or HostUseKind.Swap))
                uses.Add(new HostUse(function, kind, name, detail));
        }
    }
}
