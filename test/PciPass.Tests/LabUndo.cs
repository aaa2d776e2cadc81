using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>Real failures in the middle of an operation: what was done is undone, and the error tells both.</summary>
[Collection(LabFaults.Name)]
public sealed class LabUndo(LabFaults host) : LabTest(host)
{
    [Fact]
    public void When_xl_fails_the_host_gets_everything_back()
    {
        var failed = Host.Pcipass("attach 09:00.0 07:00.0 plain1 --accept guest-not-prepared").Exits(3);
        failed.Says("error: attach failed and was undone     [undone]",
            $"why:   could not plug {Card} into plain1 (domain {Host.DomainOf("plain1")}): xl pci-attach",
            "xc_assign_device failed: Operation not supported",
            $"now:   the host has {Card}, with driver e1000e (eth1)",
            $"now:   the host has {Disk}, with driver nvme (nvme0n1)");
        Assert.Equal(
            [
                "undo: change /etc/xen/plain1.cfg",
                $"undo: take {Disk} from pciback and give it back to dom0",
                $"undo: clear the driver_override of {Disk} (now pciback)",
                $"undo: bind {Disk} to nvme",
                $"undo: take {Card} from pciback and give it back to dom0",
                $"undo: clear the driver_override of {Card} (now pciback)",
                $"undo: bind {Card} to e1000e",
            ],
            failed.Stderr.Split('\n').Select(line => line.Trim()).Where(line => line.StartsWith("undo: ", StringComparison.Ordinal)));
        Host.Pcipass("status").Exits(0).Says("no function is away from the host");
        Host.Run("net-check eth1").Exits(0).Says(", 0% packet loss");
    }

    [Fact]
    public void When_the_driver_before_does_not_take_its_card_back_the_guest_keeps_it()
    {
        // A driver that knows the card only because it was told: and then it is told to forget it.
        Host.Run($"""
            modprobe uio_pci_generic
            echo {Card} >/sys/bus/pci/drivers/e1000e/unbind
            echo 8086 10d3 >/sys/bus/pci/drivers/uio_pci_generic/new_id
            """).Exits(0);
        Assert.Equal("uio_pci_generic", Host.DriverOf(Card));
        Host.Pcipass("attach 09:00.0 web1 --accept other-holder").Exits(0);
        var attached = Host.Picture();
        Host.Run("echo 8086 10d3 >/sys/bus/pci/drivers/uio_pci_generic/remove_id").Exits(0);

        Host.Pcipass("detach 09:00.0 web1").Exits(3).Says(
            $"why:   could not bind {Card} to uio_pci_generic: write {Card} to /sys/bus/pci/drivers/uio_pci_generic/bind: no such device (ENODEV)",
            $"  undo: bind {Card} to pciback, ready for a guest",
            $"  undo: plug {Card} into web1",
            $"now:   web1 has {Card} as 0000:00:00.0");
        Assert.Equal(attached, Host.Picture());
        Host.RunIn("web1", "show-pci").Exits(0).Says("0000:00:00.0 8086:10d3 020000 e1000e eth0");
        Host.RunIn("web1", "net-check eth0").Exits(0).Says(", 0% packet loss");

        // With the driver unloaded altogether it is known before anything is done.
        Host.Run("rmmod uio_pci_generic").Exits(0);
        Host.Pcipass("detach 09:00.0 web1").Exits(1).Says("[driver-gone]", "modprobe uio_pci_generic");
        Host.Run("modprobe uio_pci_generic; echo 8086 10d3 >/sys/bus/pci/drivers/uio_pci_generic/new_id").Exits(0);
        Host.Pcipass("detach 09:00.0 web1").Exits(0).Says($"the host has {Card}, with driver uio_pci_generic");
        Host.Run($"rmmod uio_pci_generic uio; echo {Card} >/sys/bus/pci/drivers/e1000e/bind").Exits(0);
    }

    [Fact]
    public void When_the_guest_is_destroyed_while_attach_waits_for_it_the_host_gets_its_card_back()
    {
        Host.StartGuest("deaf1", modules: "none");
        var domain = Host.DomainOf("deaf1");
        var failed = Host.Run($"""
            pcipass attach 09:00.0 deaf1 & attach=$!
            until xenstore-exists /local/domain/0/backend/pci/{domain}/0/vdev-0; do usleep 50000; done
            usleep 500000
            xl destroy deaf1
            wait $attach
            """).Exits(3);
        failed.Says("error: attach failed and was undone     [undone]", $"now:   the host has {Card}, with driver e1000e (eth1)");
        Assert.InRange(failed.Seconds, 0, 25);
        Assert.Equal("d0", Host.OwnerOf(Card));
    }

    [Fact]
    public void A_guest_that_does_not_answer_attach_is_waited_for_and_recover_goes_on_once_it_answers()
    {
        Host.StartGuest("deaf1", modules: "none");
        try
        {
            Host.Pcipass("attach 09:00.0 deaf1").Exits(5).Says("error: attach waits for the guest     [pending]", "pcipass recover");
            Host.Pcipass("status").Exits(0).Says("(attach) is pending");
            Host.Pcipass("attach 09:00.0 web1").Exits(1).Says("[busy]", "(attach) is pending");
            Host.Pcipass("unhide 09:00.0").Exits(1).Says("[busy]");

            Host.RunIn("deaf1", "modprobe -a xen-pcifront").Exits(0);
            Host.Pcipass("recover").Exits(0).Says($"done: deaf1 has {Card}");
            Host.Pcipass("recover").Exits(0).Says("every operation has ended");
            Host.Pcipass("detach 09:00.0 deaf1").Exits(0).Says($"the host has {Card}, with driver e1000e (eth1)");
            Host.Pcipass("status").Exits(0).Says("no function is away from the host");
        }
        finally
        {
            Host.Run("xl destroy deaf1");
        }
    }

    [Fact]
    public void A_guest_that_does_not_let_go_is_waited_for_and_recover_goes_on_once_it_is_gone()
    {
        Host.StartGuest("late1");
        Host.Pcipass("attach 09:00.0 late1").Exits(0);
        Host.Run("xl pause late1").Exits(0);
        Host.Pcipass("detach 09:00.0 late1").Exits(5).Says("error: detach waits for the guest     [pending]", "guest late1 has not let go of 0000:09:00.0 within 30 s");
        Assert.Equal("pciback", Host.DriverOf(Card));
        Host.Pcipass("attach 09:00.0 web1").Exits(1).Says("[busy]", "(detach) is pending");

        Host.Run("xl destroy late1").Exits(0);
        Host.Pcipass("recover").Exits(0).Says($"the host has {Card}, with driver e1000e (eth1)");
        Host.Run("net-check eth1").Exits(0).Says(", 0% packet loss");
    }
}

/// <summary>A machine like the demonstration's for the tests in which something breaks: they wait long, and the other machine's go on meanwhile.</summary>
public sealed class LabFaults() : LabHost(Machine.Demo, "test-faults", "web1", "plain1")
{
    public const string Name = "a machine where something breaks";

    [CollectionDefinition(Name)]
    public sealed class Collection : ICollectionFixture<LabFaults>;
}
