using PciPass.Lab;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>
/// Two machines with Xen, joined by a cable: guests that move from one to the other. What counts is what the guest does there: a process in
/// it goes on, and its function works.
/// </summary>
[Trait("Category", "Lab")]
[Trait("Category", "Nightly")]
public sealed class LabMigrate(LabMigrate.Two hosts, ITestOutputHelper output) : IClassFixture<LabMigrate.Two>
{
    const string Memory = "0000:00:10.0", Virtual = "0000:04:00.1";
    const string Bar = "a=$(sed -n 3p /sys/bus/pci/devices/0000:00:00.0/resource); a=${a%% *}; printf '\\002\\000' | dd of=/sys/bus/pci/devices/0000:00:00.0/config bs=1 seek=4 conv=notrunc 2>/dev/null; ";

    /// <summary>The machines xen1 and xen2, which know each other by these names.</summary>
    public sealed class Two() : TwoHosts(Machine.Rich, "2.6", "xen");

    /// <summary>A memory of 128 MB is written, encrypted twice and read again, all of it in emulation, on two machines.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);

    LabHost First => hosts.First;
    LabHost Second => hosts.Second;

    /// <summary>A small guest that counts.</summary>
    void StartCounting(string guest)
    {
        First.Run($"sed -e 's/web1/{guest}/; s/^memory = .*/memory = 128/' /etc/xen/web1.cfg >/tmp/{guest}.cfg && xl create /tmp/{guest}.cfg").Exits(0);
        CountingGuest.Start(First, guest);
    }

    /// <summary>No image is left, and every operation has ended.</summary>
    internal static void AtRest(LabHost host) => Assert.Equal("", host.Run("ls /var/lib/pcipass/moved 2>/dev/null; grep -L '^end ' /var/lib/pcipass/journal/* 2>/dev/null").Stdout);

    [Fact]
    public void A_guest_moves_with_its_function_and_goes_on_where_it_was_and_comes_back()
    {
        StartCounting("move1");
        First.Pcipass("attach 00:10.0 move1").Exits(0);
        First.RunIn("move1", Bar + "devmem $a 32 0x5afe1234").Exits(0);
        First.Pcipass("can-migrate move1 xen2").Exits(0).Says($"guest move1 can be migrated; {Memory} would go out before");
        var (counted, _) = CountingGuest.Counted(First, "move1");

        var there = First.Pcipass("migrate move1 xen2", Patience).Exits(0);
        there.Says("done: guest move1 runs on xen2", $"xen2: done: move1 has {Memory} as 0000:00:00.0");
        First.Run("xl domid move1").Exits(1);
        CountingGuest.WasReady(Second, "move1");
        var (now, still) = CountingGuest.Counted(Second, "move1");
        Assert.True(now > counted);
        // Another function than the one before: it answers, and holds what is written into it here.
        Second.RunIn("move1", Bar + "devmem $a 32 0x600d0002; devmem $a 32").Exits(0).Says("0x600D0002");
        output.WriteLine($"there in {there.Seconds:0} s, of which the guest stood still for {still} s\n{there.Stderr}{there.Stdout}");
        AtRest(First);
        AtRest(Second);

        First.Pcipass("detach 00:10.0 move1").Exits(0);
        var back = Second.Pcipass("migrate move1 xen1", Patience).Exits(0);
        back.Says("done: guest move1 runs on xen1");
        CountingGuest.WasReady(First, "move1");
        Assert.True(CountingGuest.Counted(First, "move1").Count > now);
        First.RunIn("move1", Bar + "devmem $a 32").Exits(0).Says("0x5AFE1234");
        output.WriteLine($"back in {back.Seconds:0} s");
        Second.Pcipass("detach 00:10.0 move1").Exits(0);
        First.Pcipass("detach 00:10.0 move1").Exits(0);
        First.Run("xl destroy move1").Exits(0);
        AtRest(First);
        AtRest(Second);
    }

    [Fact]
    public void A_guest_with_a_virtual_function_gets_another_cards_virtual_function()
    {
        foreach (var host in (LabHost[])[First, Second])
        {
            host.Run("""
                echo 2 >/sys/bus/pci/devices/0000:04:00.0/sriov_numvfs
                while [ -e /sys/bus/pci/devices/0000:04:00.1/driver ] || [ -e /sys/bus/pci/devices/0000:04:00.2/driver ]; do usleep 50000; done
                """).Exits(0);
        }
        StartCounting("move2");
        First.Pcipass("attach 04:00.1 move2").Exits(0);
        // There, the one at the same place is another guest's already.
        Second.Run("sed -e 's/web1/other2/; s/^memory = .*/memory = 128/' /etc/xen/web1.cfg >/tmp/other2.cfg && xl create /tmp/other2.cfg && pcipass attach 04:00.1 other2").Exits(0);
        var (counted, _) = CountingGuest.Counted(First, "move2");
        First.Pcipass("migrate move2 xen2", Patience).Exits(0).Says("done: guest move2 runs on xen2", "xen2: done: move2 has 0000:04:00.2");
        CountingGuest.WasReady(Second, "move2");
        Assert.True(CountingGuest.Counted(Second, "move2").Count > counted);
        Second.RunIn("move2", "show-pci").Exits(0).Says("1b36:0010");
        Second.Run("pcipass detach 04:00.2 move2 && pcipass detach 04:00.1 other2 && xl destroy move2 && xl destroy other2").Exits(0);
        First.Pcipass($"detach {Virtual} move2").Exits(0);
    }

    [Fact]
    public void When_it_is_killed_on_the_way_the_guest_goes_on_here_or_there_and_never_in_two_places()
    {
        StartCounting("move3");
        First.Pcipass("attach 00:10.0 move3").Exits(0);
        var (counted, _) = CountingGuest.Counted(First, "move3");
        // While the image is copied: the other host was not told to start it yet.
        First.Run("pcipass migrate move3 xen2 2>/tmp/said & victim=$!; until grep -q '^  copy ' /tmp/said; do kill -0 $victim || break; usleep 50000; done; kill -9 $victim; wait $victim; :", Patience).Exits(0);
        First.Pcipass("recover", Patience).Exits(0).Says("(migrate) was interrupted", "is undone");
        Second.Run("xl domid move3").Exits(1);
        Assert.True(CountingGuest.Counted(First, "move3").Count > counted);
        AtRest(First);

        // While the other host starts it: that goes on there, and is what counts.
        First.Run("pcipass migrate move3 xen2 2>/tmp/said & victim=$!; until grep -q '^  have xen2 start' /tmp/said; do kill -0 $victim || break; usleep 50000; done; sleep 3; kill -9 $victim; wait $victim; :", Patience).Exits(0);
        var told = First.Pcipass("recover", Patience);
        output.WriteLine($"{told.Stderr}{told.Stdout}");
        var (here, there) = (First.Run("xl domid move3").ExitCode == 0, Second.Run("xl domid move3").ExitCode == 0);
        Assert.True(here != there, $"here {here}, there {there}");
        var at = there ? Second : First;
        if (there)
            CountingGuest.WasReady(Second, "move3");
        Assert.True(CountingGuest.Counted(at, "move3").Count > counted);
        at.RunIn("move3", Bar + "devmem $a 32").Exits(0);
        at.Pcipass("detach 00:10.0 move3").Exits(0);
        at.Run("xl destroy move3").Exits(0);
        AtRest(First);
        if (there)
            First.Pcipass("detach 00:10.0 move3").Exits(0);
    }

    [Fact]
    public void What_the_other_host_cannot_give_or_who_does_not_answer_is_refused_before_harm()
    {
        StartCounting("move4");
        First.Pcipass("attach 00:10.0 move4").Exits(0);
        var (counted, _) = CountingGuest.Counted(First, "move4");
        Second.Run("sed -e 's/web1/other4/; s/^memory = .*/memory = 128/' /etc/xen/web1.cfg >/tmp/other4.cfg && xl create /tmp/other4.cfg").Exits(0);
        Second.Pcipass("attach 00:10.0 other4").Exits(0);
        First.Pcipass("migrate move4 xen2").Exits(1).Says("[target-refuses]", "xen2 says: ");
        First.Pcipass("migrate move4 xen3").Exits(1).Says("[target-refuses]", "xen3 does not answer");
        First.Pcipass("migrate move4 -- -oProxyCommand=reboot").Exits(2);
        Assert.True(CountingGuest.Counted(First, "move4").Count > counted);
        First.RunIn("move4", Bar + "devmem $a 32").Exits(0);
        Second.Run("pcipass detach 00:10.0 other4; xl destroy other4").Exits(0);
        First.Run("pcipass detach 00:10.0 move4; xl destroy move4").Exits(0);
    }
}
