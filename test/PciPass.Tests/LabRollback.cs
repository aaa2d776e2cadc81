using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>
/// The interface that carries the caller's own session and the default route goes to VFIO with --rollback-after, on a real kernel: what is
/// not confirmed comes back with its addresses and routes, and the network answers again.
/// </summary>
[Trait("Category", "Nightly")]
public sealed class LabRollback(LabRollback.Linux host) : LabTest(host), IClassFixture<LabRollback.Linux>
{
    const string Hide = "SSH_CONNECTION='10.0.2.2 51234 10.0.2.15 22' pcipass hide --now 09:00.0 --accept ssh-session --accept in-use-network --rollback-after";

    /// <summary>An address of each kind, a default route and another one; no time is spent on asking whether somebody else has the address.</summary>
    const string Addresses = """
        n=$(ls /sys/bus/pci/devices/0000:09:00.0/net)
        ip addr add 10.0.2.15/24 broadcast + dev $n && ip addr add 198.51.100.7/32 dev $n && ip addr add fd00::5/64 dev $n && ip link set $n up
        ip route add default via 10.0.2.2 && ip route add 192.0.2.0/24 via 10.0.2.2
        """ + "\n" + Answers;

    /// <summary>The other end answers, and the kernel has given the addresses free.</summary>
    const string Answers = "until ping -c 1 -W 1 10.0.2.2 && ! ip -o addr | grep tentative; do [ $((tries += 1)) -lt 30 ] || exit 1; usleep 100000; done >/dev/null";

    public sealed class Linux() : LabHost(Machine.DemoLinux with { Modules = ["vfio-pci"] }, "test-rollback")
    {
        // QEMU's router would give it another address, at a moment of its own choice.
        protected override string Start => "for c in /proc/sys/net/ipv6/conf/*/accept_ra; do echo 0 >$c; done\n" + Addresses;
    }

    /// <summary>Addresses and routes of the interface, without the seconds of what is temporary.</summary>
    string Network() => Host.Run("ip -o addr show scope global | sed 's/ *valid_lft.*//; s/^[0-9]*: //'; ip route; ip -6 route | grep fd00; :").Exits(0).Stdout;

    /// <summary>Waits until nobody waits for a confirmation any more.</summary>
    void AwaitTheEnd() => Host.Run($"while {Waiters}; do [ $((tries += 1)) -lt 300 ] || exit 1; usleep 200000; done >/dev/null").Exits(0);

    /// <summary>The processes that wait for a confirmation.</summary>
    const string Waiters = "grep -l 'await-[c]onfirmation' /proc/[0-9]*/cmdline 2>/dev/null";

    void IsBack(string before)
    {
        Assert.Equal("e1000e", Host.DriverOf(Card));
        Host.Run(Answers).Exits(0);
        Assert.Equal(before, Network());
    }

    [Fact]
    public void Not_confirmed_it_comes_back_with_addresses_and_routes_and_answers()
    {
        var before = Network();
        Assert.Contains("default via 10.0.2.2", before, StringComparison.Ordinal);
        // The way of one's own session stays where the way back is not kept open.
        Host.Run(Hide[..Hide.IndexOf(" --rollback", StringComparison.Ordinal)]).Exits(1).Says("[ssh-session]");
        Host.Run($"{Hide} 10s").Exits(0).Says("unless you run, before that:  pcipass confirm");
        Assert.Equal("vfio-pci", Host.DriverOf(Card));
        Assert.DoesNotContain("10.0.2", Network(), StringComparison.Ordinal);
        AwaitTheEnd();
        IsBack(before);
        Host.Run("dmesg").Says("was not confirmed in time and is undone");
    }

    [Fact]
    public void Confirmed_it_holds_and_nothing_of_the_caller_stays_open()
    {
        // A caller's lock is free again; and a pipe's end comes at once, where it would come with the deadline if anything of it stayed open.
        Host.Run($"exec 9>/tmp/callers-lock; flock 9; n=$(date +%s); {{ {Hide} 100s 2>&1; echo $? >/tmp/code; }} | cat >/dev/null; [ $(($(date +%s) - n)) -lt 60 ] && exit $(cat /tmp/code)").Exits(0);
        Host.Run("flock -n /tmp/callers-lock true").Exits(0);
        Host.Run($"p=$({Waiters}) && cd ${{p%/cmdline}}/fd && for n in 0 1 2; do readlink $n; done").Exits(0).Says("/dev/null\n/dev/null\n/dev/null\n");
        Host.Pcipass("confirm").Exits(0).Says($"{Card} is hidden from the host");
        AwaitTheEnd();
        Assert.Equal("vfio-pci", Host.DriverOf(Card));
        Host.Pcipass("unhide 09:00.0").Exits(0);
        Host.Run("rm /tmp/callers-lock /tmp/code\n" + Addresses).Exits(0);
    }

    [Fact]
    public void Killed_in_the_middle_it_comes_back_all_the_same()
    {
        var before = Network();
        // Once as soon as the native driver has let go, and once as soon as the one who waits is there, with nothing done yet.
        foreach (var moment in (string[])["[ -e /sys/bus/pci/drivers/e1000e/0000:09:00.0 ]", $"! {Waiters} >/dev/null"])
        {
            Host.Run($"{Hide} 10s >/dev/null 2>&1 & victim=$!; while {moment}; do :; done; kill -9 $victim; wait $victim; :").Exits(0);
            AwaitTheEnd();
            IsBack(before);
            Host.Pcipass("status").Exits(0).SaysNot("unconfirmed");
        }
    }
}
