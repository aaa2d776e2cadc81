using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>
/// What hosts build on their functions, made with a real kernel's own means on Linux with an IOMMU: each is seen down to the function, and
/// once it is gone the function is free again.
/// </summary>
[Trait("Category", "Nightly")]
public sealed class LabStacks(LabStacks.Stacked host) : LabTest(host), IClassFixture<LabStacks.Stacked>
{
    const string First = "0000:01:00.0", Second = "0000:02:00.0", Left = "0000:03:00.0", Right = "0000:04:00.0", Usb = "0000:05:00.0";

    public sealed class Stacked() : LabHost(Machine.Stacks with { Modules = ["vfio-pci"] }, "test-stacks")
    {
        protected override System.Collections.Immutable.ImmutableArray<string> Modules => Machine.StackModules;

        // Names that tell the function, for the kernel's own depend on who was first.
        protected override string Start => """
            depmod -a && modprobe -a dm-mod dm-crypt dm-snapshot raid1 ext4 loop usb-storage sd_mod ahci usbhid hid-generic bridge bonding 8021q macvlan ipvlan && modprobe i6300esb heartbeat=1000
            for pair in 03:left 04:right; do ip link set "$(ls /sys/bus/pci/devices/0000:${pair%:*}:00.0/net)" name ${pair#*:}; done
            until ls /sys/bus/pci/devices/0000:05:00.0/usb*/*/*/host*/target*/*/block/* && ls /sys/bus/pci/devices/0000:00:1f.2/ata*/host*/target*/*/block/*; do [ $((tries += 1)) -lt 400 ] || exit 1; usleep 200000; done >/dev/null 2>&1
            """;
    }

    /// <summary>The disk behind a function, by its place in sysfs.</summary>
    string DiskOf(string function) => Host.Run($"for d in /sys/block/*; do case $(readlink -f $d) in */{function}/*) echo ${{d##*/}};; esac; done").Exits(0).Stdout.Trim();

    /// <summary>An md mirror without a superblock of the two NVMe disks, as /dev/md7; the kernel's own attributes make it (Documentation/admin-guide/md.rst).</summary>
    void Mirror() => Host.Run("""
        echo md7 >/sys/module/md_mod/parameters/new_array
        cd /sys/block/md7/md && echo none >metadata_version && echo raid1 >level && echo 2 >raid_disks
        for n in 0 1; do
            d=$(basename $(ls -d /sys/bus/pci/devices/0000:0$((n + 1)):00.0/nvme/nvme*/nvme*n1))
            cat /sys/block/$d/dev >new_dev && echo $n >dev-$d/slot && echo 40960 >dev-$d/size || exit
        done
        echo 40960 >component_size; echo none >resync_start; echo active >array_state
        [ -b /dev/md7 ] && [ "$(blockdev --getsize64 /dev/md7)" -gt 0 ]
        """).Exits(0);

    const string Unmirror = "echo clear >/sys/block/md7/md/array_state";

    /// <summary>Before it, the function may go; with it, it is refused for that; after it, it may go again.</summary>
    void IsAReason(string function, string use, string end, string code, params string[] words)
    {
        Host.Pcipass($"check {function}").Exits(0);
        Host.Run(use).Exits(0);
        try
        {
            Host.Pcipass($"check {function}").Exits(1).Says([$"[{code}]", .. words]);
            Host.Pcipass($"hide --now {function}").Exits(1).Says($"[{code}]");
        }
        finally
        {
            Host.Run(end).Exits(0);
        }
        Host.Pcipass($"check {function}").Exits(0);
    }

    [Fact]
    public void A_mounted_volume_on_an_md_mirror_is_a_use_of_both_disks_and_of_each()
    {
        Mirror();
        try
        {
            foreach (var function in (string[])[First, Second])
                Host.Pcipass($"check {function}").Exits(1).Says("[in-use-disk]", " is part of md7");
            // What LVM makes of a volume is a linear map, with a name of the group and the volume.
            Host.Run($"echo '0 65536 linear /dev/md7 0' | dmsetup create vg0-data && dmsetup mknodes && echo {LabRefusals.EmptyFileSystem} | base64 -d | gunzip >/dev/mapper/vg0-data && mkdir -p /mnt/data && mount -t ext4 /dev/mapper/vg0-data /mnt/data").Exits(0);
            foreach (var function in (string[])[First, Second])
                Host.Pcipass($"check {function}").Exits(1).Says("[in-use-disk]", " is mounted at /mnt/data");
        }
        finally
        {
            Host.Run($"umount /mnt/data; dmsetup remove vg0-data; {Unmirror}").Exits(0);
        }
        Host.Run($"dd if=/dev/zero of=/dev/{DiskOf(First)} bs=64k count=2; dd if=/dev/zero of=/dev/{DiskOf(Second)} bs=64k count=2").Exits(0);
        Host.Pcipass($"check {First} {Second}").Exits(0).SaysNot("[holds-data]");
    }

    [Fact]
    public void Swap_on_an_encrypted_disk_is_a_use_of_it()
    {
        var disk = DiskOf(Second);
        IsAReason(Second, $"echo \"0 65536 crypt aes-cbc-plain64 $(printf '%064d' 1) 0 /dev/{disk} 0\" | dmsetup create swap0 && dmsetup mknodes && mkswap /dev/mapper/swap0 && swapon /dev/mapper/swap0",
            $"swapoff /dev/mapper/swap0; dmsetup remove swap0 && dd if=/dev/zero of=/dev/{disk} bs=64k count=1", "in-use-disk", $"its disk {disk} holds swap in use");
    }

    [Fact]
    public void An_origin_with_a_snapshot_on_another_disk_is_a_use_of_both()
    {
        var (first, second) = (DiskOf(First), DiskOf(Second));
        Host.Run($"dd if=/dev/zero of=/dev/{second} bs=64k count=1 && echo '0 32768 snapshot /dev/{first} /dev/{second} P 8' | dmsetup create snap0").Exits(0);
        Host.Pcipass($"check {First}").Exits(1).Says("[in-use-disk]", $"its disk {first} is part of dm-");
        Host.Pcipass($"check {Second}").Exits(1).Says("[in-use-disk]", $"its disk {second} is part of dm-");
        Host.Run($"dmsetup remove snap0 && dd if=/dev/zero of=/dev/{second} bs=64k count=2").Exits(0);
        Host.Pcipass($"check {First} {Second}").Exits(0);
    }

    [Fact]
    public void A_file_system_that_only_another_mount_namespace_sees_is_a_use()
    {
        var disk = DiskOf(First);
        IsAReason(First, $"""
            echo {LabRefusals.EmptyFileSystem} | base64 -d | gunzip >/dev/{disk}; mkdir -p /mnt/far
            unshare -m --propagation private sh -c 'mount -t ext4 /dev/{disk} /mnt/far; exec sleep 300' >/dev/null 2>&1 & echo $! >/tmp/holder
            until grep -q /mnt/far /proc/$(cat /tmp/holder)/mountinfo; do usleep 50000; done
            """,
            $"kill $(cat /tmp/holder); while grep -q /mnt/far /proc/*/mounts; do usleep 50000; done 2>/dev/null; until dd if=/dev/zero of=/dev/{disk} bs=64k count=2; do usleep 50000; done",
            "in-use-disk", "is mounted at /mnt/far in the mount namespace of sleep (pid ");
    }

    [Fact]
    public void An_unmounted_partition_table_is_told_and_does_not_forbid()
    {
        var disk = DiskOf(First);
        Host.Run($"printf 'n\\np\\n1\\n\\n\\nw\\n' | fdisk /dev/{disk}; [ -e /sys/block/{disk}/{disk}p1 ]").Exits(0);
        Host.Pcipass($"check {First}").Exits(0).Says("[holds-data]", $"{disk}p1");
        Host.Run($"dd if=/dev/zero of=/dev/{disk} bs=64k count=1; blockdev --rereadpt /dev/{disk}").Exits(0);
    }

    [Fact]
    public void Open_nodes_of_a_disk_and_of_its_controller_are_told_with_who_has_them()
    {
        var disk = DiskOf(First);
        foreach (var node in (string[])[disk, disk[..disk.IndexOf('n', 4)]])
        {
            IsAReason(First, $"sleep 300 </dev/{node} >/dev/null 2>&1 & echo $! >/tmp/holder; until [ -e /proc/$(cat /tmp/holder)/fd/0 ]; do usleep 50000; done",
                "kill $(cat /tmp/holder); while [ -e /proc/$(cat /tmp/holder) ]; do usleep 50000; done", "open-node", "sleep (pid ", $"has /dev/{node} open");
        }
    }

    [Theory]
    [InlineData("ip link add br0 type bridge; ip link set left master br0", "ip link del br0", "its interface left is a port of br0")]
    [InlineData("ip link add link left name left.7 type vlan id 7; ip link add br7 type bridge; ip link set left.7 master br7", "ip link del br7; ip link del left.7", "the interface left.7 stands on its interface left")]
    [InlineData("ip link add link left name mac0 type macvlan", "ip link del mac0", "the interface mac0 stands on its interface left")]
    [InlineData("ip link add link left name ipv0 type ipvlan", "ip link del ipv0", "the interface ipv0 stands on its interface left")]
    [InlineData("ip link set left up; ip route add default dev left", "ip link set left down", "the host's default route goes through its interface left")]
    [InlineData("ip link set left up; ip addr add 192.0.2.9/24 dev left; ip route add 198.51.100.0/24 via 192.0.2.1", "ip addr del 192.0.2.9/24 dev left; ip link set left down", "the host's route to 198.51.100.0/24 goes through its interface left")]
    [InlineData("echo +bond7 >/sys/class/net/bonding_masters; ip link set left down; ip link set left master bond7", "echo -bond7 >/sys/class/net/bonding_masters; ip link set left down", "its interface left is a port of bond7")]
    public void A_card_in_a_network_stack_stays(string use, string end, string why) => IsAReason(Left, use, end, "in-use-network", why);

    [Fact]
    public void A_macvlan_that_went_to_a_container_is_a_use_of_the_card_below()
    {
        IsAReason(Right, """
            unshare -n sleep 300 >/dev/null 2>&1 & echo $! >/tmp/holder
            until [ "$(readlink /proc/$(cat /tmp/holder)/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do usleep 50000; done
            ip link add link right name mac1 type macvlan && ip link set mac1 netns $(cat /tmp/holder)
            """, "kill $(cat /tmp/holder); while [ -e /proc/$(cat /tmp/holder) ]; do usleep 50000; done; usleep 500000", "in-use-network", "mac1 in the network namespace of sleep (pid ");
    }

    [Fact]
    public void A_USB_controller_with_the_keyboard_and_a_mounted_disk_stays()
    {
        Host.Pcipass($"check {Usb}").Exits(1).Says("[in-use-console]", "keyboard");
        var disk = DiskOf(Usb);
        Host.Run($"echo {LabRefusals.EmptyFileSystem} | base64 -d | gunzip >/dev/{disk}; mkdir -p /mnt/stick; mount -t ext4 /dev/{disk} /mnt/stick").Exits(0);
        Host.Pcipass($"check {Usb}").Exits(1).Says("[in-use-disk]", $"its disk {disk} is mounted at /mnt/stick", "[in-use-console]");
        Host.Run($"umount /mnt/stick; dd if=/dev/zero of=/dev/{disk} bs=64k count=2").Exits(0);
    }

    [Fact]
    public void A_disk_of_the_chipsets_own_controller_is_found_below_it()
    {
        var disk = DiskOf("0000:00:1f.2");
        Host.Run($"mkswap /dev/{disk} && swapon /dev/{disk}").Exits(0);
        Host.Pcipass("check 00:1f.2").Exits(1).Says("[in-use-disk]", $"its disk {disk} holds swap in use (/dev/{disk})");
        Host.Run($"swapoff /dev/{disk}; dd if=/dev/zero of=/dev/{disk} bs=64k count=1").Exits(0);
    }

    [Fact]
    public void A_watchdog_that_somebody_tends_stays()
    {
        // Its class device says by its name alone whose it is.
        Host.Run("grep -l i6300 /sys/class/watchdog/*/identity | head -n 1 | cut -d / -f 5 >/tmp/watchdog; w=$(cat /tmp/watchdog); [ -c /dev/$w ] || exit 1; sleep 300 >/dev/$w 2>/dev/null & echo $! >/tmp/holder; sleep 1; cat /sys/class/watchdog/$(cat /tmp/watchdog)/state").Exits(0).Says("active");
        Host.Pcipass("check 07:01.0").Exits(1).Says("[in-use-watchdog]");
        // The letter that says that the end is meant, and the end.
        Host.Run("kill $(cat /tmp/holder); while [ -e /proc/$(cat /tmp/holder) ]; do usleep 50000; done; w=$(cat /tmp/watchdog); printf V >/dev/$w; cat /sys/class/watchdog/$w/state").Exits(0).Says("inactive");
        Host.Pcipass("check 07:01.0").SaysNot("[in-use-watchdog]");
    }

    [Fact]
    public void The_display_that_the_host_booted_on_stays() => Host.Pcipass("check 00:10.0").Exits(1).Says("[in-use-console]", "boot_vga");

    [Fact]
    public void A_capture_says_elsewhere_what_the_host_says_itself()
    {
        Host.Run("rm -f /tmp/host.tar; pcipass capture /tmp/host.tar").Exits(0);
        Assert.Equal(Host.Pcipass("list").Exits(0).Stdout, Host.Pcipass("list --host /tmp/host.tar").Exits(0).Stdout);
        Assert.Equal(Host.Pcipass($"check {Usb} {Left}").Exits(1).Stderr, Host.Pcipass($"check {Usb} {Left} --host /tmp/host.tar").Exits(1).Stderr);
        Host.Run("rm /tmp/host.tar").Exits(0);
    }
}
