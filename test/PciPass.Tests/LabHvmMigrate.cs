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
    public void A_guest_moves_over_an_image_and_back_while_it_runs_goes_on_where_it_was_and_the_card_works_each_time()
    {
        var (first, second) = (hosts.First, hosts.Second);
        first.Run("sed -i 's/^memory = .*/memory = 128/' /etc/xen/hvm1.cfg && xl create /etc/xen/hvm1.cfg 2>/dev/null").Exits(0);
        CountingGuest.Start(first, "hvm1");
        first.Pcipass("attach 09:00.0 hvm1").Exits(0);
        Pings(first);
        var (counted, _) = CountingGuest.Counted(first, "hvm1");

        var there = first.Pcipass("migrate hvm1 box2 --accept survival-unknown", Patience).Exits(0);
        there.Says("done: guest hvm1 runs on box2", $"box2: done: hvm1 has {Card} as {Seen}");
        var still = IsThere(second, first, counted, out counted);
        output.WriteLine($"there in {there.Seconds:0} s, of which the guest stood still for {still} s\n{there.Stderr}{there.Stdout}");
        first.Pcipass("detach 09:00.0 hvm1").Exits(0);

        var back = second.Pcipass("migrate hvm1 box1 --live --accept survival-unknown", Patience).Exits(0);
        back.Says("done: guest hvm1 runs on box1", $"box1: done: hvm1 has {Card} as {Seen}");
        still = IsThere(first, second, counted, out counted);
        output.WriteLine($"back in {back.Seconds:0} s, of which the guest stood still for {still} s\n{back.Stderr}{back.Stdout}");
        second.Pcipass("detach 09:00.0 hvm1").Exits(0);

        // pcipass is killed while xl is at it, which goes on.
        first.Run("pcipass migrate hvm1 box2 --live --accept survival-unknown >/tmp/moved 2>&1 & victim=$!; until xl list | grep -q hvm1--migratedaway || ssh -o BatchMode=yes -- box2 xl list | grep -q incoming; do kill -0 $victim || break; usleep 50000; done; kill -9 $victim; wait $victim; pidof xl", Patience).Exits(0);
        first.Pcipass("recover", Patience).Exits(0).Says("guest hvm1 runs on box2");
        IsThere(second, first, counted, out counted);
        first.Pcipass("detach 09:00.0 hvm1").Exits(0);

        // xl is killed when all of the guest is over there: whether box1 was told that it may let it go on is chance, and so it runs there, or nowhere.
        var killed = second.Run("pcipass migrate hvm1 box1 --live --accept survival-unknown >/tmp/moved 2>&1 & victim=$!; until xenstore-ls -f /local/domain | grep -q migratedaway; do kill -0 $victim || break; usleep 10000; done; kill -9 $(pidof xl); wait $victim; code=$?; cat /tmp/moved; exit $code", Patience);
        output.WriteLine($"{killed.ExitCode}: {killed.Stdout}{killed.Stderr}");
        if (killed.ExitCode == 0)
        {
            IsThere(first, second, counted, out _);
            first.Pcipass("detach 09:00.0 hvm1").Exits(0);
        }
        else
        {
            killed.Exits(4).Says("suspended for good, since the xl that moved it did not come to its end, and does not run on box1");
            first.Run("! xl domid hvm1").Exits(0);
            second.Run("xl destroy $(xl list | awk '/^hvm1/ { print $2 }')").Exits(0);
            second.Pcipass("recover", Patience).Exits(0);
        }
        second.Pcipass("detach 09:00.0 hvm1").Exits(0);
        LabMigrate.AtRest(first);
        LabMigrate.AtRest(second);
    }

    /// <returns>For how many seconds it stood still.</returns>
    static int IsThere(LabHost there, LabHost here, int before, out int counted)
    {
        here.Run("xl domid hvm1").Exits(1);
        CountingGuest.WasReady(there, "hvm1");
        (counted, var still) = CountingGuest.Counted(there, "hvm1");
        Assert.True(counted > before);
        Pings(there);
        // The longest time so far: the next move is counted from here.
        CountingGuest.Start(there, "hvm1");
        (counted, _) = CountingGuest.Counted(there, "hvm1");
        return still;
    }

    static void Pings(LabHost host) => host.RunIn("hvm1", "until [ -e /sys/class/net/eth0 ]; do sleep 1; done; net-check eth0").Exits(0).Says(", 0% packet loss");
}
