using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>Xen's dom0, where libvirt runs guests beside xl: what pcipass does virsh shows, and what virsh and xl do pcipass sees.</summary>
[Collection(nameof(LibvirtXenMachine))]
[Trait("Category", "Nightly")]
public sealed class LabLibvirtXen(LibvirtXenMachine host, ITestOutputHelper output) : LabTest(host)
{
    const string Source = "<address domain='0x0000' bus='0x09' slot='0x00' function='0x0'/>";

    static string Element(string managed) => $"<hostdev mode='subsystem' type='pci' managed='{managed}'><source>{Source}</source></hostdev>";

    string Guests => Host.Run("pcipass guests | tr -s ' '").Exits(0).Stdout;

    [Fact]
    public void A_running_guest_gets_a_card_through_libvirt_uses_it_and_gives_it_back()
    {
        Assert.Contains($"virt1 libvirt pv domain {Host.DomainOf("virt1")} - -", Guests, StringComparison.Ordinal);
        var attach = Host.Pcipass("attach 09:00.0 virt1").Exits(0);
        attach.Says($"virt1 has {Card}");
        foreach (var half in (string[])["", "--inactive"])
            Host.Run($"virsh dumpxml {half} virt1").Exits(0).Says("<hostdev mode='subsystem' type='pci' managed='no'>", Source);
        Host.RunIn("virt1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done; net-check eth0").Exits(0).Says("3 packets received");
        Host.Pcipass("unhide 09:00.0").Exits(1).Says("[still-attached]", "guest virt1");

        var detach = Host.Pcipass("detach 09:00.0 virt1").Exits(0);
        detach.Says($"the host has {Card}, with driver e1000e");
        output.WriteLine($"attached in {attach.Seconds:0.0} s, detached in {detach.Seconds:0.0} s");
        foreach (var half in (string[])["", "--inactive"])
            Host.Run($"! virsh dumpxml {half} virt1 | grep hostdev").Exits(0);
        Host.Run("net-check $(ls /sys/bus/pci/devices/0000:09:00.0/net)").Exits(0);
    }

    [Fact]
    public void A_stopped_guest_starts_with_the_card_that_its_definition_got()
    {
        Host.Pcipass("attach 09:00.0 virt2").Exits(0);
        Host.Run("virsh dumpxml --inactive virt2").Exits(0).Says("<hostdev mode='subsystem' type='pci' managed='no'>", Source);
        Assert.Contains($"virt2 libvirt pv stopped - {Card}", Guests, StringComparison.Ordinal);
        Host.Run("virsh start virt2").Exits(0);
        try
        {
            Host.RunIn("virt2", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done; net-check eth0").Exits(0).Says("3 packets received");
            Host.Pcipass("status").Exits(0).Says("attached  virt2");
            Host.Pcipass("detach 09:00.0 virt2").Exits(0).Says($"the host has {Card}, with driver e1000e");
        }
        finally
        {
            Host.Run("virsh destroy virt2").Exits(0);
        }
        Host.Run("! virsh dumpxml --inactive virt2 | grep hostdev").Exits(0);
        Host.Run("net-check $(ls /sys/bus/pci/devices/0000:09:00.0/net)").Exits(0);
    }

    [Fact]
    public void What_virsh_gives_pcipass_takes_and_the_other_way_round()
    {
        Host.Run($"echo \"{Element("no")}\" >/tmp/card.xml").Exits(0);
        Host.Pcipass("hide --now 09:00.0").Exits(0);
        Host.Run("virsh attach-device virt1 /tmp/card.xml --live").Exits(0);
        Host.RunIn("virt1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done").Exits(0);
        Host.Pcipass("status").Exits(0).Says("attached  virt1", "libvirt's definition of virt1 does not name it");
        Host.Pcipass("unhide --now 09:00.0").Exits(1).Says("[still-attached]");
        Host.Pcipass("detach 09:00.0 virt1").Exits(0);
        Host.Run("! virsh dumpxml virt1 | grep hostdev").Exits(0);

        Host.Pcipass("attach 09:00.0 virt1 --live").Exits(0);
        Host.RunIn("virt1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done").Exits(0);
        Host.Run("virsh detach-device virt1 /tmp/card.xml --live").Exits(0);
        Host.Run("pcipass status | tr -s ' '").Exits(0).Says($"{Card} hidden");
        Host.Pcipass("unhide --now 09:00.0").Exits(0);
        Host.Run("net-check $(ls /sys/bus/pci/devices/0000:09:00.0/net)").Exits(0);
    }

    [Fact]
    public void What_xl_gives_behind_libvirts_back_is_told_and_taken()
    {
        Host.Pcipass("hide --now 09:00.0").Exits(0);
        Host.Run("xl pci-attach virt1 09:00.0").Exits(0);
        Host.RunIn("virt1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done").Exits(0);
        Host.Run("! virsh dumpxml virt1 | grep hostdev").Exits(0);
        Assert.Contains($"virt1 has {Card}, which libvirt did not give it and does not list", Guests, StringComparison.Ordinal);
        Host.Pcipass("detach 09:00.0 virt1").Exits(0);
        Host.Pcipass("unhide --now 09:00.0").Exits(0);
        Host.Run("net-check $(ls /sys/bus/pci/devices/0000:09:00.0/net)").Exits(0);
    }

    /// <summary>libvirt's Xen driver starts the same helper as xl; virsh then tells that it failed, and libvirt's log why.</summary>
    [Fact]
    public void With_the_guard_virsh_does_not_save_what_it_would_break()
    {
        Host.Pcipass("guard install").Exits(0);
        Host.Pcipass("attach 09:00.0 virt1 --live").Exits(0);
        Host.RunIn("virt1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done; net-check eth0").Exits(0).Says("3 packets received");
        Host.Run("virsh save virt1 /tmp/virt1").Exits(1).Says("Failed to save domain");
        Host.Run("virsh domstate virt1").Exits(0).Says("running");
        Host.RunIn("virt1", "net-check eth0").Exits(0).Says("3 packets received");
        Host.Pcipass("guard uninstall").Exits(0);
        Host.Pcipass("detach 09:00.0 virt1 --live").Exits(0);
        Host.Run("net-check $(ls /sys/bus/pci/devices/0000:09:00.0/net)").Exits(0);
    }
}
