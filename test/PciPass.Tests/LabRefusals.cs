using Xunit;

namespace PciPass.Tests;

/// <summary>What cannot be passed is refused with the reason, and nothing changes: the host is compared after each test.</summary>
[Collection(LabDemo.Name)]
public sealed class LabRefusals(LabDemo host) : LabTest(host)
{
    /// <summary>An empty ext2 file system, compressed: mke2fs -b 1024 -N 16 -m 0 -O ^resize_inode,^dir_index,^ext_attr on 64 KiB.</summary>
    internal const string EmptyFileSystem = "H4sIAAAAAAACA+3az0oCQRwH8HXXCLU/9g+8ZVcDqTdI6g0iukd0SfLQn3OPET1NPUsdukSXzm2zroZZxwxrPx/56Q6M4Ax+lxnHKAKKqh5qZ3DdCjUTqjTaoZlXfdBsVMqnUZSm+y+lfr+8nRu+rzbSiEMlUzLWo7fO4fbN7sNt9/5q4/FgL/uIc5/G9bOa4VEqyPeoIkp/UpbN8iD3rfAc91tAEaTpevZynQLFM2sKoKiikf3vsIq0/nnu5Bugr+NP+r9dTHp/2xxrF23+AYDfd5etf7a+W//EUWOkXzXKz3Wy85L5UAuhFqP8XGgp1HKolVCrodasfwCmXty/p5fi9sd1HLfb+b3+KanG3d75xeZJ7/Ls2FzBf1Mby/9rkucfKAh/+QH5B+QfkH9A/gH5B+QfkH9A/gH5B+QfAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJuQdks7ybgAAAQA=";

    [Theory]
    [InlineData("attach 0b:00.0 web1", "not-found", "no function answers at this address")]
    [InlineData("attach 00:05.0 web1", "not-passable", "it is a PCI-to-PCI bridge (header type 1)")]
    [InlineData("attach 00:00.0 web1", "not-passable", "it is the host bridge (class 0600)")]
    [InlineData("attach 00:1f.0 web1", "not-passable", "it is an ISA bridge (class 0601)")]
    [InlineData("hide 00:1f.3", "not-passable", "it is the SMBus controller (class 0c05)")]
    [InlineData("attach 09:00.0 nobody", "guest-unknown", "running are web1, db1, plain1")]
    [InlineData("attach 09:00.0 Domain-0", "guest-unknown", "running are web1, db1, plain1")]
    [InlineData("attach 09:00.0 plain1", "guest-not-prepared", "its configuration had neither passthrough=\"enabled\" nor a function")]
    [InlineData("detach 09:00.0 web1", "not-attached", "guest web1 does not have it")]
    [InlineData("unhide 09:00.0", "not-hidden", "the host already has it, with driver e1000e")]
    public void What_can_never_go_is_refused(string request, string code, string why) => Host.Pcipass(request).Exits(1).Says($"[{code}]", why);

    [Fact]
    public void All_the_reasons_are_told_at_once() =>
        Host.Pcipass("attach 0b:00.0 00:05.0 09:00.0 plain1").Exits(1).Says("[not-found]", "[not-passable]", "[guest-not-prepared]");

    [Theory]
    [InlineData("ip addr add 192.0.2.1/24 dev eth1", "ip addr del 192.0.2.1/24 dev eth1", "the host has the address 192.0.2.1/24 on its interface eth1")]
    [InlineData("ip addr add 2001:db8::1/64 dev eth1", "ip addr del 2001:db8::1/64 dev eth1", "the host has the address 2001:db8::1/64 on its interface eth1")]
    [InlineData("ip link set eth1 up; ip route add default dev eth1", "ip link set eth1 down", "the host's default route goes through its interface eth1")]
    [InlineData("ip link add br0 type bridge; ip link set eth1 master br0", "ip link del br0", "its interface eth1 is a port of br0")]
    [InlineData("modprobe bonding max_bonds=0; echo +bond0 >/sys/class/net/bonding_masters; ip link set eth1 master bond0",
        "echo -bond0 >/sys/class/net/bonding_masters; rmmod bonding; ip link set eth1 down", "its interface eth1 is a port of bond0")]
    [InlineData("ip link add link eth1 name eth1.5 type vlan id 5; ip addr add 192.0.2.1/24 dev eth1.5", "ip link del eth1.5", "eth1.5")]
    public void A_card_that_the_host_uses_is_refused(string use, string end, string why)
    {
        Host.Run(use).Exits(0);
        Host.Pcipass("attach 09:00.0 web1").Exits(1).Says($"{Card} cannot go to guest web1     [in-use-network]", why);
        Host.Run(end).Exits(0);
        Host.Pcipass("check 09:00.0 --guest web1").Exits(0);
    }

    [Theory]
    [InlineData($"echo {EmptyFileSystem} | base64 -d | gunzip >/dev/nvme0n1 && mkdir -p /mnt && mount -t ext4 /dev/nvme0n1 /mnt", "umount /mnt", "its disk nvme0n1 is mounted at /mnt")]
    [InlineData("printf 'n\\np\\n1\\n\\n\\nw\\n' | fdisk /dev/nvme0n1 && mkswap /dev/nvme0n1p1 && swapon /dev/nvme0n1p1", "swapoff /dev/nvme0n1p1",
        "its disk nvme0n1p1 holds swap in use (/dev/nvme0n1p1)")]
    public void A_disk_that_the_host_uses_is_refused(string use, string end, string why)
    {
        Host.Run($"modprobe ext4; {use}").Exits(0);
        Host.Pcipass("attach 07:00.0 web1").Exits(1).Says($"{Disk} cannot go to guest web1     [in-use-disk]", why);
        Host.Pcipass("hide nvme0n1").Exits(1).Says("[in-use-disk]", why);
        Host.Run($"{end}; dd if=/dev/zero of=/dev/nvme0n1 bs=64k count=1; blockdev --rereadpt /dev/nvme0n1").Exits(0);
    }

    [Fact]
    public void A_function_that_another_holder_has_is_refused_unless_that_is_accepted()
    {
        Host.Run($"""
            modprobe pci-stub
            echo pci-stub >/sys/bus/pci/devices/{Card}/driver_override
            echo {Card} >/sys/bus/pci/drivers/e1000e/unbind
            echo {Card} >/sys/bus/pci/drivers_probe
            """).Exits(0);
        Host.Pcipass("attach 09:00.0 web1").Exits(1).Says("[other-holder]", "driver pci-stub holds it");
        Host.Pcipass("attach 09:00.0 web1 --accept other-holder").Exits(0);
        Host.Pcipass("detach 09:00.0 web1").Exits(0);
        Assert.Equal(("pci-stub", "pci-stub"), (Host.DriverOf(Card), Host.OverrideOf(Card)));
        Host.Run($"""
            echo {Card} >/sys/bus/pci/drivers/pci-stub/unbind
            echo >/sys/bus/pci/devices/{Card}/driver_override
            echo {Card} >/sys/bus/pci/drivers_probe
            rmmod pci-stub
            """).Exits(0);
    }

    [Fact]
    public void Without_pciback_nothing_goes()
    {
        Host.Run("rmmod xen-pciback").Exits(0);
        Host.Pcipass("attach 09:00.0 web1").Exits(1).Says("the pciback driver is not loaded     [no-pciback]", "modprobe xen-pciback");
        Host.Pcipass("list").Exits(0).Says("nothing can be passed: the pciback driver is not loaded", "[no-pciback]");
        Host.Run("modprobe xen-pciback").Exits(0);
        Host.Pcipass("check 09:00.0 --guest web1").Exits(0);
    }

    [Fact]
    public void A_PVH_guest_cannot_have_a_function()
    {
        // It stays paused: what it is stands in xenstore from the start.
        Host.Run("""
            sed -e 's/web1/pvh1/' -e 's/"pv"/"pvh"/' -e '/e820_host/d' -e '/passthrough/d' /etc/xen/web1.cfg >/tmp/pvh1.cfg
            xl create -p /tmp/pvh1.cfg
            """).Exits(0);
        Host.Pcipass("attach 09:00.0 pvh1").Exits(1).Says("[guest-type]", "it is a PVH guest");
        // xl itself, asked to start one with a function, or to plug one in: it does not get that far.
        Host.Run($"echo \"pci = [ '{Card}' ]\" >>/tmp/pvh1.cfg; xl destroy pvh1; xl pci-assignable-add {Card}; xl create -p /tmp/pvh1.cfg").Exits(6).Says("PVH");
        Host.Run($"xl pci-assignable-remove -r {Card}");
    }
}
