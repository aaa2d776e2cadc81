using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>Linux without Xen, with an IOMMU, and a real QEMU that runs guests on it: one machine for all, which is emulated itself.</summary>
[Collection(nameof(KvmMachine))]
public sealed class LabKvm(KvmMachine host, ITestOutputHelper output) : LabTest(host)
{
    [Fact]
    public void A_card_goes_to_vfio_and_comes_back_whole()
    {
        Host.Pcipass("list").Exits(0).Says($"{Card}  Ethernet     e1000e  eth1");
        Host.Pcipass("hide --now 09:00.0").Exits(0).Says($"{Card} is hidden from the host");
        Assert.Equal("vfio-pci", Host.DriverOf(Card));
        Host.Pcipass("show 09:00.0").Exits(0).Says("VFIO:                /dev/vfio/", "state:               hidden");
        Host.Pcipass("unhide --now 09:00.0").Exits(0).Says($"the host has {Card}, with driver e1000e");
        Host.Run("net-check $(ls /sys/bus/pci/devices/0000:09:00.0/net)").Exits(0);
    }

    [Fact]
    public void A_group_goes_as_a_whole()
    {
        Host.Pcipass("hide --now 0d:00.0").Exits(1).Says("[group-shared]", "0000:0d:00.1 (Ethernet, e1000e)", "they are in one IOMMU group");
        Host.Pcipass("hide --now 0d:00.0 --with-companions").Exits(0);
        Assert.Equal("vfio-pci", Host.DriverOf("0000:0d:00.1"));
        Host.Pcipass("unhide --now 0d:00.0 0d:00.1").Exits(0);
        Assert.Equal("e1000e", Host.DriverOf("0000:0d:00.1"));
    }

    [Fact]
    public void A_guest_without_a_system_takes_a_card_and_cannot_let_go_and_its_end_gives_the_card_back()
    {
        Host.Run("lab-qemu held1 -S").Exits(0);
        Host.Run("lab-qemu held2 -S").Exits(0);
        try
        {
            Host.Pcipass("attach 09:00.0 held1").Exits(0).Says($"held1 has {Card}");
            Host.Pcipass("status").Exits(0).Says("attached  held1");
            Host.Pcipass("attach 09:00.0 held2").Exits(1).Says("[attached]", "guest held1 (process ");
            Host.Pcipass("unhide 09:00.0").Exits(1).Says("[still-attached]");
            var waits = Host.Pcipass("detach 09:00.0 held1").Exits(5);
            output.WriteLine($"pending after {waits.Seconds:0} s");
            waits.Says("detach waits for the guest     [pending]");
        }
        finally
        {
            Host.Run("for name in held1 held2; do kill $(cat /run/lab/qemu-$name.pid); while kill -0 $(cat /run/lab/qemu-$name.pid) 2>/dev/null; do usleep 100000; done; rm -f /run/lab/qemu-$name.*; done").Exits(0);
        }
        Host.Pcipass("recover").Exits(0).Says($"the host has {Card}, with driver e1000e");
        Host.Run("net-check $(ls /sys/bus/pci/devices/0000:09:00.0/net)").Exits(0);
    }

    [Fact]
    public void What_a_guest_was_started_with_is_seen_and_respected()
    {
        Host.Pcipass("hide --now 09:00.0").Exits(0);
        Host.Run("lab-qemu mine -S -device vfio-pci,host=09:00.0,bus=port1").Exits(0);
        try
        {
            Host.Pcipass("status").Exits(0).Says("attached  mine");
            Host.Pcipass("unhide --now 09:00.0").Exits(1).Says("[still-attached]", "guest mine (process ");
        }
        finally
        {
            Host.Run("kill $(cat /run/lab/qemu-mine.pid); while kill -0 $(cat /run/lab/qemu-mine.pid) 2>/dev/null; do usleep 100000; done; rm -f /run/lab/qemu-mine.*").Exits(0);
        }
        Host.Pcipass("unhide --now 09:00.0").Exits(0);
    }

    /// <summary>Minutes: the guest's kernel boots in emulation on an emulated machine.</summary>
    [Fact]
    [Trait("Category", "Nightly")]
    public void A_booted_guest_gets_a_card_uses_it_and_lets_go()
    {
        Host.Run("lab-qemu web1").Exits(0);
        try
        {
            var booted = Host.RunIn("web1", "show-pci", TimeSpan.FromMinutes(15)).Exits(0);
            output.WriteLine($"booted in {booted.Seconds:0} s\n{booted.Stdout}");
            var attach = Host.Pcipass("attach 09:00.0 web1").Exits(0);
            attach.Says($"web1 has {Card}");
            output.WriteLine($"attached in {attach.Seconds:0.0} s\n{attach.Stdout}");
            Host.RunIn("web1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done; show-pci; net-check eth0", TimeSpan.FromMinutes(5)).Exits(0).Says("e1000e eth0", "3 packets received");
            var detach = Host.Pcipass("detach 09:00.0 web1").Exits(0);
            detach.Says($"the host has {Card}, with driver e1000e");
            output.WriteLine($"detached in {detach.Seconds:0.0} s\n{detach.Stdout}");
            Host.RunIn("web1", "[ ! -e /sys/class/net/eth0 ]", TimeSpan.FromMinutes(2)).Exits(0);
            Host.Run("net-check $(ls /sys/bus/pci/devices/0000:09:00.0/net)").Exits(0);
        }
        finally
        {
            Host.Run("kill $(cat /run/lab/qemu-web1.pid); while kill -0 $(cat /run/lab/qemu-web1.pid) 2>/dev/null; do usleep 100000; done; rm -f /run/lab/qemu-web1.*").Exits(0);
        }
    }
}
