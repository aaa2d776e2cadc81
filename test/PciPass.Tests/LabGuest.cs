using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>Inside a PV guest: without its module hot-plug does not work, with it it does; and with the agent its driver goes before the function does.</summary>
[Collection(LabDemo.Name)]
public sealed class LabGuest(LabDemo host, ITestOutputHelper output) : LabTest(host)
{
    [Fact]
    [Trait("Category", "Nightly")]
    public void A_guest_is_set_up_from_inside_and_its_agent_lets_go_before_the_host_takes_away()
    {
        Host.StartGuestWithProgram("inside1", modules: "none");
        Host.RunIn("inside1", "mkdir -p /etc/modules-load.d; modprobe e1000e").Exits(0);
        var domain = Host.DomainOf("inside1");
        Host.RunIn("inside1", "pcipass guest check").Exits(1).Says("this is a Xen PV guest", "hot-plug: does not work: xen-pcifront not loaded");
        Host.Pcipass("attach 09:00.0 inside1").Exits(5).Says("attach waits for the guest", "guest inside1 has not taken up its PCI bus", "modprobe xen-pcifront");
        Host.RunIn("inside1", "show-pci").SaysNot(":");
        // Nothing was taken back: its kernel would find a dead function once it loads the module, and crash.
        Assert.Equal($"d{domain}", Host.OwnerOf(Card));

        Host.RunIn("inside1", "pcipass guest setup").Exits(0).Says("load the module xen-pcifront", "hot-plug: ready");
        Host.RunIn("inside1", "lsmod | grep xen_pcifront; cat /etc/modules-load.d/pcipass.conf").Exits(0).Says("xen_pcifront", "# for PCI hot-plug", "xen-pcifront");
        Host.Pcipass("recover").Exits(0).Says($"inside1 has {Card} as 0000:00:00.0");
        Host.RunIn("inside1", "show-pci").Exits(0).Says("0000:00:00.0 8086:10d3 020000 e1000e eth0");

        // In the guest's own files it can be undone; what is loaded stays.
        Host.RunIn("inside1", "pcipass guest undo && test ! -e /etc/modules-load.d/pcipass.conf && pcipass guest check").Exits(0).Says("hot-plug: ready");
        Host.RunIn("inside1", "pcipass guest script --for rhel5 >/run/hotplug.sh && sh /run/hotplug.sh check && sh /run/hotplug.sh setup && cat /etc/modules-load.d/pcipass.conf && sh /run/hotplug.sh undo")
            .Exits(0).Says("module xen-pcifront: loaded, not kept for a start", "module xen-pcifront: loaded, kept for each start", "hot-plug: ready", "removed /etc/modules-load.d/pcipass.conf");

        // The plain way, with a driver that works: libxl takes its function away from below it.
        Host.RunIn("inside1", "ip link set eth0 up; dmesg -c >/dev/null").Exits(0);
        Host.Pcipass("detach 09:00.0 inside1").Exits(0);
        TellLogs("without the agent");
        Host.Pcipass("attach 09:00.0 inside1").Exits(0);

        Host.RunIn("inside1", "ip link set eth0 up; dmesg -c >/dev/null; pcipass guest agent >/run/agent.log 2>&1 & echo $! >/run/agent.pid").Exits(0);
        Host.Run($"until xenstore-exists /local/domain/{domain}/data/pcipass/agent; do usleep 100000; done").Exits(0);
        // Another may ask for anything: what the host has not given stays.
        Host.Run($"xenstore-write /local/domain/{domain}/data/pcipass/ask '1 let-go 0000:00:05.0'; until xenstore-exists /local/domain/{domain}/data/pcipass/answer; do usleep 100000; done; xenstore-read /local/domain/{domain}/data/pcipass/answer; xenstore-rm /local/domain/{domain}/data/pcipass/ask")
            .Exits(0).Says("1 refused");
        // Asked and then let be, the driver comes back by itself.
        Host.Run($"xenstore-write /local/domain/{domain}/data/pcipass/ask '2 let-go 0000:00:00.0'; until [ \"$(xenstore-read /local/domain/{domain}/data/pcipass/answer)\" = '2 done' ]; do usleep 100000; done").Exits(0);
        Host.RunIn("inside1", "show-pci").Exits(0).Says("0000:00:00.0 8086:10d3 020000 - -");
        Host.Run($"xenstore-rm /local/domain/{domain}/data/pcipass/ask; while xenstore-exists /local/domain/{domain}/data/pcipass/answer; do usleep 100000; done").Exits(0);
        Host.RunIn("inside1", "until show-pci | grep e1000e; do usleep 100000; done; ip link set eth0 up").Exits(0);

        Host.Pcipass("detach 09:00.0 inside1").Exits(0).Says("the agent in inside1 says that its driver has let go of 0000:00:00.0", $"the host has {Card}, with driver e1000e");
        Host.RunIn("inside1", "cat /run/agent.log; show-pci").Exits(0).Says("0000:00:05.0: refused", "0000:00:00.0: stays, and has its driver e1000e again", "0000:00:00.0: done").SaysNot("8086:10d3");
        TellLogs("with the agent");
        Host.RunIn("inside1", "kill $(cat /run/agent.pid); while kill -0 $(cat /run/agent.pid) 2>/dev/null; do usleep 100000; done").Exits(0);
        Host.Run($"xenstore-exists /local/domain/{domain}/data/pcipass/agent").Exits(1);
        Host.Run("xl destroy inside1").Exits(0);
    }

    /// <summary>What the guest's kernel and the hypervisor say of a detach.</summary>
    void TellLogs(string when) =>
        output.WriteLine($"{when}, the guest's kernel:\n{Host.RunIn("inside1", "dmesg -c").Stdout}\nthe hypervisor:\n{Host.Run("xl dmesg -c | grep -i -e dmar -e fault -e iommu").Stdout}");
}
