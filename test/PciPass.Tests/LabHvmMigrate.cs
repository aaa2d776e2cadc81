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
        CountingGuest.Start(first, "hvm1");
        first.Pcipass("attach 09:00.0 hvm1").Exits(0);
        Pings(first);
        var (counted, _) = CountingGuest.Counted(first, "hvm1");

        var there = first.Pcipass("migrate hvm1 box2 --accept survival-unknown", Patience).Exits(0);
        there.Says("done: guest hvm1 runs on box2", $"box2: done: hvm1 has {Card} as {Seen}");
        first.Run("xl domid hvm1").Exits(1);
        CountingGuest.WasReady(second, "hvm1");
        var (now, still) = CountingGuest.Counted(second, "hvm1");
        Assert.True(now > counted);
        Pings(second);
        output.WriteLine($"there in {there.Seconds:0} s, of which the guest stood still for {still} s\n{there.Stderr}{there.Stdout}");

        second.Pcipass("detach 09:00.0 hvm1").Exits(0);
        first.Pcipass("detach 09:00.0 hvm1").Exits(0);
        LabMigrate.AtRest(first);
        LabMigrate.AtRest(second);
    }

    static void Pings(LabHost host) => host.RunIn("hvm1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done; net-check eth0").Exits(0).Says(", 0% packet loss");
}
