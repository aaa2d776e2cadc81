using Xunit;

namespace PciPass.Tests;

/// <summary>Where the kernel or the toolstack says one thing and another is true: pcipass rests on these.</summary>
[Collection(LabDemo.Name)]
public sealed class LabTraps(LabDemo host) : LabTest(host)
{
    const string Pciback = "/sys/bus/pci/drivers/pciback";

    [Fact]
    public void A_slot_of_pciback_proves_nothing_and_comes_back_after_a_detach()
    {
        Host.Run($"echo {Card} >{Pciback}/new_slot").Exits(0);
        Host.Run($"cat {Pciback}/slots").Says(Card);
        Assert.Equal("e1000e", Host.DriverOf(Card));

        Host.Pcipass("show 09:00.0").Exits(0).Says("state:               free");
        Host.Pcipass("unhide 09:00.0").Exits(1).Says("[not-hidden]", "the host already has it, with driver e1000e");
        Host.Pcipass("attach 09:00.0 web1").Exits(0);
        Host.Pcipass("detach 09:00.0 web1").Exits(0).Says($"the host has {Card}, with driver e1000e");

        Host.Run($"cat {Pciback}/slots").Says(Card);
        Host.Run($"echo {Card} >{Pciback}/remove_slot").Exits(0);
    }

    [Fact]
    public void A_card_given_back_through_sysfs_alone_looks_well_and_loses_every_packet()
    {
        Host.Run("xl pci-assignable-add 09:00.0").Exits(0);
        Host.Run($"""
            echo {Card} >{Pciback}/unbind
            echo {Card} >{Pciback}/remove_slot
            echo {Card} >/sys/bus/pci/drivers_probe
            """).Exits(0);
        Assert.Equal("e1000e", Host.DriverOf(Card));
        Assert.Equal("DomIO", Host.OwnerOf(Card));
        Host.Run("net-check eth1").Exits(1).Says("100% packet loss");

        // The same card, hidden and given back by pcipass, works: what went wrong is cured on the way.
        Host.Pcipass("hide 09:00.0").Exits(0);
        Host.Pcipass("unhide 09:00.0").Exits(0);
        Assert.Equal("d0", Host.OwnerOf(Card));
        Host.Run("net-check eth1").Exits(0).Says(", 0% packet loss");
    }

    [Fact]
    public void A_card_that_was_unbound_by_hand_after_it_was_hidden_is_given_back_with_its_network()
    {
        Host.Pcipass("hide 09:00.0").Exits(0);
        Host.Run($"echo {Card} >{Pciback}/unbind").Exits(0);
        Assert.Equal("DomIO", Host.OwnerOf(Card));
        Host.Pcipass("status").Exits(0).Says("changed by hand since: it has no driver: unhide it");
        Host.Pcipass("unhide 09:00.0").Exits(0).Says($"the host has {Card}, with driver e1000e");
        Assert.Equal("d0", Host.OwnerOf(Card));
        Host.Run("net-check eth1").Exits(0).Says(", 0% packet loss");
    }

    [Fact]
    public void A_function_hidden_through_sysfs_alone_is_brought_under_quarantine_and_given_back()
    {
        // As at boot or with driverctl: on pciback, in no quarantine, and xl refuses to remove it.
        Host.Run($"""
            echo {Card} >/sys/bus/pci/drivers/e1000e/unbind
            echo pciback >/sys/bus/pci/devices/{Card}/driver_override
            echo {Card} >/sys/bus/pci/drivers_probe
            """).Exits(0);
        Assert.Equal(("pciback", "d0"), (Host.DriverOf(Card), Host.OwnerOf(Card)));
        Host.Run("xl pci-assignable-remove 09:00.0").Exits(1).Says("failed to de-quarantine");

        Host.Pcipass("attach 09:00.0 web1").Exits(0).Says($"web1 has {Card} as 0000:00:00.0");
        Host.RunIn("web1", "show-pci").Says("8086:10d3");
        Host.Pcipass("detach 09:00.0 web1").Exits(0).Says($"{Card} is hidden from the host");
        Host.Pcipass("unhide 09:00.0").Exits(0).Says($"the host has {Card}, with driver e1000e");
    }

    [Fact]
    public void The_word_of_xl_is_no_proof_that_a_guest_has_a_function()
    {
        Host.StartGuest("deaf1", modules: "none");
        Host.Run("xl pci-assignable-add 09:00.0").Exits(0);
        Host.Run("xl pci-attach deaf1 09:00.0").Exits(0);
        Host.RunIn("deaf1", "show-pci").SaysNot(":");
        // Given to the guest in Xen, offered in xenstore, and yet the guest does not know.
        Assert.Equal("3", Host.Store($"/local/domain/0/backend/pci/{Host.DomainOf("deaf1")}/0/state"));
        Host.Pcipass("attach 09:00.0 web1").Exits(1).Says("[attached]", "guest deaf1 (domain");
        Host.Run("xl destroy deaf1").Exits(0);
        Host.Pcipass("unhide 09:00.0").Exits(0).Says($"the host has {Card}, with driver e1000e");
    }
}
