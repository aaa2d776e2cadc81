using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>Moving guests between two simulated hosts, which reach each other by ssh.</summary>
public class MigrateTests
{
    const string Migrate = "migrate web1 xen2";

    static IEnumerable<string> SeenBy(SimHost host) => host.FindGuest("web1")!.Functions.Select(entry => $"{entry.Key} {entry.Value.Address}");

    [Fact]
    public void The_plan_ends_the_guest_here_only_behind_its_start_there()
    {
        var pair = new MovePair("attach 05:00.0 06:00.0 web1");
        var text = pair.ToText();
        var told = Told.By(pair.Here, $"{Migrate} --dry-run");
        Assert.True(told.ExitCode == 0, told.ToString());
        Assert.Collection(told.Output.TrimEnd('\n').Split('\n').Select(line => line.Trim()),
            line => Assert.StartsWith("1. plug 0000:06:00.0 web1/1 -> -", line, StringComparison.Ordinal),
            line => Assert.StartsWith("2. plug 0000:05:00.0 web1/1 -> -", line, StringComparison.Ordinal),
            line => Assert.StartsWith("3. save /var/lib/pcipass/moved/web1-", line, StringComparison.Ordinal),
            line => Assert.StartsWith("4. edit /var/lib/pcipass/moved/web1-", line, StringComparison.Ordinal),
            line => Assert.StartsWith("5. send /var/lib/pcipass/moved/web1-", line, StringComparison.Ordinal),
            line => Assert.Contains("have xen2 start web1 (cannot be undone)", line, StringComparison.Ordinal),
            line => Assert.StartsWith("7. end web1/1", line, StringComparison.Ordinal),
            line => Assert.StartsWith("8. drop /var/lib/pcipass/moved/web1-", line, StringComparison.Ordinal));
        Assert.Equal(["ask"], pair.Asked);
        Assert.Equal(text, pair.ToText());
    }

    [Fact]
    public void The_steps_are_read_back_as_they_were_written()
    {
        foreach (var text in (string[])["send /a/b - -> root@xen2.example", "send /a/b xen2 -> -", "hand web1 /a/b - -> xen2", "hand web1 /a/b xen2 -> -", "drop /a/b"])
            Assert.Equal(text, Step.Parse(text).Text);
        Assert.Equal("hand web1 /a/b xen2 -> -", Step.Parse("hand web1 /a/b - -> xen2").Reverse()!.Text);
        Assert.Throws<FormatException>(() => Step.Parse("send /a/b - -> -oProxyCommand=x"));
    }

    [Fact]
    public void A_guest_goes_on_there_with_like_functions_where_it_saw_its_own()
    {
        var pair = new MovePair("attach 05:00.0 06:00.0 web1");
        var seen = SeenBy(pair.Here).ToArray();
        var uuid = pair.Here.FindGuest("web1")!.Uuid;
        var told = Told.By(pair.Here, Migrate);
        Assert.True(told.ExitCode == 0, told.ToString());
        Assert.Contains("done: guest web1 runs on xen2", told.Output, StringComparison.Ordinal);
        Assert.Contains("xen2: done: web1 has 0000:05:00.0 as 0000:00:00.0", told.Errors, StringComparison.Ordinal);
        Assert.Contains("pcipass detach 0000:05:00.0 0000:06:00.0 web1     gives the host back", told.Output, StringComparison.Ordinal);
        Assert.Null(pair.Here.FindGuest("web1"));
        Assert.Equal(uuid, pair.There.FindGuest("web1")!.Uuid);
        Assert.Equal(seen, SeenBy(pair.There));
        Assert.Empty(pair.Here.Files.List(MovedGuest.Folder));
        Assert.Empty(pair.There.Files.List(MovedGuest.Folder));
        pair.AssertClosed();
        Assert.Equal(0, Told.By(pair.Here, "detach 05:00.0 06:00.0 web1").ExitCode);
        Assert.Null(pair.Here.Function("05:00.0").Driver);
    }

    [Fact]
    public void A_guest_comes_back_the_same_way()
    {
        var pair = new MovePair("attach 06:00.0 web1");
        Assert.Equal(0, Told.By(pair.Here, Migrate).ExitCode);
        // Another pair of the same two, the other way round.
        pair.There.WithPeer("xen1", (words, input) =>
        {
            pair.Here.StartProcess();
            pair.Here.GiveInput(input);
            var there = Told.Run(pair.Here, string.Join(' ', words.Skip(1)));
            return new ProgramResult(there.ExitCode, there.Output, there.Errors);
        });
        var told = Told.By(pair.There, "migrate web1 xen1");
        Assert.True(told.ExitCode == 0, told.ToString());
        Assert.Single(SeenBy(pair.Here));
        Assert.Null(pair.There.FindGuest("web1"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Both_hosts_need_room_for_the_guests_memory(bool there)
    {
        var pair = new MovePair("attach 06:00.0 web1");
        var text = pair.ToText();
        (there ? pair.There : pair.Here).Room = 1 << 20;
        var refusal = Told.By(pair.Here, Migrate).Says(1);
        Assert.Contains("[image-room]", refusal, StringComparison.Ordinal);
        Assert.Contains("256 MiB of memory, and the file system has room for 1 MiB", refusal, StringComparison.Ordinal);
        Assert.Contains("[image-room]", Told.By(pair.Here, "can-migrate web1 xen2").Says(1), StringComparison.Ordinal);
        Assert.Equal(text, pair.ToText());
        Told.By(pair.Here, $"{Migrate} --accept image-room").Says(0);
    }

    [Fact]
    public void An_HVM_guest_gets_a_like_card_there_with_an_interrupt_pin_too()
    {
        var pair = new MovePair("attach 09:00.0 hvm1");
        pair.There.DestroyGuest("hvm1");
        Told.By(pair.There, "attach 09:00.0 db1").Says(0);
        Assert.Contains("[survival-unknown]", Told.By(pair.Here, "migrate hvm1 xen2").Says(1), StringComparison.Ordinal);
        Told.By(pair.Here, "migrate hvm1 xen2 --accept survival-unknown").Says(0);
        Assert.Null(pair.Here.FindGuest("hvm1"));
        Assert.Equal(["0000:08:00.0"], pair.There.FindGuest("hvm1")!.Functions.Values.Select(function => $"{function.Address}"));
        pair.AssertClosed();
    }

    [Fact]
    public void A_guest_without_functions_moves_too()
    {
        var pair = new MovePair();
        Assert.Equal(0, Told.By(pair.Here, Migrate).ExitCode);
        Assert.Empty(SeenBy(pair.There));
    }

    [Theory]
    [InlineData("attach 09:00.0 web1 --live", Migrate, "had-interrupt-pin", "has 0000:09:00.0")]
    [InlineData("attach 09:00.0 web1; detach 09:00.0 web1", "can-migrate web1 xen2", "had-interrupt-pin", "has had 0000:09:00.0")]
    [InlineData("attach 06:00.0 web1", "migrate web1 xen3", "target-refuses", "xen3 does not answer: ssh: Could not resolve hostname xen3")]
    [InlineData("attach 06:00.0 web1", "can-migrate web1 xen3", "target-refuses", "xen3 does not answer")]
    public void Refuses_before_harm_and_changes_nothing(string before, string command, string code, string why)
    {
        var pair = new MovePair(before.Split("; "));
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
    [InlineData("taken", "[not-there-to-return]")]
    [InlineData("pcipass", "has no pcipass: sh: pcipass: not found")]
    [InlineData("old", "does not know \"receive ask\"")]
    [InlineData("version", "[other-version]")]
    public void Refuses_before_harm_what_the_other_host_does_not_take(string what, string why)
    {
        var pair = new MovePair("attach 05:00.0 06:00.0 web1");
        switch (what)
        {
            case "guest":
                pair.There.StartGuest("web1");
                break;
            case "gone":
                pair.There.Without("05:00.0").Without("06:00.0").Reboot();
                pair.There.DestroyGuest("web1");
                break;
            case "taken":
                pair.There.Without("05:00.0").Reboot();
                pair.There.DestroyGuest("web1");
                Assert.Equal(0, Told.By(pair.There, "attach 06:00.0 db1 --live").ExitCode);
                break;
            case "pcipass":
                pair.Here.WithPeer("xen2", static (_, _) => new ProgramResult(127, "", "sh: pcipass: not found\n"));
                break;
            case "old":
                pair.Here.WithPeer("xen2", static (_, _) => new ProgramResult(2, "", "error: Unrecognized command or argument 'receive'.\n"));
                break;
            case "version":
                pair.Here.WithPeer("xen2", (words, _) =>
                {
                    var there = Told.By(pair.There, $"receive ask {MovedGuest.Word("0.0.1")} {words[4]} {words[5]} {words[6]} {words[7]}");
                    return new ProgramResult(there.ExitCode, there.Output, there.Errors);
                });
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
    }

    [Fact]
    public void Can_migrate_without_a_host_tells_of_this_side_alone()
    {
        var pair = new MovePair("attach 06:00.0 web1");
        Assert.Contains("guest web1 can be migrated; 0000:06:00.0 would go out before", Told.By(pair.Here, "can-migrate web1").Says(0), StringComparison.Ordinal);
        Assert.Empty(pair.Asked);
        Told.By(pair.Here, "can-migrate web1 xen2").Says(0);
        Assert.Equal(["ask"], pair.Asked);
    }

    [Theory]
    [InlineData("-oProxyCommand=touch${IFS}/tmp/x")]
    [InlineData("xen2;reboot")]
    [InlineData("xen2 reboot")]
    [InlineData("$(reboot)")]
    [InlineData("a@b@c")]
    [InlineData("")]
    public void What_is_no_host_never_reaches_ssh(string host) => Assert.False(RemoteHost.TryParse(host, out _));

    [Fact]
    public void A_guest_whose_name_means_something_to_a_shell_is_moved_by_words_that_mean_nothing_to_it()
    {
        foreach (var text in (string[])["/var/lib/pcipass/moved/a;reboot-1", "$(reboot)", "line\nline\n", "ä"])
        {
            var word = MovedGuest.Word(text);
            Assert.Matches("^[.][A-Za-z0-9_-]*$", word);
            Assert.Equal(text, MovedGuest.ReadWord(word));
        }
        foreach (var path in (string[])["/etc/shadow", "/var/lib/pcipass/moved/../../shadow", "/var/lib/pcipass/moved/", "/var/lib/pcipass/moved/.x", "/var/lib/pcipass/moved/a b"])
            Assert.Throws<FormatException>(() => MovedGuest.ReadPath(MovedGuest.Word(path)));
    }

    [Theory]
    [InlineData("xl pci-detach 1 0000:06:00.0")]
    [InlineData("xl save -p 1 *")]
    public void When_a_step_fails_here_the_guest_goes_on_here(string program)
    {
        var pair = new MovePair("attach 05:00.0 06:00.0 web1");
        var text = pair.ToText();
        pair.Here.Faults.FailProgram(program, 1, "libxl: error: libxl_x.c:1:f: it will not\n", times: 1);
        Assert.Equal(3, Told.By(pair.Here, Migrate).ExitCode);
        Assert.Equal(text, pair.ToText());
    }

    [Fact]
    public void When_the_other_host_cannot_start_it_the_guest_goes_on_here()
    {
        var pair = new MovePair("attach 05:00.0 06:00.0 web1");
        var text = pair.ToText();
        pair.There.Faults.FailProgram("xl restore *", 1, "libxl: error: libxl_x.c:1:f: not enough memory\n", times: 1);
        var told = Told.By(pair.Here, Migrate);
        Assert.True(told.ExitCode == 3, told.ToString());
        Assert.Contains("not enough memory", told.Errors, StringComparison.Ordinal);
        Assert.Equal(text, pair.ToText());
        pair.AssertClosed();
        Assert.Equal(0, Told.By(pair.Here, Migrate).ExitCode);
    }

    [Fact]
    public void When_a_function_does_not_go_in_there_the_guest_runs_there_and_it_is_said()
    {
        var pair = new MovePair("attach 05:00.0 06:00.0 web1");
        pair.There.Faults.FailProgram("xl pci-attach *", 1, "libxl: error: libxl_x.c:1:f: it will not\n", times: 1);
        var told = Told.By(pair.Here, Migrate);
        Assert.True(told.ExitCode == 0, told.ToString());
        Assert.Contains("xen2: now:   guest web1 runs, and is without 0000:05:00.0, 0000:06:00.0", told.Errors, StringComparison.Ordinal);
        Assert.Equal(1, pair.Running);
        Assert.Null(pair.Here.FindGuest("web1"));
        // What is needed to try again lies there still.
        var image = pair.There.Files.List(MovedGuest.Folder)[0];
        Assert.Equal(0, Told.By(pair.There, $"restore {MovedGuest.Folder}/{image} --functions equivalent").ExitCode);
        Assert.Equal(2, SeenBy(pair.There).Count());
    }

    // ---- the connection --------------------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData("copy", false)]
    [InlineData("copy", true)]
    public void When_the_connection_ends_before_the_other_host_was_told_to_start_the_guest_goes_on_here_at_once(string verb, bool after)
    {
        var pair = new MovePair("attach 06:00.0 web1");
        var here = pair.Here.ToText();
        (pair.CutBefore, pair.CutAfter) = (after ? null : verb, after ? verb : null);
        var told = Told.By(pair.Here, Migrate);
        Assert.True(told.ExitCode == 3, told.ToString());
        Assert.Contains("xen2 does not answer", told.Errors, StringComparison.Ordinal);
        pair.Here.Clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(here, pair.Here.ToText());
        Assert.Null(pair.There.FindGuest("web1"));
        pair.AssertClosed();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void When_the_connection_ends_with_the_start_the_guest_waits_here_until_the_other_host_says_what_it_did(bool after)
    {
        var pair = new MovePair("attach 06:00.0 web1");
        var text = pair.ToText();
        (pair.CutBefore, pair.CutAfter) = (after ? null : "start", after ? "start" : null);
        var told = Told.By(pair.Here, Migrate);
        Assert.True(told.ExitCode == 4, told.ToString());
        Assert.Equal(after ? 1 : 0, pair.Running);
        told = Told.By(pair.Here, "recover");
        Assert.True(told.ExitCode == 4, told.ToString());
        Assert.Equal(after ? 1 : 0, pair.Running);
        (pair.CutBefore, pair.CutAfter, pair.IsReachable) = (null, null, true);
        told = Told.By(pair.Here, "recover");
        Assert.True(told.ExitCode == 0, told.ToString());
        Assert.Equal(1, pair.Running);
        if (after)
            Assert.NotNull(pair.There.FindGuest("web1"));
        else
            Assert.Equal(text, pair.ToText());
        pair.AssertClosed();
    }

    [Fact]
    public void A_host_that_is_gone_for_good_can_be_given_up()
    {
        var pair = new MovePair("attach 06:00.0 web1") { CutBefore = "start" };
        var text = pair.Here.ToText();
        Assert.Contains("pcipass recover --given-up xen2", Told.By(pair.Here, Migrate).Says(4), StringComparison.Ordinal);
        Told.By(pair.Here, "recover").Says(4);
        Told.By(pair.Here, "recover --given-up xen3").Says(4);
        Told.By(pair.Here, "recover --given-up xen2").Says(0);
        pair.Here.Clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(text, pair.Here.ToText());
    }

    [Fact]
    public void A_guest_that_was_started_there_and_has_ended_since_is_not_woken_here()
    {
        var pair = new MovePair("attach 06:00.0 web1") { CutAfter = "start" };
        Assert.Equal(4, Told.By(pair.Here, Migrate).ExitCode);
        pair.There.DestroyGuest("web1");
        pair.There.Reboot();
        pair.There.DestroyGuest("web1");
        (pair.CutAfter, pair.IsReachable) = (null, true);
        var told = Told.By(pair.Here, "recover");
        Assert.True(told.ExitCode == 0, told.ToString());
        Assert.Null(pair.Here.FindGuest("web1"));
        Assert.Equal(0, pair.Running);
    }

    [Fact]
    public void A_start_that_comes_too_late_finds_nothing()
    {
        var pair = new MovePair("attach 06:00.0 web1");
        string? start = null;
        var pass = pair.Here.Peer("xen2")!;
        pair.Here.WithPeer("xen2", (words, input) =>
        {
            if (words[2] != "start")
                return pass(words, input);
            start = string.Join(' ', words.Skip(1));
            return new ProgramResult(255, "", "Timeout, server xen2 not responding.\n");
        });
        Assert.Equal(3, Told.By(pair.Here, Migrate).ExitCode);
        Assert.Equal(1, pair.Running);
        Assert.Equal(1, Told.By(pair.There, start!).ExitCode);
        Assert.Equal(1, pair.Running);
        Assert.NotNull(pair.Here.FindGuest("web1"));
    }

    /// <summary>A command that hangs on its way, and arrives when nobody counts on it any more.</summary>
    [Theory]
    [InlineData("copy")]
    [InlineData("start")]
    public void What_hangs_on_the_way_and_arrives_after_all_starts_nothing(string verb)
    {
        var pair = new MovePair("attach 06:00.0 web1");
        var here = pair.Here.ToText();
        var hangs = $"ssh -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 -- xen2 pcipass receive {verb} *";
        pair.Here.Faults.Hang(hangs);
        Told.By(pair.Here, Migrate).Says(4);
        Assert.Equal(0, pair.Running);
        Told.By(pair.Here, "recover").Says(0);
        Assert.Equal(1, pair.Running);
        pair.Here.Faults.Release(hangs);
        pair.Here.Clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(verb, pair.Asked[^1]);
        Assert.Equal(here, pair.Here.ToText());
        Assert.Null(pair.There.FindGuest("web1"));
        pair.AssertClosed();
    }

    [Fact]
    public void A_copy_that_was_cut_off_is_none()
    {
        var pair = new MovePair("attach 06:00.0 web1");
        var text = pair.ToText();
        var pass = pair.Here.Peer("xen2")!;
        pair.Here.WithPeer("xen2", (words, input) => pass(words, words[2] == "copy" ? input[..^1] : input));
        var told = Told.By(pair.Here, Migrate);
        Assert.True(told.ExitCode == 3, told.ToString());
        Assert.Contains("the connection was cut off", told.Errors, StringComparison.Ordinal);
        Assert.Equal(text, pair.ToText());
    }

    // ---- crashes ---------------------------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData("")]
    [InlineData("attach 06:00.0 web1")]
    [InlineData("attach 05:00.0 06:00.0 web1")]
    public void After_a_crash_here_the_guest_is_here_or_there_with_its_functions_and_never_both(string command)
    {
        string[] first = command.Length == 0 ? [] : [command];
        var (n, gone) = new MoveCrashes(() => new MovePair(first)).AtEachChange(twice: command == "attach 06:00.0 web1");
        Assert.True(n > 25 && gone > 5, $"{n} crashes, {gone} of them behind the return");
    }

    [Fact]
    public void After_a_crash_at_any_read_here_the_guest_is_here_or_there()
    {
        var n = new MoveCrashes(() => new MovePair("attach 06:00.0 web1")).AtEachRead();
        Assert.True(n > 300, $"{n} crashes");
    }

    [Theory]
    [InlineData("copy")]
    [InlineData("start")]
    [InlineData("drop")]
    public void After_a_crash_there_the_guest_is_here_or_there_with_its_functions_and_never_both(string verb)
    {
        string[] first = ["attach 05:00.0 06:00.0 web1"];
        var before = new MoveCrashes(() => new MovePair(first)).Ends.Before;
        int n = 0, gone = 0;
        for (; ; n++)
        {
            var pair = new MovePair(first) { DiesAfter = n, Dying = verb };
            // What is dropped is what could not be started.
            if (verb == "drop")
                pair.There.Faults.FailProgram("xl restore *", 1, "libxl: error: libxl_x.c:1:f: it will not\n", times: 1);
            var told = Told.By(pair.Here, Migrate);
            if (pair.DiesAfter >= 0)
                break;
            Assert.True(pair.Running <= 1, $"crash there after {n}: two of it run");
            if (told.ExitCode == 4)
                Told.By(pair.Here, "recover").Says(0);
            Told.By(pair.There, "recover").Says(0);
            Assert.Equal(1, pair.Running);
            if (pair.There.FindGuest("web1") is not null)
            {
                gone++;
                // It lost its functions where that was what the crash came into: the same command there goes on.
                foreach (var image in pair.There.Files.List(MovedGuest.Folder).Where(name => !name.EndsWith(".pcipass", StringComparison.Ordinal)))
                    Told.By(pair.There, $"restore {MovedGuest.Folder}/{image} --functions equivalent").Says(0);
                Assert.Null(pair.Here.FindGuest("web1"));
                Assert.Equal(2, SeenBy(pair.There).Count());
            }
            else
            {
                Assert.Equal(before, pair.ToText());
            }
            pair.AssertClosed();
        }
        Assert.True(n > 2 && (verb != "start" || gone > 5), $"{n} crashes, {gone} gone");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void When_the_power_goes_here_the_guest_is_there_or_saved_here_or_was_never_touched(bool reachable)
    {
        string[] first = ["attach 06:00.0 web1"];
        int saved = 0, gone = 0, lost = 0, waits = 0, n = 0;
        for (; ; n++)
        {
            var pair = new MovePair(first);
            if (!Told.Dies(pair.Here, Migrate, n))
                break;
            pair.Here.PowerLoss(0);
            var fresh = pair.Here.FindGuest("web1")!;
            pair.IsReachable = reachable;
            var told = Told.By(pair.Here, "recover");
            if (!reachable && told.ExitCode == 4)
            {
                // It may run there: nothing is done here before that is known.
                waits++;
                pair.IsReachable = true;
                told = Told.By(pair.Here, "recover");
            }
            Assert.True(told.ExitCode == 0, $"power gone after {n}: {told}");
            // Whatever the host started by itself under that name is another guest.
            Assert.True(fresh.Alive && !fresh.IsPaused);
            pair.AssertClosed();
            var images = pair.Here.Files.List(MovedGuest.Folder).ToArray();
            if (pair.There.FindGuest("web1") is not null)
            {
                gone++;
                Assert.Empty(images);
            }
            else if (images.Length == 2)
            {
                saved++;
                Assert.Contains($"pcipass restore {MovedGuest.Folder}/{images[0]}     starts it again", told.Output, StringComparison.Ordinal);
                pair.Here.DestroyGuest("web1");
                Told.By(pair.Here, $"restore {MovedGuest.Folder}/{images[0]}").Says(0);
                Assert.Single(SeenBy(pair.Here));
            }
            else
            {
                lost++;
                Assert.Empty(images);
            }
            if (reachable || pair.There.FindGuest("web1") is not null)
                Assert.Empty(pair.There.Files.List(MovedGuest.Folder));
        }
        Assert.True(saved > 2 && gone > 2 && lost > 10 && (reachable || waits > 2), $"{saved} saved, {gone} gone, {lost} untouched, {waits} waited of {n}");
    }
}
