using System.Globalization;
using PciPass.Lab;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>Two machines with Xen, joined by a cable: a fully virtualised guest moves from one to the other, and its card has an interrupt pin.</summary>
[Trait("Category", "Lab")]
[Trait("Category", "Nightly")]
public sealed class LabHvmMigrate(LabHvmMigrate.Two hosts, ITestOutputHelper output) : IClassFixture<LabHvmMigrate.Two>
{
    const string Card = "0000:09:00.0", Seen = "0000:00:03.0";

    /// <summary>The machines box1 and box2, which know each other by these names.</summary>
    public sealed class Two() : TwoHosts(Machine.Hvm, "6.0", "box")
    {
        /// <summary>With the device model in it, the root has no room for the image.</summary>
        protected override string Start => "mkdir -p /var/lib/pcipass/moved && mount -t tmpfs -o mode=0700 moved /var/lib/pcipass/moved";
    }

    static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);

    [Fact]
    public void A_guest_moves_goes_on_where_it_was_and_the_card_there_works()
    {
        var (first, second) = (hosts.First, hosts.Second);
        first.Run("sed -i 's/^memory = .*/memory = 128/' /etc/xen/hvm1.cfg && xl create /etc/xen/hvm1.cfg 2>/dev/null").Exits(0);
        first.RunIn("hvm1", """
            (i=0; g=0; l=$(date +%s); while :; do i=$((i+1)); n=$(date +%s); [ $((n - l)) -le $g ] || g=$((n - l)); l=$n; echo $i $g >/run/count.new; mv /run/count.new /run/count; usleep 200000; done) >/dev/null 2>&1 &
            """, TimeSpan.FromMinutes(5)).Exits(0);
        first.Pcipass("attach 09:00.0 hvm1").Exits(0);
        Pings(first);
        var (counted, _) = Counted(first);

        var there = first.Pcipass("migrate hvm1 box2", Patience).Exits(0);
        there.Says("done: guest hvm1 runs on box2", $"box2: done: hvm1 has {Card} as {Seen}");
        first.Run("xl domid hvm1").Exits(1);
        second.Run(": >/run/lab/guest-$(xl domid hvm1).ready").Exits(0);
        var (now, still) = Counted(second);
        Assert.True(now > counted);
        Pings(second);
        output.WriteLine($"there in {there.Seconds:0} s, of which the guest stood still for {still} s\n{there.Stderr}{there.Stdout}");

        second.Pcipass("detach 09:00.0 hvm1").Exits(0);
        first.Pcipass("detach 09:00.0 hvm1").Exits(0);
        foreach (var host in (LabHost[])[first, second])
            Assert.Equal("", host.Run("ls /var/lib/pcipass/moved 2>/dev/null; grep -L '^end ' /var/lib/pcipass/journal/* 2>/dev/null").Stdout);
    }

    static void Pings(LabHost host) => host.RunIn("hvm1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done; net-check eth0").Exits(0).Says(", 0% packet loss");

    /// <summary>How far it has counted, and how many seconds it stood still at most; fails where it counts no more.</summary>
    static (int Count, int Still) Counted(LabHost host)
    {
        var words = host.RunIn("hvm1", "read a g </run/count; sleep 2; read b g </run/count; echo $a $b $g").Exits(0).Stdout.Trim().Split(' ').Select(word => int.Parse(word, CultureInfo.InvariantCulture)).ToArray();
        Assert.True(words[1] > words[0], $"hvm1 no longer counts: {words[0]}, {words[1]}");
        return (words[1], words[2]);
    }
}
