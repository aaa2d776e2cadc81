using System.Collections.Immutable;
using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Core.Rules;

namespace PciPass.Host;

/// <summary>Reads what the host's disks are used for: mounts of every namespace, swap, what stands on them, and what lies on them.</summary>
sealed class DiskUseReader(SysTree files, BlockDevices devices, ImmutableArray<HostUse>.Builder uses)
{
    static readonly TimeSpan HeldDeadline = TimeSpan.FromSeconds(2);

    public void Read(ProcessTable processes)
    {
        ReadMounts(files.ReadText("/proc/self/mountinfo") ?? "", "");
        foreach (var process in processes.OtherMountNamespaces)
            ReadMounts(files.ReadText($"/proc/{process.Id}/mountinfo") ?? "", $" in the mount namespace of {process}");
        foreach (var swap in MountTable.ParseSwaps(files.ReadText("/proc/swaps") ?? ""))
            Add(devices.ByPath(swap), HostUseKind.Swap, swap);
        ReadFileSystemsOfMany();
        ReadTable();
        ReadTargets();
        ReadCrashDump();
        var booted = ReadBootPartition();
        foreach (var name in devices.Names)
            ReadDevice(name, booted);
        var known = uses.Where(use => use.Kind is HostUseKind.Mount or HostUseKind.Swap or HostUseKind.Holder)
            .SelectMany(use => (string[])[use.Name, devices.DiskOf(use.Name)])
            .ToHashSet(StringComparer.Ordinal);
        ReadHeld(devices.Names.Where(name => !known.Contains(name) && devices.FunctionsOf(name).Count > 0 && !devices.IsPartition(name)));
    }

    /// <summary>The partition that the firmware booted from, as its GUID; null where it has no such variables.</summary>
    string? ReadBootPartition()
    {
        const string Variables = "/sys/firmware/efi/efivars", Global = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
        return files.ReadAll($"{Variables}/BootCurrent-{Global}") is byte[] current && EfiBootEntry.NameOf(current) is string name && files.ReadAll($"{Variables}/{name}-{Global}") is byte[] entry
            ? EfiBootEntry.PartitionOf(entry)
            : null;
    }

    /// <summary>What nothing here explains may be in use all the same: the kernel knows. Of a disk whose use is known it need not be asked.</summary>
    void ReadHeld(IEnumerable<string> disks)
    {
        var paths = disks.ToDictionary(disk => $"/dev/{disk.Replace('!', '/')}", StringComparer.Ordinal);
        foreach (var path in files.Held([.. paths.Keys], HeldDeadline))
            Add(paths[path], HostUseKind.Held, "held by something that cannot be seen from here");
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

    /// <summary>
    /// btrfs tells all devices of each of its mounted file systems (fs/btrfs/sysfs.c); the mount table names one, and what is mounted there
    /// lies on the others as well.
    /// </summary>
    void ReadFileSystemsOfMany()
    {
        foreach (var id in files.List("/sys/fs/btrfs"))
        {
            var members = files.List($"/sys/fs/btrfs/{id}/devices").SelectMany(devices.FunctionsBelow).Distinct().ToArray();
            var points = uses.Where(use => use.Kind == HostUseKind.Mount && members.Contains((use.Address, use.Name))).Select(use => use.Detail).Distinct().ToArray();
            foreach (var (function, name) in members.Where(member => !uses.Any(use => use.Kind == HostUseKind.Mount && (use.Address, use.Name) == member)))
            {
                uses.AddRange(points.Select(point => new HostUse(function, HostUseKind.Mount, name, point)));
                if (points.Length == 0)
                    uses.Add(new HostUse(function, HostUseKind.Holder, name, $"the btrfs file system {id}"));
            }
        }
    }

    /// <summary>What the host mounts when it starts, or its boot loader's tools do (<c>/boot</c> with noauto), is the system's even while it is not mounted.</summary>
    void ReadTable()
    {
        foreach (var (source, point) in FsTab.Parse(files.ReadText("/etc/fstab") ?? ""))
        {
            if (RootFileSystem.IsOfSystem(point) && FsTab.PathOf(source) is string path)
                Add(devices.ByPath(path), HostUseKind.BootPartition, $"/etc/fstab mounts it at {point}", unlessMounted: true);
        }
    }

    /// <summary>
    /// Disks that this host serves to others over the network. The kernel's NVMe target opens them without asking for them alone
    /// (drivers/nvme/target/io-cmd-bdev.c), so nothing else shows it.
    /// </summary>
    void ReadTargets()
    {
        const string Nvme = "/sys/kernel/config/nvmet/subsystems", Scsi = "/sys/kernel/config/target/core";
        foreach (var subsystem in files.List(Nvme))
        {
            foreach (var space in files.List($"{Nvme}/{subsystem}/namespaces"))
            {
                if (files.ReadText($"{Nvme}/{subsystem}/namespaces/{space}/enable") == "1")
                    Add(devices.ByPath(files.ReadText($"{Nvme}/{subsystem}/namespaces/{space}/device_path") ?? ""), HostUseKind.Holder, $"the NVMe target {subsystem}");
            }
        }
        foreach (var group in files.List(Scsi).Where(name => name.StartsWith("iblock_", StringComparison.Ordinal)))
        {
            foreach (var name in files.List($"{Scsi}/{group}"))
                Add(devices.ByPath(files.ReadText($"{Scsi}/{group}/{name}/udev_path") ?? ""), HostUseKind.Holder, $"the SCSI target {name}");
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

    void ReadDevice(string name, string? booted)
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
        if (devices.IsInCache(name))
            Add(name, HostUseKind.Holder, "bcache", unlessMounted: true);
        var content = UdevDatabase.Content(files, devices.NumberOf(name));
        if (content is { IsZfs: true } && (content.Label is null || files.Exists($"/proc/spl/kstat/zfs/{content.Label}")))
            Add(name, HostUseKind.Holder, $"the ZFS pool {content.Label ?? "of unknown name"}");
        else if (content is not null && booted is not null && content.Partition == booted)
            Add(name, HostUseKind.BootPartition, "the firmware booted the host from it");
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
