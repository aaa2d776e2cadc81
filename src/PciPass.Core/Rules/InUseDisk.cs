namespace PciPass.Core.Rules;

/// <summary>The host's files, swap, volumes or its guests' disks lie on the function.</summary>
public sealed class InUseDisk : Rule
{
    public override string Code => "in-use-disk";
    public override string Meaning => "The host uses a disk behind the function: a mounted file system (in any mount namespace), swap, a volume, array, cache or pool on it, whatever else holds it for itself alone, a guest's virtual disk, or crash dumps.";
    public override string Source => "/proc/PID/mountinfo, /proc/swaps, slaves and holders of each block device in sysfs, /sys/fs/btrfs, /proc/spl/kstat/zfs, open(2) with O_EXCL (which the kernel refuses for a block device in use), xenstore's backend/vbd, /etc/kdump.conf.";
    public override string Remedy => "Unmount, switch off, or close what stands on it.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            foreach (var use in host.UsesOf(function.Address))
            {
                var (why, remedy) = use.Kind switch
                {
                    HostUseKind.Mount when !RootFileSystem.IsOfSystem(use) => ($"its disk {use.Name} is mounted at {use.Detail}", $"umount {use.Detail.Split(' ')[0]}"),
                    HostUseKind.Swap => ($"its disk {use.Name} holds swap in use ({use.Detail})", $"swapoff {use.Detail}"),
                    HostUseKind.Holder => ($"its disk {use.Name} is part of {use.Detail}", Release(use.Detail)),
                    HostUseKind.Held => ($"its disk {use.Name} is held by something that cannot be seen from here", "find what holds it: a mount that was let go only lazily or whose namespace no process is in, a pool, a cache"),
                    HostUseKind.GuestDisk => ($"guest {use.Detail} has its disk {use.Name} as a virtual disk", $"shut down {use.Detail}, or take that disk from it (xl block-detach)"),
                    HostUseKind.CrashDump => ($"the host's crash kernel would write its dumps to its disk {use.Name} ({use.Detail})", "choose another target in /etc/kdump.conf and restart kdump"),
                    _ => (null, null),
                };
                if (why is not null)
                    yield return Refuse(function.Address, Cannot(function, request), why, remedy!);
            }
        }
    }

    static string Release(string holder) => holder switch
    {
        _ when holder.StartsWith("md", StringComparison.Ordinal) => $"mdadm --stop /dev/{holder}, or take the disk out of the array",
        _ when holder.StartsWith("dm-", StringComparison.Ordinal) => $"lsblk /dev/{holder} tells what it is; close it (vgchange -an, cryptsetup close, multipath -f)",
        _ when holder.StartsWith("loop", StringComparison.Ordinal) => $"losetup -d /dev/{holder}",
        _ when holder.StartsWith("the ZFS", StringComparison.Ordinal) => "zpool export that pool",
        _ when holder.StartsWith("bcache", StringComparison.Ordinal) => "echo 1 > the bcache/stop of each of its devices",
        _ when holder.Contains("target", StringComparison.Ordinal) => $"take it out of {holder} (nvmetcli, targetcli)",
        _ when holder.StartsWith("the btrfs", StringComparison.Ordinal) => "unmount that file system",
        _ => $"close {holder}",
    };
}
