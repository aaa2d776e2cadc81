using Xunit;

namespace PciPass.Tests;

/// <summary>A fully virtualised guest of Xen, booted, with a real device model: what pcipass does, and what the guest then does with its card.</summary>
[Collection(nameof(HvmMachine))]
public sealed class LabHvm(HvmMachine host) : LabTest(host)
{
    const string Seen = "0000:00:03.0";

    void Pings() => Host.RunIn("hvm1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done; net-check eth0").Exits(0).Says(", 0% packet loss");

    void GivesBack()
    {
        Host.Pcipass("detach 09:00.0 hvm1").Exits(0).Says($"the host has {Card}, with driver e1000e");
        IsBack();
    }

    void IsBack() => Host.Run($"net-check $(ls /sys/bus/pci/devices/{Card}/net)").Exits(0).Says(", 0% packet loss");

    [Fact]
    public void A_card_works_in_the_guest_and_comes_back_also_when_the_guest_lets_go_too_late()
    {
        Host.Pcipass("attach 09:00.0 hvm1").Exits(0).Says($"done: hvm1 has {Card} as {Seen}");
        Assert.Equal($"d{Host.DomainOf("hvm1")}", Host.OwnerOf(Card));
        Pings();
        Host.Run("xl pause hvm1").Exits(0);
        Host.Pcipass("detach 09:00.0 hvm1").Exits(5).Says("guest hvm1 has not let go of 0000:09:00.0 in the ten seconds that xl waits");
        Host.Pcipass("recover").Exits(5);
        Host.Run("xl unpause hvm1").Exits(0);
        Host.RunIn("hvm1", $"while [ -e /sys/bus/pci/devices/{Seen} ]; do sleep 1; done").Exits(0);
        Assert.Equal($"d{Host.DomainOf("hvm1")}", Host.OwnerOf(Card));
        Host.Pcipass("recover").Exits(0);
        IsBack();
    }

    [Fact]
    public void A_guest_with_a_card_with_an_interrupt_pin_is_saved_and_goes_on_where_it_was_and_its_card_works()
    {
        CountingGuest.Start(Host, "hvm1");
        Host.Pcipass("attach 09:00.0 hvm1").Exits(0);
        Pings();
        Host.Pcipass("guests").Exits(0).Says($"a plain xl save would leave {Card} in hvm1 for good");
        Host.Pcipass("guard install").Exits(0);
        Host.Run("xl save hvm1 /tmp/hvm1").Exits(1).Says("error: guest hvm1 is not saved or moved; it runs on as it was     [plain-save]");
        Host.Pcipass("guard uninstall").Exits(0);
        Host.Run("rm /tmp/hvm1").Exits(0);
        Pings();
        var counted = CountingGuest.Counted(Host, "hvm1").Count;
        Host.Pcipass("save hvm1 /tmp/hvm1").Exits(0).Says("done: guest hvm1 is saved in /tmp/hvm1");
        Host.Run("xl domid hvm1").Exits(1);
        Host.Pcipass("restore /tmp/hvm1").Exits(0).Says($"done: hvm1 has {Card} as {Seen}");
        CountingGuest.WasReady(Host, "hvm1");
        Assert.True(CountingGuest.Counted(Host, "hvm1").Count > counted);
        Pings();
        Host.Run("rm /tmp/hvm1 /tmp/hvm1.pcipass").Exits(0);
        GivesBack();
    }

    /// <summary>Why the commands above exist: exit code 0, a guest that goes on, and a card that it has for good.</summary>
    [Fact]
    [Trait("Category", "Nightly")]
    public void A_plain_save_of_a_guest_with_a_card_leaves_the_card_in_it_for_good()
    {
        CountingGuest.Start(Host, "hvm1");
        Host.Pcipass("attach 09:00.0 hvm1").Exits(0);
        Pings();
        Host.Run("xl save hvm1 /tmp/hvm1 2>/dev/null && xl restore /tmp/hvm1 2>/dev/null && rm /tmp/hvm1").Exits(0);
        CountingGuest.WasReady(Host, "hvm1");
        Assert.True(CountingGuest.Counted(Host, "hvm1").Count > 0);
        Pings();
        Host.Pcipass("detach 09:00.0 hvm1").Exits(5).Says("guest hvm1 has not let go of 0000:09:00.0 in the ten seconds that xl waits");
        // Started again, it has the card by its configuration, and lets go of it.
        Host.Run("xl destroy hvm1 && xl create /etc/xen/hvm1.cfg 2>/dev/null").Exits(0);
        Host.RunIn("hvm1", "true").Exits(0);
        Host.Pcipass("recover").Exits(0).Says("(domain", "has it");
        Host.Pcipass("detach 09:00.0 hvm1").Exits(0);
    }

    /// <summary>xl's own live migration, within one host: with its card taken out, the guest works meanwhile.</summary>
    [Fact]
    [Trait("Category", "Nightly")]
    public void A_guest_whose_card_was_taken_out_is_moved_by_xl_while_it_runs()
    {
        CountingGuest.Start(Host, "hvm1");
        Host.Pcipass("attach 09:00.0 hvm1").Exits(0);
        Pings();
        Host.Pcipass("detach 09:00.0 hvm1").Exits(0);
        var counted = CountingGuest.Counted(Host, "hvm1").Count;
        Host.Run("printf '#!/bin/sh\\nshift\\nexec sh -c \"$*\"\\n' >/tmp/here; chmod +x /tmp/here; xl migrate -s /tmp/here hvm1 localhost 2>/tmp/moved || { cat /tmp/moved; exit 1; }; rm /tmp/here /tmp/moved").Exits(0);
        CountingGuest.WasReady(Host, "hvm1");
        Assert.True(CountingGuest.Counted(Host, "hvm1").Count > counted);
        Host.Pcipass("attach 09:00.0 hvm1").Exits(0);
        Pings();
        GivesBack();
    }
}
