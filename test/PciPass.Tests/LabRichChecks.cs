using Xunit;

namespace PciPass.Tests;

// What the host does with its functions, made with the real kernel's own means, and what is said of it.
public sealed partial class LabRich
{
    const string Nvme = "0000:04:00.0", Dual = "0000:01:00.0";

    [Fact]
    public void A_loop_device_and_a_mount_in_another_namespace_are_uses_of_the_disk()
    {
        Host.Run($"modprobe ext4; modprobe loop; echo {LabRefusals.EmptyFileSystem} | base64 -d | gunzip >/dev/nvme0n1; mkdir -p /mnt; losetup /dev/loop0 /dev/nvme0n1").Exits(0);
        Host.Pcipass("check nvme0n1").Exits(1).Says("[in-use-disk]", "its disk nvme0n1 is part of loop0");
        Host.Run("losetup -d /dev/loop0; unshare -m --propagation private sh -c 'mount -t ext4 /dev/nvme0n1 /mnt; exec sleep 300' >/dev/null 2>&1 & echo $! >/tmp/holder; until grep -q /mnt /proc/$(cat /tmp/holder)/mountinfo; do usleep 50000; done").Exits(0);
        Host.Pcipass("check nvme0n1").Exits(1).Says("[in-use-disk]", "its disk nvme0n1 is mounted at /mnt in the mount namespace of sleep (pid ");
        Host.Run("kill $(cat /tmp/holder); while grep -q ^/dev/nvme /proc/*/mounts; do usleep 50000; done 2>/dev/null; dd if=/dev/zero of=/dev/nvme0n1 bs=64k count=2; rmmod loop").Exits(0);
    }

    [Fact]
    public void Who_has_a_device_node_open_is_told_by_name()
    {
        Host.Run("sleep 300 </dev/nvme0n1 >/dev/null 2>&1 & echo $! >/tmp/holder").Exits(0);
        Host.Pcipass("attach nvme0n1 web1").Exits(1).Says("[open-node]", "sleep (pid ", "has /dev/nvme0n1 open");
        Host.Run("kill $(cat /tmp/holder); while [ -e /proc/$(cat /tmp/holder) ]; do usleep 50000; done").Exits(0);
        Host.Pcipass("check nvme0n1").Exits(0);
    }

    [Fact]
    public void A_card_whose_interface_is_in_another_network_namespace_stays()
    {
        var name = InterfaceOf(Dual);
        Host.Run("unshare -n sleep 300 >/dev/null 2>&1 & echo $! >/tmp/holder; until [ \"$(readlink /proc/$(cat /tmp/holder)/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do usleep 50000; done").Exits(0);
        Host.Run($"ip link set {name} netns $(cat /tmp/holder)").Exits(0);
        Host.Pcipass("check 01:00.0 01:00.1").Exits(1).Says($"{Dual} cannot be hidden     [other-namespace]", "that of sleep (pid ");
        Host.Run($"kill $(cat /tmp/holder); until [ -e /sys/class/net/{name} ]; do usleep 50000; done").Exits(0);
    }

    [Fact]
    public void The_way_of_ones_own_SSH_session_is_followed_through_a_bridge_on_a_VLAN()
    {
        var name = InterfaceOf("0000:3b:00.0");
        Host.Run($"ip link add link {name} name {name}.7 type vlan id 7; ip link add br7 type bridge; ip link set {name}.7 master br7; ip addr add 192.0.2.2/24 dev br7").Exits(0);
        Host.Run("SSH_CONNECTION='192.0.2.99 51234 192.0.2.2 22' sh -c 'pcipass check 3b:00.0'").Exits(1)
            .Says("0000:3b:00.0 cannot be hidden     [ssh-session]", $"this SSH session comes in through its interface {name} (192.0.2.2 on br7)", "[in-use-network]", $"the interface {name}.7 stands on its interface {name}");
        Host.Pcipass("check 3b:00.0").Exits(1).SaysNot("[ssh-session]");
        Host.Run($"ip link del br7; ip link del {name}.7").Exits(0);
    }

    [Fact]
    public void What_cannot_be_kept_apart_is_named_and_goes_along_when_asked_for()
    {
        Host.Pcipass("check 03:01.0 --guest web1").Exits(1).Says("DMA of 0000:03:01.0: shared; a hostile guest reaches 0000:03:02.0 (Ethernet) of the host",
            "together: 0000:03:01.0 0000:03:02.0     free: --with-companions takes them all");
        Host.Pcipass("attach 03:01.0 web1 --with-companions --dry-run").Exits(0).Says("plug 0000:03:01.0 - -> web1/", "plug 0000:03:02.0 - -> web1/");
        Host.Pcipass("hide 01:00.1 --accept group-shared").Exits(0);
        Host.Pcipass("list").Exits(0).Says("accepted: group-shared");
        Host.Pcipass("unhide 01:00.1").Exits(0);
        Host.Pcipass("list").Exits(0).SaysNot("accepted: group-shared");
    }

    [Fact]
    public void Isolation_resets_and_interrupt_lines_are_decoded_from_the_functions_themselves()
    {
        Host.Pcipass("show 00:02.0").Exits(0).Says("ACS:                 SrcValid+ ReqRedir+ CmpltRedir+ UpstreamFwd+");
        Host.Pcipass("show 04:00.0").Exits(0).Says("DMA:                 confined", "resets:              flr, bus");
        Host.Pcipass("show 01:00.0").Exits(0).Says("DMA:                 shared: with 0000:01:00.1: the functions of one device are not isolated from each other (it has no ACS)");
        Host.Pcipass("check 05:00.0").Exits(0).Says("[shared-interrupt]", "is also that of 0000:01:00.0 (Ethernet, e1000e)");
        Host.Pcipass("check 00:10.0").Exits(0).Says("[no-reset]", "it sits on a root bus, which cannot be reset");
    }

    [Fact]
    public void A_capture_says_elsewhere_what_the_host_says_itself()
    {
        Host.Run("rm -f /tmp/host.tar; pcipass capture /tmp/host.tar").Exits(0);
        Assert.Equal(Host.Pcipass("list").Exits(0).Stdout, Host.Pcipass("list --host /tmp/host.tar").Exits(0).Stdout);
        Assert.Equal(Host.Pcipass("check 01:00.0 03:01.0 --guest web1").Exits(1).Stderr, Host.Pcipass("check 01:00.0 03:01.0 --guest web1 --host /tmp/host.tar").Exits(1).Stderr);
        Host.Run("rm /tmp/host.tar").Exits(0);
    }
}
