using System.Globalization;
using System.Text.RegularExpressions;
using PciPass.Lab;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>The demonstration's machine, with what a guest's paravirtual network interface needs on both sides.</summary>
public sealed class LabNetwork() : LabHost(Machine.Demo, "test-network")
{
    public const string Name = "the machine with a network for guests";

    protected override System.Collections.Immutable.ImmutableArray<string> Modules => ["xen-netback", "xen-netfront", "bonding"];

    protected override string Start => "depmod -a";

    [CollectionDefinition(Name)]
    public sealed class Collection : ICollectionFixture<LabNetwork>;
}

/// <summary>A guest's connection lives on while its card is away: a bond of a paravirtual interface and the passed card (docs/bond.md has the figures).</summary>
[Collection(LabNetwork.Name)]
public sealed partial class LabBond(LabNetwork host, ITestOutputHelper output) : LabTest(host)
{
    [Fact]
    [Trait("Category", "Nightly")]
    public void A_bond_of_a_paravirtual_interface_and_a_passed_card_keeps_its_connection_while_the_card_comes_and_goes()
    {
        StartGuest();
        Guest("ping -c 3 -W 2 10.0.2.2").Says(" 0% packet loss");

        // In: the guest itself puts the card into the bond, and prefers it.
        var lost = Losses(() =>
        {
            Host.Pcipass("attach 09:00.0 bond1").Exits(0);
            Guest("n=0; until [ -e /sys/class/net/eth1 ]; do n=$((n + 1)); [ $n -lt 100 ]; usleep 100000; done; echo +eth1 >/sys/class/net/bond0/bonding/slaves; echo eth1 >/sys/class/net/bond0/bonding/primary; "
                + "until [ \"$(cat /sys/class/net/bond0/bonding/active_slave)\" = eth1 ]; do usleep 100000; done");
        });
        output.WriteLine($"in, and preferred: {lost}");
        Assert.InRange(lost.Lost, 0, 25);

        // Out, the plain way: libxl takes the guest's access away before the guest knows.
        lost = Losses(() => Host.Pcipass("detach 09:00.0 bond1").Exits(0));
        output.WriteLine($"out, the plain way: {lost}");
        Guest("cat /sys/class/net/bond0/bonding/active_slave").Says("eth0");
        Assert.InRange(lost.Lost, 0, 100);

        // And out of the bond first.
        Host.Pcipass("attach 09:00.0 bond1").Exits(0);
        Guest("until [ -e /sys/class/net/eth1 ]; do usleep 100000; done; echo +eth1 >/sys/class/net/bond0/bonding/slaves; until [ \"$(cat /sys/class/net/bond0/bonding/active_slave)\" = eth1 ]; do usleep 100000; done");
        lost = Losses(() =>
        {
            Guest("echo -eth1 >/sys/class/net/bond0/bonding/slaves");
            Host.Pcipass("detach 09:00.0 bond1").Exits(0);
        });
        output.WriteLine($"out of the bond first: {lost}");
        Assert.InRange(lost.Lost, 0, 5);
        Guest("ping -c 3 -W 2 10.0.2.2").Says(" 0% packet loss");
        Host.Run("xl destroy bond1; ip link set eth0 nomaster; ip link set eth0 down; ip link del br0").Exits(0);
    }

    Result Guest(string script) => Host.RunIn("bond1", script).Exits(0);

    /// <summary>The bridge has the other card, whose network answers at the same address; what a guest needs goes into a second archive.</summary>
    void StartGuest()
    {
        Host.Run("""
            ip link add br0 type bridge && ip link set eth0 master br0 && ip link set eth0 up && ip link set br0 up || exit 1
            modprobe xen-netback || exit 1
            cat >/tmp/vif-script <<'EOF'
            #!/bin/sh
            # What xl calls for a guest's interface: into the bridge, and say so.
            [ "$1" != online ] || { ip link set "$vif" master br0 && ip link set "$vif" up; }
            [ "$1" != online ] || xenstore-write "$XENBUS_PATH/hotplug-status" connected
            EOF
            chmod +x /tmp/vif-script
            modules=$(modprobe --show-depends -a xen-netfront bonding | sed -n 's/^insmod //p')
            # With their folders, in front of them: the kernel makes none of its own.
            places() { for path in $modules; do while [ $path != / ]; do echo ${path#/}; path=$(dirname $path); done; done; }
            { cat /boot/guest.cpio; (cd / && places | sort -u | cpio -o -H newc); } >/tmp/bond.cpio
            sed -e 's/web1/bond1/' -e 's|/boot/guest.cpio|/tmp/bond.cpio|' /etc/xen/web1.cfg >/tmp/bond1.cfg
            echo 'vif = [ "mac=52:54:00:b0:4d:01,script=/tmp/vif-script" ]' >>/tmp/bond1.cfg
            printf '%s\n' $modules >/tmp/bond.modules
            xl create /tmp/bond1.cfg
            """).Exits(0);
        var modules = Host.Run("cat /tmp/bond.modules").Exits(0).Stdout.Replace('\n', ' ');
        Guest($"for m in {modules}; do insmod $m || true; done; n=0; until [ -e /sys/class/net/eth0 ]; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; usleep 100000; done; "
            + "b=/sys/class/net/bond0/bonding; [ -e $b ] || echo +bond0 >/sys/class/net/bonding_masters; echo active-backup >$b/mode; echo 100 >$b/miimon; "
            + "ip link set bond0 up; echo +eth0 >$b/slaves; ip addr add 10.0.2.15/24 dev bond0");
    }

    /// <summary>Pings five times a second while something is done.</summary>
    (int Sent, int Lost) Losses(Action act)
    {
        Guest("ping -i 0.2 -W 1 10.0.2.2 >/run/ping 2>&1 & echo $! >/run/ping.pid; sleep 1");
        act();
        var said = Guest("sleep 1; kill -INT $(cat /run/ping.pid); sleep 1; tail -n 3 /run/ping").Stdout;
        var match = Summary().Match(said);
        Assert.True(match.Success, said);
        var (sent, received) = (Number(match.Groups["sent"]), Number(match.Groups["received"]));
        return (sent, sent - received);

        static int Number(Group group) => int.Parse(group.ValueSpan, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"(?<sent>\d+) packets transmitted, (?<received>\d+) packets received", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Summary();
}
