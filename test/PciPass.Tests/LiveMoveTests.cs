using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>Moving an HVM guest by xl between two simulated hosts, while it runs.</summary>
public class LiveMoveTests
{
    const string Options = " --live --accept survival-unknown";
    static readonly string[] Attached = ["attach 09:00.0 hvm1"];

    static MovePair Pair(params string[] first) => new("pinless", first.Length == 0 ? Attached : first, "hvm1", Options);

    static SimGuest? There(MovePair pair) => pair.There.FindGuest("hvm1");

    static void AssertIsThere(MovePair pair)
    {
        Assert.Null(pair.Here.FindGuest("hvm1"));
        Assert.Equal(["0000:09:00.0"], There(pair)!.Functions.Values.Select(function => $"{function.Address}"));
        Assert.Equal(1, pair.Running);
        pair.AssertClosed();
        Told.By(pair.Here, "detach 09:00.0 hvm1").Says(0);
        Assert.Equal("e1000e", pair.Here.Function("09:00.0").Driver);
    }

    [Fact]
    public void The_plan_takes_the_function_out_has_xl_move_the_guest_and_the_other_host_give_it_a_like_one()
    {
        var pair = Pair();
        var text = pair.ToText();
        Assert.Collection(Told.By(pair.Here, $"{pair.Migrate} --dry-run").Says(0).Split('\n').Select(line => line.Trim()).Where(line => line.Length > 2 && line[1] == '.'),
            line => Assert.StartsWith("1. plug 0000:09:00.0 hvm1/3 -> -", line, StringComparison.Ordinal),
            line => Assert.Contains("have xl move hvm1 (domain 3) to xen2 (cannot be undone)", line, StringComparison.Ordinal),
            line => Assert.StartsWith("3. end hvm1/3", line, StringComparison.Ordinal),
            line => Assert.Contains("have xen2 give hvm1 its functions (cannot be undone)", line, StringComparison.Ordinal));
        Assert.Equal(text, pair.ToText());
        foreach (var step in (string[])["transfer hvm1/3 - -> root@xen2.example", "transfer hvm1/3 xen2 -> -"])
            Assert.Equal(step, Step.Parse(step).Text);
    }

    [Fact]
    public void The_guest_runs_there_with_a_like_function_and_what_it_had_here_is_given_back()
    {
        var pair = Pair();
        var told = Told.By(pair.Here, pair.Migrate).Says(0);
        Assert.Contains("done: guest hvm1 runs on xen2", told, StringComparison.Ordinal);
        Assert.Contains("xen2: done: hvm1 has 0000:09:00.0", told, StringComparison.Ordinal);
        Assert.DoesNotContain(pair.Here.Files.List(MovedGuest.Folder), name => name.StartsWith("hvm1", StringComparison.Ordinal));
        AssertIsThere(pair);
    }

    [Fact]
    public void A_guest_without_functions_moves_too_and_nobody_is_asked_for_any()
    {
        var pair = Pair("attach 09:00.0 hvm1", "detach 09:00.0 hvm1");
        Told.By(pair.Here, pair.Migrate).Says(0);
        Assert.Empty(There(pair)!.Functions);
        Assert.Equal(["ask", "runs"], pair.Asked.Distinct());
    }

    [Fact]
    public void Its_memory_needs_no_room_on_any_disk()
    {
        var pair = Pair();
        (pair.Here.Room, pair.There.Room) = (1 << 20, 1 << 20);
        Told.By(pair.Here, pair.Migrate).Says(0);
    }

    [Theory]
    [InlineData("migrate hvm1 xen2 --live", "[survival-unknown]")]
    [InlineData("migrate web1 xen2 --live", "[not-live]")]
    [InlineData("can-migrate web1 xen2 --live", "[not-live]")]
    [InlineData("can-migrate web1 --live", "[not-live]")]
    [InlineData("migrate hvm1 xen3 --live --accept survival-unknown", "[target-refuses]")]
    public void Refuses_before_harm_and_changes_nothing(string command, string code)
    {
        var pair = Pair();
        pair.There.DestroyGuest("web1");
        var text = pair.ToText();
        Assert.Contains(code, Told.By(pair.Here, command).Says(1), StringComparison.Ordinal);
        Assert.Equal(text, pair.ToText());
    }

    [Fact]
    public void When_xl_cannot_move_it_the_guest_goes_on_here_with_its_function()
    {
        var pair = Pair();
        var text = pair.ToText();
        pair.Here.WithToolstackPeer("xen2", static () => null);
        Assert.Contains("truncated reading banner from migration receiver stream", Told.By(pair.Here, pair.Migrate).Says(3), StringComparison.Ordinal);
        Assert.Equal(text, pair.ToText());
        pair.AssertClosed();
    }

    /// <summary>While all that it has goes over, it runs here, and xl lets it go on where the line breaks.</summary>
    [Fact]
    public void When_the_line_breaks_on_the_way_the_guest_goes_on_here_with_its_function()
    {
        var pair = Pair();
        var text = pair.ToText();
        var times = 0;
        pair.Here.WithToolstackPeer("xen2", () => ++times < 2 ? pair.There : null);
        Told.By(pair.Here, pair.Migrate).Says(3);
        Assert.Equal(text, pair.ToText());
        pair.AssertClosed();
    }

    /// <summary>xl could not end what was left of the guest here; the other host says that it runs there, and so it is ended.</summary>
    [Fact]
    public void When_xl_dies_behind_its_word_to_the_other_host_the_guest_runs_there()
    {
        var pair = Pair();
        pair.Here.XlDeath = XlDeath.AfterPermission;
        Told.By(pair.Here, pair.Migrate).Says(0);
        AssertIsThere(pair);
    }

    /// <summary>Nothing that Xen's tools can do lets a guest out of its suspension when xl has died: it is a person's to end it.</summary>
    [Fact]
    public void When_xl_dies_before_its_word_to_the_other_host_the_guest_is_stopped_here_for_good_and_that_is_said()
    {
        var pair = Pair();
        pair.Here.XlDeath = XlDeath.BeforePermission;
        Assert.Contains("suspended for good, since the xl that moved it did not come to its end, and does not run on xen2; xl destroy 3 ends it", Told.By(pair.Here, pair.Migrate).Says(4), StringComparison.Ordinal);
        Assert.Equal(0, pair.Running);
        Assert.Null(There(pair));
        Told.By(pair.Here, "recover").Says(4);
        pair.Here.DestroyGuest("hvm1");
        Told.By(pair.Here, "recover").Says(0);
        pair.AssertClosed();
        Told.By(pair.Here, "detach 09:00.0 hvm1").Says(0);
    }

    /// <summary>xl goes on when whoever started it has died: recovery waits for it, and then asks the other host.</summary>
    [Fact]
    public void When_pcipass_dies_while_xl_is_at_it_recovery_waits_and_goes_on()
    {
        const string Way = "ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 --";
        foreach (var seconds in (int[])[0, 2, 20])
        {
            var pair = Pair();
            Assert.True(Told.DiesDuring(pair.Here, pair.Migrate, $"xl migrate -s {Way} 3 xen2"));
            pair.Here.WithFile("/proc/4711/cmdline", $"/usr/sbin/xl\0migrate\0-s\0{Way}\u00003\0xen2\0");
            pair.Here.Clock.After(TimeSpan.FromSeconds(12), () => pair.Here.WithoutFile("/proc/4711/cmdline"));
            pair.Here.Clock.Advance(TimeSpan.FromSeconds(seconds));
            var told = Told.By(pair.Here, "recover");
            Assert.True(told.ExitCode == 0 && told.Output.Contains("hvm1 runs on xen2", StringComparison.Ordinal), $"{seconds} s: {told}");
            AssertIsThere(pair);
        }
    }

    [Theory]
    [InlineData("runs", null)]
    [InlineData("equip", null)]
    [InlineData(null, "equip")]
    public void When_the_connection_ends_recovery_goes_on_once_the_other_host_answers(string? before, string? after)
    {
        var pair = Pair();
        (pair.CutBefore, pair.CutAfter) = (before, after);
        Assert.Contains("pcipass recover     goes on once xen2 answers; pcipass recover --given-up xen2", Told.By(pair.Here, pair.Migrate).Says(4), StringComparison.Ordinal);
        Told.By(pair.Here, "recover").Says(4);
        (pair.CutBefore, pair.CutAfter, pair.IsReachable) = (null, null, true);
        Told.By(pair.Here, "recover").Says(0);
        AssertIsThere(pair);
    }

    /// <summary>Its end is not known yet: another name, and paused.</summary>
    [Fact]
    public void One_that_is_on_its_way_there_is_waited_for()
    {
        var pair = Pair();
        pair.CutBefore = "runs";
        Told.By(pair.Here, pair.Migrate).Says(4);
        (pair.CutBefore, pair.IsReachable) = (null, true);
        Rename("hvm1--incoming");
        Assert.Contains("hvm1 is on its way", Told.By(pair.Here, "recover").Says(4), StringComparison.Ordinal);
        Rename("hvm1");
        Told.By(pair.Here, "recover").Says(0);
        AssertIsThere(pair);

        void Rename(string name) => pair.There.Run("xenstore-write", [$"/local/domain/{There(pair)!.DomId}/name", name], TimeSpan.FromSeconds(5));
    }

    [Fact]
    public void After_a_crash_here_the_guest_is_here_or_there_with_its_function_and_never_both()
    {
        var (n, gone) = new MoveCrashes(() => Pair(), isLive: true).AtEachChange(twice: true);
        Assert.True(n > 10 && gone > 5, $"{n} crashes, {gone} of them behind the return");
    }

    [Fact]
    public void After_a_crash_at_any_read_here_the_guest_is_here_or_there()
    {
        var n = new MoveCrashes(() => Pair(), isLive: true).AtEachRead();
        Assert.True(n > 100, $"{n} crashes");
    }

    [Fact]
    public void When_the_power_goes_here_the_guest_runs_there_or_has_ended_with_its_host()
    {
        int gone = 0, ended = 0, n = 0;
        for (; ; n++)
        {
            var pair = Pair();
            if (!Told.Dies(pair.Here, pair.Migrate, n))
                break;
            pair.Here.PowerLoss();
            // Started anew, with the domid that the one had that was on its way.
            Told.By(pair.Here, "recover").Says(0);
            pair.AssertClosed();
            if (There(pair) is SimGuest there)
            {
                gone++;
                Assert.Single(there.Functions);
            }
            else
            {
                ended++;
            }
        }
        Assert.True(gone > 2 && ended > 2, $"{gone} gone, {ended} ended of {n}");
    }
}
