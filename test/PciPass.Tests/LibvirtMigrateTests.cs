using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>Moving a guest of QEMU by libvirt between two simulated hosts, while it runs.</summary>
public class LibvirtMigrateTests
{
    const string Migrate = "migrate web1 xen2";
    static readonly string[] Attached = ["attach 09:00.0 web1"];

    static MovePair Pair(params string[] first) => new("libvirt", first.Length == 0 ? Attached : first);

    static SimQemu? Guest(SimHost host) => host.Qemus.FirstOrDefault(qemu => qemu.Name == "web1");

    [Fact]
    public void The_plan_takes_the_function_out_has_libvirt_move_the_guest_and_the_other_host_give_it_a_like_one()
    {
        var pair = Pair();
        var text = pair.ToText();
        Assert.Collection(Told.By(pair.Here, $"{Migrate} --dry-run").Says(0).TrimEnd('\n').Split('\n').Select(line => line.Trim()),
            line => Assert.StartsWith("1. plug 0000:09:00.0 libvirt:web1/", line, StringComparison.Ordinal),
            line => Assert.Contains("have libvirt move web1", line, StringComparison.Ordinal),
            line => Assert.Contains("have xen2 give web1 its functions (cannot be undone)", line, StringComparison.Ordinal));
        Assert.Equal(text, pair.ToText());
    }

    [Fact]
    public void The_steps_are_read_back_as_they_were_written()
    {
        foreach (var text in (string[])["transfer libvirt:web1/4711.88 - -> root@xen2.example", "transfer libvirt:web1/4711.88 xen2 -> -"])
            Assert.Equal(text, Step.Parse(text).Text);
        Assert.Equal("transfer libvirt:web1/4711.88 xen2 -> -", Step.Parse("transfer libvirt:web1/4711.88 - -> xen2").Reverse()!.Text);
        var record = new FileContent(new SavedGuest(GuestName.Parse("web1"), null, []).ToText());
        Assert.Equal(new Equip(GuestName.Parse("web1"), RemoteHost.Parse("xen2"), record), Step.Parse($"equip web1 xen2 {record.Name}", new Dictionary<string, FileContent> { [record.Name] = record }));
        foreach (var wrong in (string[])["transfer qemu:web1/4711.88 - -> xen2", "transfer libvirt:web1 - -> xen2", "transfer libvirt:web1/4711.88 - -> -oProxyCommand=x", "transfer libvirt:web1/4711.88 - -> -", "equip web1 xen2 -", "equip web1 xen2 0123456789abcdef"])
            Assert.Throws<FormatException>(() => Step.Parse(wrong));
    }

    [Fact]
    public void The_guest_runs_there_with_a_like_function_and_what_it_had_here_is_given_back()
    {
        var pair = Pair();
        var told = Told.By(pair.Here, Migrate);
        Assert.True(told.ExitCode == 0, told.ToString());
        Assert.Contains("done: guest web1 runs on xen2", told.Output, StringComparison.Ordinal);
        Assert.Contains("xen2: done: web1 has 0000:09:00.0", told.Errors, StringComparison.Ordinal);
        Assert.Contains("pcipass detach 0000:09:00.0 web1     gives the host back", told.Output, StringComparison.Ordinal);
        Assert.Null(Guest(pair.Here));
        Assert.Equal("0000:09:00.0", $"{Assert.Single(Guest(pair.There)!.Functions).Address}");
        pair.AssertClosed();
        Told.By(pair.Here, "detach 09:00.0 web1").Says(0);
        Assert.Equal("e1000e", pair.Here.Function("09:00.0").Driver);
    }

    [Fact]
    public void A_guest_without_functions_moves_too_and_nobody_is_asked_for_any()
    {
        var pair = Pair("attach 09:00.0 web1", "detach 09:00.0 web1");
        Told.By(pair.Here, Migrate).Says(0);
        Assert.Empty(Guest(pair.There)!.Functions);
        Assert.Equal(["ask", "runs"], pair.Asked.Distinct());
    }

    /// <summary>A guest of QEMU lives with an interrupt pin, so another card of that kind will do.</summary>
    [Fact]
    public void Where_its_own_is_anothers_it_gets_a_like_one_and_asked_again_no_second()
    {
        var pair = Pair();
        Told.By(pair.There, "attach 09:00.0 web2").Says(1);
        pair.There.StartQemu(new QemuPlan("web2") { IsLibvirts = true });
        Told.By(pair.There, "attach 09:00.0 web2").Says(0);
        string? equip = null;
        var pass = pair.Here.Peer("xen2")!;
        pair.Here.WithPeer("xen2", (words, input) =>
        {
            equip = words[2] == "equip" ? string.Join(' ', words.Skip(1)) : equip;
            return pass(words, input);
        });
        Told.By(pair.Here, Migrate).Says(0);
        Assert.Equal("0000:08:00.0", $"{Assert.Single(Guest(pair.There)!.Functions).Address}");
        Told.By(pair.There, equip!).Says(0);
        Assert.Single(Guest(pair.There)!.Functions);
    }

    [Theory]
    [InlineData("migrate web1 xen3", "target-refuses", "xen3 does not answer")]
    [InlineData("can-migrate web1 xen3", "target-refuses", "xen3 does not answer")]
    [InlineData("migrate web9 xen2", "guest-unknown", "web9")]
    public void Refuses_before_harm_and_changes_nothing(string command, string code, string why)
    {
        var pair = Pair();
        var text = pair.ToText();
        var told = Told.By(pair.Here, command);
        Assert.True(told.ExitCode == 1, told.ToString());
        Assert.Contains($"[{code}]", told.Errors, StringComparison.Ordinal);
        Assert.Contains(why, told.Errors, StringComparison.Ordinal);
        Assert.Equal(text, pair.ToText());
    }

    [Theory]
    [InlineData("guest", "[guest-running]")]
    [InlineData("gone", "[not-there-to-return]")]
    [InlineData("libvirt", "[no-libvirt]")]
    public void Refuses_before_harm_what_the_other_host_does_not_take(string what, string why)
    {
        var pair = Pair();
        switch (what)
        {
            case "guest":
                pair.There.StartQemu(new QemuPlan("web1") { IsLibvirts = true });
                break;
            case "gone":
                foreach (var address in (string[])["08:00.0", "09:00.0"])
                    pair.There.Without(address);
                pair.There.Reboot();
                pair.There.EndQemu("web1");
                break;
            case "libvirt":
                pair.Here.WithPeer("xen2", static (words, _) => Answer(SimHost.Linux().WithCardsOfTheContract().Boot(), words));
                break;
        }
        var text = pair.ToText();
        foreach (var command in (string[])["can-migrate web1 xen2", Migrate, $"{Migrate} --dry-run"])
        {
            var told = Told.By(pair.Here, command);
            Assert.True(told.ExitCode == 1, told.ToString());
            Assert.Contains("[target-refuses]", told.Errors, StringComparison.Ordinal);
            Assert.Contains(why, told.Errors, StringComparison.Ordinal);
        }
        Assert.Equal(text, pair.ToText());

        static ProgramResult Answer(SimHost other, IReadOnlyList<string> words)
        {
            var there = Told.By(other, string.Join(' ', words.Skip(1)));
            return new ProgramResult(there.ExitCode, there.Output, there.Errors);
        }
    }

    [Theory]
    [InlineData("xen2", "xen2")]
    [InlineData("root@xen2.example", "root@xen2.example")]
    [InlineData("2001:db8::2", "[2001:db8::2]")]
    [InlineData("root@2001:db8::2", "root@[2001:db8::2]")]
    public void When_libvirt_cannot_move_it_the_guest_goes_on_here_with_its_function(string host, string authority)
    {
        var pair = Pair();
        var text = pair.ToText();
        pair.Here.WithPeer(host, pair.Here.Peer("xen2")!).WithToolstackPeer("xen2", static () => null);
        var told = Told.By(pair.Here, $"migrate web1 {host}");
        Assert.Contains("virsh domjobinfo web1 tells how far it is", told.Errors, StringComparison.Ordinal);
        Assert.True(told.ExitCode == 3, told.ToString());
        Assert.Contains($"Failed to connect to remote libvirt URI qemu+ssh://{authority}/system", told.Errors, StringComparison.Ordinal);
        Assert.Equal(text, pair.ToText());
        pair.AssertClosed();
    }

    [Fact]
    public void When_its_function_does_not_go_in_there_the_guest_runs_there_and_it_is_said()
    {
        var pair = Pair();
        pair.There.Faults.Fail("/sys/bus/pci/drivers/vfio-pci/bind", 19, times: 1);
        var told = Told.By(pair.Here, Migrate);
        Assert.True(told.ExitCode == 0, told.ToString());
        Assert.Contains("xen2: now:   guest web1 runs, and is without 0000:09:00.0", told.Errors, StringComparison.Ordinal);
        Assert.NotNull(Guest(pair.There));
        pair.AssertClosed();
    }

    /// <summary>What ended the connection there ended it for both: the guest stays where it is, or is there.</summary>
    [Theory]
    [InlineData("runs", null)]
    [InlineData("equip", null)]
    [InlineData(null, "equip")]
    public void When_the_connection_ends_recovery_goes_on_once_the_other_host_answers(string? before, string? after)
    {
        var pair = Pair();
        (pair.CutBefore, pair.CutAfter) = (before, after);
        Assert.Contains("pcipass recover     goes on once xen2 answers; pcipass recover --given-up xen2", Told.By(pair.Here, Migrate).Says(4), StringComparison.Ordinal);
        Told.By(pair.Here, "recover").Says(4);
        (pair.CutBefore, pair.CutAfter, pair.IsReachable) = (null, null, true);
        Told.By(pair.Here, "recover").Says(0);
        Assert.Equal(1, pair.Running);
        Assert.Single(Guest(pair.There)!.Functions);
        pair.AssertClosed();
    }

    /// <summary>Given up before it said whether the guest runs there, it counts as one where it does not; behind that, the guest does without.</summary>
    [Theory]
    [InlineData("runs", "operation 2 is undone")]
    [InlineData("equip", "done: guest web1 runs on xen2")]
    public void A_host_that_is_gone_for_good_can_be_given_up(string before, string said)
    {
        var pair = Pair();
        pair.CutBefore = before;
        Told.By(pair.Here, Migrate).Says(4);
        Told.By(pair.Here, "recover --given-up xen3").Says(4);
        Assert.Contains(said, Told.By(pair.Here, "recover --given-up xen2").Says(0), StringComparison.Ordinal);
        Assert.All(new Journal(pair.Here).ReadAll(), operation => Assert.NotEqual(Ending.None, operation.Ending));
        Assert.Null(Guest(pair.Here));
        Told.By(pair.Here, "detach 09:00.0 web1").Says(0);
        Assert.Equal("e1000e", pair.Here.Function("09:00.0").Driver);
    }

    [Fact]
    public void After_a_crash_here_the_guest_is_here_or_there_with_its_function_and_never_both()
    {
        var (n, gone) = new MoveCrashes(() => Pair(), isLive: true).AtEachChange(twice: true);
        Assert.True(n > 10 && gone > 5, $"{n} crashes, {gone} of them behind the return");
    }

    [Fact]
    public void A_guest_that_ends_on_its_way_is_nowhere_and_nobody_says_that_it_is_there()
    {
        int n = 0, ended = 0;
        for (; ; n++)
        {
            var pair = Pair();
            if (!Told.Dies(pair.Here, Migrate, n))
                break;
            if (Guest(pair.Here) is null)
                continue;
            ended++;
            pair.Here.EndQemu("web1");
            Assert.DoesNotContain("runs on xen2", Told.By(pair.Here, "recover").Says(0), StringComparison.Ordinal);
            Assert.Equal(0, pair.Running);
            pair.AssertClosed();
            Told.By(pair.Here, "detach 09:00.0 web1").Says(0);
            Assert.Equal("e1000e", pair.Here.Function("09:00.0").Driver);
        }
        Assert.True(ended > 3, $"{ended} of {n}");
    }

    [Fact]
    public void After_a_crash_at_any_read_here_the_guest_is_here_or_there()
    {
        var n = new MoveCrashes(() => Pair(), isLive: true).AtEachRead();
        Assert.True(n > 100, $"{n} crashes");
    }

    [Fact]
    public void After_a_crash_there_the_guest_runs_there_and_recovery_gives_it_its_function()
    {
        var n = 0;
        for (; ; n++)
        {
            var pair = new MovePair("libvirt", Attached) { DiesAfter = n, Dying = "equip" };
            Told.By(pair.Here, Migrate).Says(0);
            if (pair.DiesAfter >= 0)
                break;
            Told.By(pair.There, "recover").Says(0);
            Assert.Equal(1, pair.Running);
            Assert.True(Guest(pair.There)!.Functions.Count() <= 1);
            pair.AssertClosed();
        }
        Assert.True(n > 5, $"{n} crashes");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void When_the_power_goes_here_the_guest_runs_there_or_has_ended_with_its_host(bool reachable)
    {
        int gone = 0, ended = 0, waits = 0, n = 0;
        for (; ; n++)
        {
            var pair = Pair();
            if (!Told.Dies(pair.Here, Migrate, n))
                break;
            pair.Here.PowerLoss(0);
            // It is defined to start with the host, and is another start of it.
            pair.IsReachable = reachable;
            var told = Told.By(pair.Here, "recover");
            if (!reachable && told.ExitCode == 4)
            {
                waits++;
                pair.IsReachable = true;
                told = Told.By(pair.Here, "recover");
            }
            Assert.True(told.ExitCode == 0, $"power gone after {n}: {told}");
            pair.AssertClosed();
            if (Guest(pair.There) is SimQemu there)
            {
                gone++;
                Assert.Single(there.Functions);
            }
            else
            {
                ended++;
            }
        }
        Assert.True(gone > 2 && ended > 2 && (reachable || waits > 1), $"{gone} gone, {ended} ended, {waits} waited of {n}");
    }
}
