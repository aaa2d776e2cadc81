using System.Collections.Immutable;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>Stacks as hosts have them, made with the real kernel's own means: what is in use is found through all of them, and nothing else is held back.</summary>
public sealed class LabStacks(LabStacks.Stacks host) : LabTest(host), IClassFixture<LabStacks.Stacks>
{
    const string First = "0000:01:00.0", Second = "0000:02:00.0", Left = "0000:03:00.0", Right = "0000:04:00.0", Usb = "0000:05:00.0";
    const string Blank = "dd if=/dev/zero of=/dev/nvme0n1 bs=64k count=2; dd if=/dev/zero of=/dev/nvme1n1 bs=64k count=2; blockdev --rereadpt /dev/nvme0n1";

    /// <summary>The name that the kernel gave to a device mapper's device, whose node udev would have made.</summary>
    const string Functions = "dm() { for n in /sys/class/block/dm-*; do [ \"$(cat $n/dm/name)\" = $1 ] && echo /dev/${n##*/}; done; }; ";

    public sealed class Stacks() : LabHost(Machine.Stacks, "test-stacks")
    {
        protected override ImmutableArray<string> Modules => Machine.StackModules;

        protected override string Start => "depmod -a; modprobe -a sd_mod ahci usb-storage usbhid hid-generic ext4 dm-mod raid1 loop; until [ -e /dev/sda ] && [ -e /dev/sdb ]; do usleep 100000; done; mkdir -p /mnt /mnt2";
    }

    [Fact]
    public void A_file_system_on_LVM_on_an_array_of_two_disks_keeps_both()
    {
        // Without metadata nothing tells md how large a member is: until that is written, it starts no array.
        Host.Run(Functions + """
            echo md127 >/sys/module/md_mod/parameters/new_array; cd /sys/block/md127/md
            echo none >metadata_version; echo raid1 >level; echo 2 >raid_disks; echo 16384 >component_size
            for n in 0 1; do cat /sys/block/nvme${n}n1/dev >new_dev; echo 16384 >dev-nvme${n}n1/size; echo $n >dev-nvme${n}n1/slot; done
            echo active >array_state
            dmsetup create vg-home --uuid LVM-vg-home --table "0 32768 linear $(cat /sys/block/md127/dev) 0"
            """).Exits(0);
        foreach (var disk in (string[])["nvme0n1", "nvme1n1"])
            Host.Pcipass($"check {disk}").Exits(1).Says("[in-use-disk]", $"its disk {disk} is part of md127");
        Host.Run($"{Functions} mke2fs -F $(dm vg-home) && mount -t ext4 $(dm vg-home) /mnt").Exits(0);
        foreach (var disk in (string[])["nvme0n1", "nvme1n1"])
            Host.Pcipass($"check {disk}").Exits(1).Says("[in-use-disk]", $"its disk {disk} is mounted at /mnt");
        Host.Run($"umount /mnt; dmsetup remove vg-home; echo clear >/sys/block/md127/md/array_state; {Blank}").Exits(0);
        Free("nvme0n1", "nvme1n1");
    }

    [Fact]
    public void Swap_behind_encryption_on_a_partition_is_followed_down()
    {
        Host.Run(Functions + """
            modprobe -a dm-crypt ecb crypto_null
            printf 'n\np\n1\n\n\nw\n' | fdisk /dev/nvme0n1 >/dev/null
            dmsetup create cr --table "0 $(blockdev --getsz /dev/nvme0n1p1) crypt cipher_null-ecb - 0 /dev/nvme0n1p1 0"
            mkswap $(dm cr) && swapon $(dm cr)
            """).Exits(0);
        Host.Pcipass("check 01:00.0").Exits(1).Says("[in-use-disk]", "its disk nvme0n1p1 holds swap in use (/dev/dm-");
        Host.Run($"{Functions} swapoff $(dm cr); dmsetup remove cr; {Blank}").Exits(0);
        Free("nvme0n1");
    }

    [Fact]
    public void A_loop_device_on_a_file_of_a_mounted_disk_keeps_that_disk()
    {
        Host.Run("mke2fs -F /dev/nvme0n1 >/dev/null; mount -t ext4 /dev/nvme0n1 /mnt; dd if=/dev/zero of=/mnt/f bs=1M count=4; losetup /dev/loop3 /mnt/f; mke2fs -F /dev/loop3 >/dev/null; mount -t ext4 /dev/loop3 /mnt2").Exits(0);
        Host.Pcipass("check 01:00.0").Exits(1).Says("[in-use-disk]", "its disk nvme0n1 is mounted at /mnt");
        Free("nvme1n1");
        Host.Run($"umount /mnt2; losetup -d /dev/loop3; umount /mnt; {Blank}").Exits(0);
    }

    [Theory]
    [InlineData("(cd /mnt; exec sleep 300) >/dev/null 2>&1 & echo $! >/tmp/holder; until [ \"$(readlink /proc/$(cat /tmp/holder)/cwd)\" = /mnt ]; do usleep 50000; done; umount -l /mnt", "kill $(cat /tmp/holder)")]
    [InlineData("modprobe overlay; mkdir -p /mnt/l /mnt/u /mnt/w; mount -t overlay -o lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w none /mnt2; umount -l /mnt", "umount /mnt2")]
    [InlineData("mount --make-rprivate /; touch /tmp/ns; unshare -m sh -c 'umount /mnt2 2>/dev/null; exec sleep 300' >/dev/null 2>&1 & echo $! >/tmp/holder; until [ \"$(readlink /proc/$(cat /tmp/holder)/ns/mnt)\" != \"$(readlink /proc/self/ns/mnt)\" ]; do usleep 50000; done; mount --bind /proc/$(cat /tmp/holder)/ns/mnt /tmp/ns; umount /mnt; kill $(cat /tmp/holder)", "umount /tmp/ns")]
    public void A_mount_that_no_table_shows_any_more_is_in_use_all_the_same(string use, string end)
    {
        Host.Run("mke2fs -F /dev/nvme0n1 >/dev/null; mount -t ext4 /dev/nvme0n1 /mnt").Exits(0);
        Host.Run(use).Exits(0);
        Host.Run("! grep -q nvme0n1 /proc/self/mountinfo").Exits(0);
        Host.Pcipass("check 01:00.0").Exits(1).Says($"{First} cannot be hidden     [in-use-disk]", "its disk nvme0n1 is held by something that cannot be seen from here");
        Host.Run($"{end}; until {{ exec 9<>/dev/nvme0n1; }} 2>/dev/null && [ -z \"$(pcipass check 01:00.0 2>&1 | grep 'held by')\" ]; do usleep 200000; done; exec 9<&-; {Blank}").Exits(0);
        Free("nvme0n1");
    }

    [Fact]
    public void A_snapshot_over_two_disks_keeps_both()
    {
        Host.Run(Functions + """
            modprobe dm-snapshot
            dmsetup create base --table "0 32768 linear /dev/nvme0n1 0"; dmsetup create cow --table "0 32768 linear /dev/nvme1n1 0"
            dmsetup create snap --table "0 32768 snapshot $(dm base) $(dm cow) N 8"
            mke2fs -F $(dm snap) >/dev/null; mount -t ext4 $(dm snap) /mnt
            """).Exits(0);
        Host.Pcipass("check 01:00.0 02:00.0").Exits(1).Says($"{First} cannot be hidden     [in-use-disk]", $"{Second} cannot be hidden     [in-use-disk]", "its disk nvme1n1 is mounted at /mnt");
        Host.Run($"umount /mnt; dmsetup remove snap; dmsetup remove cow; dmsetup remove base; {Blank}").Exits(0);
    }

    [Fact]
    public void A_bridge_over_a_bond_over_two_cards_keeps_both()
    {
        Host.Run("""
            modprobe bonding max_bonds=0; echo +bond0 >/sys/class/net/bonding_masters
            ip link set eth0 master bond0; ip link set eth1 master bond0; ip link add br0 type bridge; ip link set bond0 master br0; ip addr add 192.0.2.2/24 dev br0
            """).Exits(0);
        Host.Run("SSH_CONNECTION='192.0.2.9 51234 192.0.2.2 22' sh -c 'pcipass check 03:00.0 04:00.0'").Exits(1)
            .Says($"{Left} cannot be hidden     [ssh-session]", $"{Right} cannot be hidden     [ssh-session]", "its interface eth0 is a port of bond0", "its interface eth1 is a port of bond0");
        Host.Run("ip link del br0; echo -bond0 >/sys/class/net/bonding_masters; rmmod bonding; ip link set eth0 down; ip link set eth1 down").Exits(0);
        Free("eth0", "eth1");
    }

    [Theory]
    [InlineData("macvlan")]
    [InlineData("ipvlan")]
    [InlineData("vlan id 7")]
    public void What_a_container_has_standing_on_a_card_is_found_in_the_containers_namespace(string kind)
    {
        Host.Run($"modprobe -a macvlan ipvlan 8021q; ip link add link eth0 name up0 type vlan id 9; ip link del up0").Exits(0);
        // busybox's ip makes no macvlan or ipvlan with options; without any, the kernel's defaults do.
        Host.Run($"ip link add link eth0 name up0 type {kind}; unshare -n sleep 300 >/dev/null 2>&1 & echo $! >/tmp/holder; until [ \"$(readlink /proc/$(cat /tmp/holder)/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do usleep 50000; done; ip link set up0 netns $(cat /tmp/holder)").Exits(0);
        Host.Run("! ls /sys/class/net/eth0 | grep -q upper_").Exits(0);
        Host.Pcipass("check 03:00.0").Exits(1).Says($"{Left} cannot be hidden     [in-use-network]", "the interface up0 in the network namespace of sleep (pid ");
        Free("eth1");
        Host.Run("kill $(cat /tmp/holder); until pcipass check 03:00.0; do usleep 200000; done").Exits(0);
    }

    [Fact]
    public void Behind_a_USB_controller_the_keyboard_and_a_mounted_disk_are_found_and_behind_the_SATA_controller_swap()
    {
        Host.Pcipass("check 05:00.0").Exits(1).Says($"{Usb} cannot be hidden     [in-use-console]", "the keyboard \"QEMU QEMU USB Keyboard\" hangs on it");
        Host.Run("mke2fs -F /dev/sdb >/dev/null; mount -t ext4 /dev/sdb /mnt; mkswap /dev/sda; swapon /dev/sda").Exits(0);
        Host.Pcipass("check 05:00.0").Exits(1).Says("[in-use-disk]", "is mounted at /mnt");
        Host.Pcipass("check sda").Exits(1).Says("[in-use-disk]", "its disk sda holds swap in use (/dev/sda)");
        Host.Run("umount /mnt; swapoff /dev/sda; dd if=/dev/zero of=/dev/sda bs=64k count=1; dd if=/dev/zero of=/dev/sdb bs=64k count=1; (exec sleep 300 </dev/bsg/0:0:0:0) >/dev/null 2>&1 & echo $! >/tmp/holder; sleep 1").Exits(0);
        Host.Pcipass("check sda").Exits(1).Says("[open-node]", "has /dev/bsg/0:0:0:0 open");
        Host.Run("kill $(cat /tmp/holder); while [ -e /proc/$(cat /tmp/holder) ]; do usleep 50000; done").Exits(0);
    }

    [Fact]
    public void What_nobody_uses_is_free() => Free("nvme0n1", "nvme1n1", "eth0", "eth1");

    void Free(params string[] names)
    {
        foreach (var name in names)
        {
            var told = Host.Pcipass($"check {name}");
            foreach (var code in (string[])["[in-use", "[other-namespace]", "[open-node]", "[ssh-session]"])
                told.SaysNot(code);
        }
    }
}
