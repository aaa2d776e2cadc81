using System.Globalization;
using PciPass.Lab;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>
/// Two machines with libvirt, joined by a cable: a guest of QEMU moves from one to the other while it runs. What counts is what the guest does: a
/// process in it goes on, and the card that it gets there carries its pings.
/// </summary>
[Trait("Category", "Lab")]
[Trait("Category", "Nightly")]
public sealed class LabLibvirtMigrate(LabLibvirtMigrate.Two hosts, ITestOutputHelper output) : IClassFixture<LabLibvirtMigrate.Two>
{
    const string Card = "0000:09:00.0";

    /// <summary>The machines kvm1 and kvm2. A guest's console lies at two pipes, on either machine; any guest's definition starts libvirtd.</summary>
    public sealed class Two() : TwoHosts(Machine.Libvirt, "9.0", "kvm")
    {
        protected override string Start => "lab-libvirt web1 && virsh undefine web1";
    }

    /// <summary>A guest boots in emulation within emulation, and moves so.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    LabHost First => hosts.First;
    LabHost Second => hosts.Second;

    static int Counted(LabHost host) => int.Parse(host.RunIn("web1", "read a b </run/count; echo $a", TimeSpan.FromMinutes(5)).Exits(0).Stdout.Trim(), CultureInfo.InvariantCulture);

    /// <summary>The longest time that it stood still, in seconds, by its own clock.</summary>
    static string Still(LabHost host) => host.RunIn("web1", "read a b </run/count; echo $b", TimeSpan.FromMinutes(5)).Exits(0).Stdout.Trim();

    static void UsesItsCard(LabHost host) => host.RunIn("web1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done; net-check eth0", TimeSpan.FromMinutes(5)).Exits(0).Says("3 packets received");

    /// <summary>A guest that came from elsewhere has booted long ago: nobody need wait for it to say so.</summary>
    static void WasReady(LabHost host) => host.Run(": >/run/lab/guest-$(cat /run/libvirt/qemu/web1.pid).ready").Exits(0);

    static void AtRest(LabHost host) => Assert.Equal("", host.Run("grep -L '^end ' /var/lib/pcipass/journal/* 2>/dev/null").Stdout);

    [Fact]
    public void A_guest_moves_while_it_runs_gets_a_like_card_there_and_comes_back()
    {
        Second.Run("true").Exits(0);
        First.Run("virsh define /tmp/web1.xml && virsh start web1").Exits(0);
        First.RunIn("web1", """
            (i=0; g=0; l=$(cut -d. -f1 /proc/uptime); while :; do i=$((i+1)); n=$(cut -d. -f1 /proc/uptime); [ $((n - l)) -le $g ] || g=$((n - l)); l=$n; echo $i $g >/run/count.new; mv /run/count.new /run/count; usleep 500000; done) >/dev/null 2>&1 &
            """, TimeSpan.FromMinutes(20)).Exits(0);
        First.Pcipass("attach 09:00.0 web1 --live").Exits(0);
        UsesItsCard(First);
        First.Run("virsh migrate --live --p2p --tunnelled web1 qemu+ssh://kvm2/system").Exits(1).Says("VFIO device doesn't support migration");
        First.Pcipass("can-migrate web1 kvm2").Exits(0).Says($"guest web1 can be migrated; {Card} would go out before");
        var counted = Counted(First);

        var there = First.Pcipass("migrate web1 kvm2", Patience).Exits(0);
        there.Says("done: guest web1 runs on kvm2", $"kvm2: done: web1 has {Card}");
        First.Run("virsh domstate web1").Says("shut off");
        WasReady(Second);
        Assert.InRange(Counted(Second), counted + 1, counted + 3000);
        UsesItsCard(Second);
        output.WriteLine($"there in {there.Seconds:0} s; the guest stood still for at most {Still(Second)} s\n{there.Stderr}{there.Stdout}");
        First.Pcipass("detach 09:00.0 web1").Exits(0).Says($"the host has {Card}, with driver e1000e");
        AtRest(First);
        AtRest(Second);

        // Killed while libvirt moves it: libvirt goes on, and so does recovery.
        Second.Run("pcipass migrate web1 kvm1 & until virsh domjobinfo web1 2>/dev/null | grep -q Unbounded; do usleep 50000; done; kill -9 $!; wait", Patience);
        Second.Pcipass("recover", Patience).Exits(0).Says("done: guest web1 runs on kvm1");
        WasReady(First);
        UsesItsCard(First);
        Second.Pcipass("detach 09:00.0 web1").Exits(0).Says($"the host has {Card}, with driver e1000e");
        First.Pcipass("detach 09:00.0 web1").Exits(0);
        First.Run("virsh destroy web1; virsh undefine web1").Exits(0);
        AtRest(First);
        AtRest(Second);
    }

    /// <summary>Where libvirt cannot get through, the guest stays, and has its card again.</summary>
    [Fact]
    public void A_move_that_libvirt_cannot_make_leaves_the_guest_here_with_its_card()
    {
        Second.Run("true").Exits(0);
        First.Run("virsh define /tmp/web1.xml && virsh start web1").Exits(0);
        First.RunIn("web1", "true", TimeSpan.FromMinutes(20)).Exits(0);
        First.Pcipass("attach 09:00.0 web1 --live").Exits(0);
        // There, the pipe that its console needs is missing.
        Second.Run("rm /run/lab/qemu-web1.in").Exits(0);
        First.Pcipass("migrate web1 kvm2", Patience).Exits(3).Says("error: migrate failed and was undone", $"now:   web1 has {Card}");
        Second.Run("mkfifo /run/lab/qemu-web1.in").Exits(0);
        UsesItsCard(First);
        First.Pcipass("detach 09:00.0 web1").Exits(0);
        First.Run("virsh destroy web1; virsh undefine web1").Exits(0);
        AtRest(First);
    }
}
