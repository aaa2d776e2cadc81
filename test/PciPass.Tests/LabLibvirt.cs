using System.Globalization;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>Linux without Xen, where libvirt runs guests by QEMU: what pcipass does virsh shows, and what virsh does pcipass sees.</summary>
[Collection(nameof(LibvirtMachine))]
[Trait("Category", "Nightly")]
public sealed class LabLibvirt(LibvirtMachine host, ITestOutputHelper output) : LabTest(host)
{
    const string Source = "<address domain='0x0000' bus='0x09' slot='0x00' function='0x0'/>";

    [Fact]
    public void A_stopped_guest_is_given_a_card_by_its_definition_and_virsh_shows_it()
    {
        Host.Run("pcipass guests | tr -s ' '").Exits(0).Says("web1 libvirt hvm stopped - -");
        Host.Pcipass("attach 09:00.0 web1").Exits(0);
        Host.Run("virsh dumpxml --inactive web1").Exits(0).Says("<hostdev mode='subsystem' type='pci' managed='no'>", Source);
        Host.Run("virsh nodedev-dumpxml pci_0000_09_00_0").Exits(0).Says("<name>vfio-pci</name>");
        Host.Run("pcipass guests | tr -s ' '").Exits(0).Says($"web1 libvirt hvm stopped - {Card}");
        Host.Pcipass("detach pci_0000_09_00_0 web1").Exits(0).Says($"the host has {Card}, with driver e1000e");
        Host.Run("! virsh dumpxml --inactive web1 | grep hostdev").Exits(0);
    }

    [Fact]
    public void What_virsh_defined_is_seen_and_taken_out_whole()
    {
        Host.Run($"echo \"<hostdev mode='subsystem' type='pci' managed='yes'><source>{Source}</source></hostdev>\" >/tmp/managed.xml && virsh attach-device web1 /tmp/managed.xml --config").Exits(0);
        Host.Run("pcipass guests | tr -s ' '").Exits(0).Says($"web1 libvirt hvm stopped - {Card}");
        Host.Pcipass("detach 09:00.0 web1 --config").Exits(0);
        Host.Run("! virsh dumpxml --inactive web1 | grep hostdev").Exits(0);
        Assert.Equal("e1000e", Host.DriverOf(Card));
    }

    [Fact]
    public void A_guest_with_a_function_is_not_saved_by_virsh_nor_by_QEMU_and_pcipass_says_why()
    {
        Host.Run("virsh start web1 --paused").Exits(0);
        Host.Pcipass("attach 09:00.0 web1 --live").Exits(0);
        Host.Run("virsh save web1 /tmp/saved").Exits(1).Says("VFIO device doesn't support migration");
        Host.Run("virsh managedsave web1").Exits(1).Says("VFIO device doesn't support migration");
        Host.Run("virsh qemu-monitor-command web1 --hmp 'migrate -d exec:cat>/tmp/saved'").Says("VFIO device doesn't support migration");
        Host.Run("ls /tmp/saved").Exits(1);
        Host.Pcipass("can-migrate web1").Exits(0);
        Host.Pcipass("can-save web1").Exits(0);
        // Only one that runs would be known to go on afterwards.
        Host.Pcipass("save web1 /tmp/saved").Exits(3).Says("a guest that does not run", $"now:   web1 has {Card}");
        Host.Run("virsh domstate web1").Says("paused");
        // Held before its first instruction, it lets go of nothing.
        Host.Run("virsh destroy web1").Exits(0);
        Host.Pcipass("detach 09:00.0 web1").Exits(0).Says($"the host has {Card}, with driver e1000e");
    }

    /// <summary>Minutes, as below. What counts is what the guest does afterwards: a process in it goes on, and its card works.</summary>
    [Fact]
    public void A_booted_guest_is_saved_without_its_card_and_goes_on_with_it()
    {
        Host.Run("virsh start web1").Exits(0);
        try
        {
            Host.RunIn("web1", "(i=0; while :; do i=$((i+1)); echo $i >/tmp/count; sleep 1; done) >/dev/null 2>&1 &", TimeSpan.FromMinutes(20)).Exits(0);
            Host.Pcipass("attach 09:00.0 web1").Exits(0);
            Uses("eth0");

            var counted = Count();
            var save = Host.Pcipass("save web1 /tmp/image", TimeSpan.FromMinutes(10)).Exits(0);
            save.Says("guest web1 is saved in /tmp/image");
            Host.Run("virsh domstate web1; stat -c %a:%u /tmp/image").Exits(0).Says("shut off", "600:0");
            Assert.Equal("vfio-pci", Host.DriverOf(Card));
            var restore = Host.Pcipass("restore /tmp/image", TimeSpan.FromMinutes(10)).Exits(0);
            restore.Says("guest web1 runs again", $"web1 has {Card} as 0000:01:00.0");
            Resumed();
            Assert.InRange(Count(), counted, counted + 120);
            Uses("eth0");
            output.WriteLine($"saved in {save.Seconds:0.0} s, restored in {restore.Seconds:0.0} s\n{save.Stdout}{restore.Stdout}");

            // Killed while libvirt writes: libvirt goes on, and the guest is saved.
            counted = Count();
            Host.Run("pcipass save web1 /tmp/second & until [ -s /tmp/second ]; do usleep 20000; done; kill -9 $!; wait", TimeSpan.FromMinutes(10));
            Host.Pcipass("recover", TimeSpan.FromMinutes(10)).Exits(0);
            Host.Run("virsh domstate web1").Says("shut off");
            Host.Pcipass("restore /tmp/second", TimeSpan.FromMinutes(10)).Exits(0);
            Resumed();
            Assert.InRange(Count(), counted, counted + 120);
            Uses("eth0");
            Host.Pcipass("detach 09:00.0 web1").Exits(0).Says($"the host has {Card}, with driver e1000e");
        }
        finally
        {
            Host.Run("virsh destroy web1; rm -f /tmp/image* /tmp/second* /run/lab/guest-*.ready").Exits(0);
        }

        // lab-guest waits for a new process to say that it has booted; this one does not say so again.
        void Resumed() => Host.Run(": >/run/lab/guest-$(cat /run/libvirt/qemu/web1.pid).ready").Exits(0);

        int Count() => int.Parse(Host.RunIn("web1", "cat /tmp/count", TimeSpan.FromMinutes(5)).Exits(0).Stdout.Trim(), CultureInfo.InvariantCulture);

        void Uses(string name) => Host.RunIn("web1", $"until [ -e /sys/class/net/{name} ]; do sleep 1; done; net-check {name}", TimeSpan.FromMinutes(5)).Exits(0).Says("3 packets received");
    }

    /// <summary>Minutes: the guest's kernel boots in emulation on an emulated machine.</summary>
    [Fact]
    public void A_booted_guest_gets_a_card_by_either_tool_uses_it_and_lets_go_by_either()
    {
        Host.Run("virsh start web1").Exits(0);
        try
        {
            output.WriteLine($"booted in {Host.RunIn("web1", "show-pci", TimeSpan.FromMinutes(20)).Exits(0).Seconds:0} s");

            var attach = Host.Pcipass("attach 09:00.0 web1").Exits(0);
            attach.Says($"web1 has {Card}");
            output.WriteLine($"attached in {attach.Seconds:0.0} s\n{attach.Stdout}");
            foreach (var half in (string[])["", "--inactive"])
                Host.Run($"virsh dumpxml {half} web1").Exits(0).Says("<hostdev mode='subsystem' type='pci' managed='no'>", Source);
            Host.RunIn("web1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done; net-check eth0", TimeSpan.FromMinutes(5)).Exits(0).Says("3 packets received");

            var detach = Host.Pcipass("detach 09:00.0 web1").Exits(0);
            detach.Says($"the host has {Card}, with driver e1000e");
            output.WriteLine($"detached in {detach.Seconds:0.0} s\n{detach.Stdout}");
            foreach (var half in (string[])["", "--inactive"])
                Host.Run($"! virsh dumpxml {half} web1 | grep hostdev").Exits(0);
            Host.RunIn("web1", "[ ! -e /sys/class/net/eth0 ]", TimeSpan.FromMinutes(2)).Exits(0);
            Host.Run("net-check $(ls /sys/bus/pci/devices/0000:09:00.0/net)").Exits(0);

            // virsh gives, pcipass takes. libvirt has had the card unmanaged before, keeps that in mind, and does not give it back: so that is told.
            Host.Run($"echo \"<hostdev mode='subsystem' type='pci' managed='yes'><source>{Source}</source></hostdev>\" >/tmp/managed.xml && virsh attach-device web1 /tmp/managed.xml --live").Exits(0);
            Host.Pcipass("status").Exits(0).Says("attached  web1", "libvirt's definition of web1 does not name it");
            Host.Pcipass("unhide 09:00.0").Exits(1).Says("[still-attached]");
            Host.RunIn("web1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done", TimeSpan.FromMinutes(5)).Exits(0);
            Host.Pcipass("detach 09:00.0 web1").Exits(0).Says($"{Card} is hidden from the host");
            Host.Pcipass("unhide --now 09:00.0").Exits(0).Says($"the host has {Card}, with driver e1000e");

            // pcipass gives, virsh takes: the card stays hidden until pcipass gives it back.
            Host.Pcipass("attach 09:00.0 web1 --live").Exits(0);
            Host.RunIn("web1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done", TimeSpan.FromMinutes(5)).Exits(0);
            Host.Run("virsh detach-device web1 /tmp/managed.xml --live; until ! virsh dumpxml web1 | grep -q hostdev; do sleep 1; done").Exits(0);
            Host.Run("pcipass status | tr -s ' '").Exits(0).Says($"{Card} hidden");
            Host.Pcipass("detach 09:00.0 web1").Exits(0);
            Assert.Equal("e1000e", Host.DriverOf(Card));
        }
        finally
        {
            Host.Run("virsh destroy web1; rm -f /run/lab/guest-*.ready").Exits(0);
        }
    }
}
