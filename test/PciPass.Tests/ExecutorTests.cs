using PciPass.Cli;
using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>What the executor does when the host, the kernel, the toolstack or a guest does not do what it should.</summary>
public class ExecutorTests(ITestOutputHelper output)
{
    const string Card = "0000:09:00.0", Sys = "/sys/bus/pci";
    static readonly int[] Errnos = [Errno.EPERM, Errno.EIO, Errno.ENOMEM, Errno.EBUSY, Errno.ENODEV, Errno.EINVAL];

    public static TheoryData<string, string, string> Shapes { get; } = new()
    {
        { "", "", "hide 09:00.0" },
        { "override", "", "hide 09:00.0 00:1f.2 07:00.0" },
        { "slot", "", "hide 09:00.0" },
        { "", "hide 09:00.0", "unhide 09:00.0" },
        { "slot", "hide 07:00.0 09:00.0", "unhide 09:00.0 07:00.0" },
        { "boot-hidden", "", "unhide 07:00.0 09:00.0" },
        { "", "", "attach 09:00.0 web1" },
        { "", "hide 07:00.0", "attach 09:00.0 07:00.0 08:00.0 web1" },
        { "", "attach 09:00.0 web1", "detach 09:00.0 web1" },
        { "", "attach 09:00.0 07:00.0 web1", "detach 07:00.0 09:00.0 web1" },
    };

    // ---- errors ----------------------------------------------------------------------------------------------------------------------

    [Fact]
    public void A_program_that_is_asked_to_end_undoes_what_it_has_done()
    {
        var host = Machines.Make("");
        var before = host.ToText();
        var journal = new Journal(host);
        var snapshot = HostReader.Read(host, journal);
        var plan = Planner.Plan(snapshot, new Request(Verb.Attach, [PciAddress.Parse(Card)], GuestReference.Parse("web1"), []));
        List<Mark> acts = [];
        var outcome = new Executor(host, journal, (mark, _) =>
        {
            acts.Add(mark);
            host.Interrupt = acts.Count == 2;
        }).Run(snapshot, plan);
        Assert.Equal(Result.Undone, outcome.Result);
        Assert.Equal([Mark.Doing, Mark.Doing, Mark.Undoing, Mark.Undoing], acts);
        Assert.Contains("this program was asked to end", Assert.Single(outcome.Errors), StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());
    }

    /// <summary>Progress that nobody can read, on a full disk or a terminal that is gone, is no reason to stop half-way.</summary>
    [Fact]
    public void Output_that_cannot_be_written_ends_no_operation_in_its_middle()
    {
        var shape = new Shape("", "", "attach 09:00.0 web1");
        var host = shape.Start();
        host.StartProcess();
        var terminal = () => new Terminal(new PatientWriter(new FullDisk()), new PatientWriter(new FullDisk()), HasColour: false);
        Assert.Equal(ExitCode.Done, CommandLine.Run(["attach", "09:00.0", "web1"], host, terminal()));
        shape.AssertAfter(host, "the disk of the output is full");
        // Who reads gets nothing, and is told so by the exit code.
        Assert.Equal(ExitCode.Failed, CommandLine.Run(["list"], host, terminal()));
    }

    sealed class FullDisk : TextWriter
    {
        public override System.Text.Encoding Encoding => System.Text.Encoding.UTF8;

        public override void Write(char value) => throw new IOException("no space left on device");
    }

    [Fact]
    public void What_waited_for_a_guest_that_has_ended_is_finished_by_the_next_command()
    {
        var host = new Shape("", "attach 09:00.0 web1", "detach 09:00.0 web1").Start();
        host.FindGuest("web1")!.Habit = FrontendHabit.NeverLetsGo;
        Assert.Equal(ExitCode.Pending, Told.By(host, "detach 09:00.0 web1").ExitCode);
        // It still holds on: the next command leaves it alone, and does not wait for it.
        var start = host.Clock.Elapsed;
        Assert.Contains("[not-found]", Told.By(host, "hide 0f:00.0").Errors, StringComparison.Ordinal);
        Assert.InRange(host.Clock.Elapsed - start, TimeSpan.Zero, TimeSpan.FromSeconds(5));
        AssertEnded(host, Ending.None);
        host.DestroyGuest("web1");
        Assert.Contains("[not-found]", Told.By(host, "hide 0f:00.0").Errors, StringComparison.Ordinal);
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
        AssertEnded(host, Ending.Done);
    }

    /// <summary>The host is read once more for what is told at the end: that this fails changes nothing of what was done.</summary>
    [Fact]
    public void What_came_of_it_is_told_where_the_host_cannot_be_read_any_more()
    {
        var host = Machines.Make("");
        host.StartProcess();
        using StringWriter printed = new(), errors = new();
        var code = CommandLine.Run(["hide", "--now", "09:00.0"], host, new Terminal(printed, new Breaking(errors, () => host.Faults.Fail("/etc/pcipass/pcipass.conf", Errno.EIO)), HasColour: false));
        Assert.Equal(ExitCode.Done, code);
        Assert.Contains("done: 0000:09:00.0", printed.ToString(), StringComparison.Ordinal);
        Assert.Contains("how the host is now could not be read: read /etc/pcipass/pcipass.conf: input/output error (EIO)", errors.ToString(), StringComparison.Ordinal);
        Assert.Equal("pciback", host.Function("09:00.0").Driver);
    }

    /// <summary>Lets something break once the first act is announced.</summary>
    sealed class Breaking(TextWriter inner, Action breaks) : TextWriter
    {
        public override System.Text.Encoding Encoding => inner.Encoding;

        public override void Write(char value) => inner.Write(value);

        public override void WriteLine(string? value)
        {
            inner.WriteLine(value);
            if (value?.Contains("unbind", StringComparison.Ordinal) == true)
                breaks();
        }
    }

    [Fact]
    public void A_failure_undoes_what_was_done_in_reverse_and_tells_both()
    {
        var host = Machines.Make("");
        var before = host.ToText();
        host.Faults.FailProgram("xl pci-attach", 1, "libxl: error: libxl_pci.c:1529:pci_add_dm_done: Domain 1:xc_assign_device failed: Operation not supported\n");
        Assert.Equal("""
              unbind 0000:09:00.0 from e1000e
              set the driver_override of 0000:09:00.0 to pciback (now none)
              bind 0000:09:00.0 to pciback, ready for a guest
              plug 0000:09:00.0 into web1 (domain 1)
              undo: take 0000:09:00.0 from pciback and give it back to dom0
              undo: clear the driver_override of 0000:09:00.0 (now pciback)
              undo: bind 0000:09:00.0 to e1000e
            error: attach failed and was undone     [undone]
            why:   could not plug 0000:09:00.0 into web1 (domain 1): xl pci-attach 1 0000:09:00.0 ended with 1: Domain 1:xc_assign_device failed: Operation not supported
            now:   the host has 0000:09:00.0, with driver e1000e (eth1)
            (exit 3)
            """, Told.By(host, "attach 09:00.0 web1 --live").ToString());
        Assert.Equal(before, host.ToText());
        Assert.Equal("""
            operation 1: attach 0000:09:00.0 web1, 2026-01-05 08:00:03Z, by root: undone
                undone    rebind 0000:09:00.0 e1000e -> -
                undone    driver_override 0000:09:00.0 - -> pciback
                undone    assignable 0000:09:00.0 no -> yes
                undone    plug 0000:09:00.0 - -> web1/1
                step 4 failed: xl pci-attach 1 0000:09:00.0 ended with 1: Domain 1:xc_assign_device failed: Operation not supported

            """, Told.By(host, "history 09:00.0").Output);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_act_that_fails_once_with_any_error_is_undone_with_all_before_it(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        var cases = 0;
        foreach (var act in shape.Acts)
        {
            foreach (var errno in Errnos)
            {
                var host = shape.Start();
                act.Fail(host, errno, times: 1);
                var told = Told.By(host, command);
                cases++;
                if (act.IsTriedAgain)
                {
                    Assert.True(told.ExitCode == ExitCode.Done, $"{act}, {errno}: {told}");
                    shape.AssertAfter(host, $"{act} fails with {errno}");
                    continue;
                }
                Assert.True(told.ExitCode == ExitCode.Failed, $"{act}, {errno}: {told}");
                Assert.Contains("could not ", told.Errors, StringComparison.Ordinal);
                Assert.Contains(act.ErrorOf(errno), told.Errors, StringComparison.Ordinal);
                shape.AssertBefore(host, $"{act} fails with {errno}");
                AssertEnded(host, Ending.Undone);
            }
        }
        Count(cases, 6 * 3);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_act_that_fails_from_now_on_is_undone_or_told_as_stuck_and_recover_ends_it_once_it_works(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        int cases = 0, stuck = 0;
        foreach (var act in shape.Acts)
        {
            var host = shape.Start();
            act.Fail(host, Errno.EIO, times: int.MaxValue);
            var told = Told.By(host, command);
            if (told.ExitCode == ExitCode.Stuck)
            {
                stuck++;
                Assert.Contains("could not undo", told.Errors, StringComparison.Ordinal);
                AssertEnded(host, Ending.None);
                host.Faults.Clear();
                told = Told.By(host, "recover");
                Assert.True(told.ExitCode == 0, $"{act}: {told}");
            }
            else
            {
                Assert.True(told.ExitCode == ExitCode.Failed, $"{act}: {told}");
            }
            shape.AssertBefore(host, $"{act} fails");
            AssertEnded(host, Ending.Undone);
            cases++;
        }
        output.WriteLine($"{stuck} stuck");
        Count(cases, 3);
    }

    /// <summary>Every pair: one act fails, and then one of the undo.</summary>
    [Theory]
    [MemberData(nameof(Shapes))]
    public void An_undo_that_fails_is_told_beside_the_first_error_and_recover_goes_on_from_there(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        int cases = 0, stuck = 0;
        foreach (var act in shape.Acts)
        {
            var tried = shape.Start();
            act.Fail(tried, Errno.EIO, times: 1);
            var from = tried.Changes;
            Told.By(tried, command);
            foreach (var back in Shape.ActsIn(tried.Trace.Skip(from)).Except(shape.Acts))
            {
                var host = shape.Start();
                act.Fail(host, Errno.EIO, times: 1);
                back.Fail(host, Errno.EBUSY, times: 1);
                var told = Told.By(host, command);
                if (told.ExitCode == ExitCode.Stuck)
                {
                    stuck++;
                    var errors = told.Errors[told.Errors.IndexOf("why:", StringComparison.Ordinal)..];
                    Assert.True(errors.IndexOf(act.ErrorOf(Errno.EIO), StringComparison.Ordinal) < errors.IndexOf(back.ErrorOf(Errno.EBUSY), StringComparison.Ordinal), $"{act}, {back}: {told}");
                    told = Told.By(host, "recover");
                    Assert.True(told.ExitCode == 0, $"{act}, {back}: {told}");
                }
                else
                {
                    Assert.True(told.ExitCode == ExitCode.Failed, $"{act}, {back}: {told}");
                }
                shape.AssertBefore(host, $"{act} fails, then {back}");
                AssertEnded(host, Ending.Undone);
                cases++;
            }
        }
        output.WriteLine($"{stuck} stuck");
        Count(cases, 1);
    }

    /// <summary>What xl does to sysfs fails, in the middle of its run.</summary>
    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_write_inside_of_xl_that_fails_is_undone(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        var cases = 0;
        foreach (var file in (string[])["new_slot", "bind", "unbind", "remove_slot"])
        {
            foreach (var errno in Errnos)
            {
                var host = shape.Start();
                host.Faults.Fail($"{Sys}/drivers/pciback/{file}", errno, times: 1);
                var told = Told.By(host, command);
                Assert.True(told.ExitCode is ExitCode.Done or ExitCode.Failed, $"{file}, {errno}: {told}");
                if (told.ExitCode == ExitCode.Failed)
                    shape.AssertBefore(host, $"pciback/{file} fails with {errno}");
                else
                    shape.AssertAfter(host, $"pciback/{file} fails with {errno}");
                cases++;
            }
        }
        Count(cases, 24);
    }

    // ---- acts without an effect --------------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData("", "hide 09:00.0", "xl pci-assignable-add", "has no driver")]
    [InlineData("hide 09:00.0", "unhide 09:00.0", "xl pci-assignable-remove", "has driver pciback")]
    [InlineData("", "attach 09:00.0 web1", "xl pci-assignable-add", "has no driver")]
    [InlineData("", "attach 09:00.0 web1", "xl pci-attach", "guest web1 did not accept 0000:09:00.0: web1 does not have it")]
    [InlineData("attach 09:00.0 web1", "detach 09:00.0 web1", "xl pci-assignable-remove", "has driver pciback")]
    public void An_act_that_claims_success_and_changes_nothing_is_seen(string first, string command, string program, string seen)
    {
        var shape = new Shape("", first, command);
        var host = shape.Start();
        host.Faults.FailProgram(program, 0, "", times: 1);
        var told = Told.By(host, command);
        Assert.Equal(ExitCode.Failed, told.ExitCode);
        Assert.Contains(seen, told.Errors, StringComparison.Ordinal);
        shape.AssertBefore(host, program);
    }

    [Fact]
    public void A_detach_that_claims_success_while_the_guest_keeps_the_function_is_pending()
    {
        var shape = new Shape("", "attach 09:00.0 web1", "detach 09:00.0 web1");
        var host = shape.Start();
        host.Faults.FailProgram("xl pci-detach", 0, "", times: 1);
        var told = Told.By(host, "detach 09:00.0 web1");
        Assert.Equal(ExitCode.Pending, told.ExitCode);
        Assert.Contains("guest web1 has not let go of 0000:09:00.0 within 30 s", told.Errors, StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "recover").ExitCode);
        shape.AssertAfter(host, "recovered");
    }

    [Fact]
    public void A_probe_that_finds_no_driver_is_undone()
    {
        var shape = new Shape("boot-hidden", "", "unhide 07:00.0 09:00.0");
        var host = shape.Start().WithBrokenDriver("e1000e", Errno.EIO);
        var told = Told.By(host, "unhide 07:00.0 09:00.0");
        Assert.Equal(ExitCode.Failed, told.ExitCode);
        Assert.Contains("and yet 0000:09:00.0 has no driver", told.Errors, StringComparison.Ordinal);
        shape.AssertBefore(host, "broken driver");
    }

    // ---- hangs -----------------------------------------------------------------------------------------------------------------------

    [Fact]
    public void A_write_that_hangs_is_stuck_and_everything_else_goes_on()
    {
        var host = Machines.Make("");
        var before = host.ToText();
        // Whatever would change the function waits for its lock.
        string[] locked = [$"{Sys}/drivers/e1000e/unbind", $"{Sys}/drivers/e1000e/bind", $"{Sys}/devices/{Card}/driver_override"];
        foreach (var file in locked)
            host.Faults.Hang(file);
        Assert.Equal("""
              unbind 0000:09:00.0 from e1000e
            error: attach is stuck between two states     [stuck]
            why:   could not unbind 0000:09:00.0 from e1000e: write 0000:09:00.0 to /sys/bus/pci/drivers/e1000e/unbind: no answer within 60 s
            do:    pcipass history 0000:09:00.0     tells how far it came; pcipass recover     tries to end it
            (exit 4)
            """, Told.By(host, "attach 09:00.0 web1").ToString());
        Assert.Equal("""
            FUNCTION      STATE  GUEST  IN THE GUEST  DRIVER BEFORE  TAKEN BY
            0000:09:00.0  busy   -      -             unknown        others
            operation 1 (attach) is stuck: pcipass recover     ends it

            """, Told.By(host, "status").Output);
        Assert.Contains("0000:09:00.0 is in the middle of another operation     [busy]", Told.By(host, "hide 09:00.0").Errors, StringComparison.Ordinal);

        // Another function, from the beginning to the end.
        foreach (var command in (string[])["hide 07:00.0", "attach 07:00.0 web1", "list", "detach 07:00.0 web1", "unhide 07:00.0"])
            Assert.Equal(0, Told.By(host, command).ExitCode);

        // As long as it hangs, recover does not claim to know how it will end.
        Assert.Equal(ExitCode.Stuck, Told.By(host, "recover").ExitCode);
        AssertEnded(host, Ending.None, operation: 1);

        foreach (var file in locked)
            host.Faults.Release(file);
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(0, Told.By(host, "recover").ExitCode);
        Assert.Equal(before, host.ToText());
        AssertEnded(host, Ending.Undone, operation: 1);
    }

    /// <summary>Every act of every plan hangs once; recover is asked while it hangs, and after.</summary>
    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_act_that_hangs_is_stuck_until_the_kernel_lets_go_and_recover_then_leads_to_before_or_after(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        var cases = 0;
        foreach (var act in shape.Acts.Where(act => act.CanHang))
        {
            foreach (var asked in (bool[])[false, true])
            {
                var host = shape.Start();
                act.Hang(host);
                var told = Told.By(host, command);
                Assert.True(told.ExitCode == ExitCode.Stuck, $"{act} hangs: {told}");
                Assert.Contains("no answer within", told.Errors, StringComparison.Ordinal);
                if (asked)
                {
                    told = Told.By(host, "recover");
                    Assert.True(told.ExitCode == ExitCode.Stuck, $"{act} still hangs: {told}");
                    AssertEnded(host, Ending.None);
                }
                act.Release(host);
                host.Clock.Advance(TimeSpan.FromSeconds(30));
                told = Told.By(host, "recover");
                Assert.True(told.ExitCode == 0, $"{act} hung{(asked ? ", and recover was asked" : "")}: {told}");
                shape.AssertBeforeOrAfter(host, $"{act} hung{(asked ? ", and recover was asked" : "")}");
                cases++;
            }
        }
        Count(cases, 2 * 3);
    }

    /// <summary>The process is killed while its write hangs, so that nothing on disk says that it does.</summary>
    [Theory]
    [MemberData(nameof(Shapes))]
    public void After_a_crash_while_an_act_hangs_recover_waits_for_it(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        var cases = 0;
        foreach (var act in shape.Acts.Where(act => act.CanHang))
        {
            var host = shape.Start();
            act.Hang(host);
            // The deadline that it would have told is never reached: what is on disk is what was there when it began to wait.
            var journal = new Journal(host).ReadAll().Count + 1;
            Told.By(host, command);
            var path = $"/var/lib/pcipass/journal/{journal:d8}";
            var text = host.Files.ReadText(path)!;
            host.WithFile(path, text[..(text.LastIndexOf("\nstuck", StringComparison.Ordinal) + 1)]);
            var told = Told.By(host, "recover");
            Assert.True(told.ExitCode == ExitCode.Stuck, $"{act} hangs: {told}");
            AssertEnded(host, Ending.None);
            act.Release(host);
            host.Clock.Advance(TimeSpan.FromSeconds(30));
            told = Told.By(host, "recover");
            Assert.True(told.ExitCode == 0, $"{act} hung: {told}");
            shape.AssertBeforeOrAfter(host, $"{act} hung");
            cases++;
        }
        Count(cases, 3);
    }

    // ---- guests ----------------------------------------------------------------------------------------------------------------------

    [Fact]
    public void A_guest_that_does_not_let_go_is_pending_and_recover_goes_on_when_it_does()
    {
        var shape = new Shape("", "attach 09:00.0 07:00.0 web1", "detach 09:00.0 07:00.0 web1");
        var host = shape.Start();
        host.FindGuest("web1")!.Habit = FrontendHabit.NeverLetsGo;
        Assert.Equal("""
              unplug 0000:09:00.0 from web1 (domain 1)
            error: detach waits for the guest     [pending]
            why:   guest web1 has not let go of 0000:09:00.0 within 30 s: in xenstore the function's state is Closing, the backend's Reconfiguring, the frontend's 4
            do:    pcipass recover     goes on once the guest has let go; unbinding the driver inside the guest helps
            (exit 5)
            """, Told.By(host, "detach 09:00.0 07:00.0 web1").ToString());
        Assert.Contains("operation 2 (detach) is pending", Told.By(host, "status").Output, StringComparison.Ordinal);
        Assert.Contains("[busy]", Told.By(host, "unhide 09:00.0").Errors, StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "hide 08:00.0").ExitCode);
        Assert.Equal(0, Told.By(host, "unhide 08:00.0").ExitCode);
        Assert.Equal(ExitCode.Pending, Told.By(host, "recover").ExitCode);
        host.FindGuest("web1")!.Habit = FrontendHabit.Prompt;
        Assert.Equal(0, Told.By(host, "recover").ExitCode);
        shape.AssertAfter(host, "the guest let go");
    }

    [Fact]
    public void A_guest_that_takes_its_time_is_waited_for()
    {
        var shape = new Shape("", "attach 09:00.0 web1", "detach 09:00.0 web1");
        var host = shape.Start();
        host.FindGuest("web1")!.Habit = FrontendHabit.LetsGoAfter(TimeSpan.FromSeconds(9));
        Assert.Equal(0, Told.By(host, "detach 09:00.0 web1").ExitCode);
        shape.AssertAfter(host, "9 s");
    }

    /// <summary>xl gives up after ten seconds, and nobody takes the nodes away when the guest lets go later.</summary>
    [Fact]
    public void A_guest_that_lets_go_after_xl_has_given_up_is_recovered()
    {
        var shape = new Shape("", "attach 09:00.0 web1", "detach 09:00.0 web1");
        var host = shape.Start();
        host.FindGuest("web1")!.Habit = FrontendHabit.LetsGoAfter(TimeSpan.FromSeconds(15));
        Assert.Equal(ExitCode.Pending, Told.By(host, "detach 09:00.0 web1").ExitCode);
        // What it has let go of it does not have to let go of again.
        host.FindGuest("web1")!.Habit = FrontendHabit.Prompt;
        Assert.Equal(0, Told.By(host, "recover").ExitCode);
        shape.AssertAfter(host, "recovered");
    }

    [Fact]
    public void A_guest_without_its_module_keeps_an_attach_pending_until_it_loads_it()
    {
        var host = Machines.Make("");
        host.FindGuest("web1")!.Habit = FrontendHabit.NeverAnswers;
        var told = Told.By(host, "attach 09:00.0 web1");
        Assert.Equal(ExitCode.Pending, told.ExitCode);
        Assert.Contains("guest web1 has not taken up its PCI bus", told.Errors, StringComparison.Ordinal);
        Assert.Contains("modprobe xen-pcifront", told.Errors, StringComparison.Ordinal);
        Assert.Contains("could not plug 0000:08:00.0 into web1 (domain 1): guest web1 has not taken up its PCI bus", Told.By(host, "attach 08:00.0 web1").Errors, StringComparison.Ordinal);
        Assert.Equal(("e1000e", "dom0"), (host.Function("08:00.0").Driver, host.OwnerOf(host.Function("08:00.0").Address)));
        // It has the function already, and nothing was begun to be taken away: the guest may load its module at any time.
        Assert.Equal(ExitCode.Pending, Told.By(host, "recover").ExitCode);
        Assert.Equal("domid 1", host.OwnerOf(host.Function("09:00.0").Address));
        host.FindGuest("web1")!.Habit = FrontendHabit.Prompt;
        // The next command that changes anything notices it.
        Assert.Equal(0, Told.By(host, "hide --now 08:00.0").ExitCode);
        AssertEnded(host, Ending.Done);
        Assert.Equal("0000:00:00.0", host.FindGuest("web1")!.Functions.Keys.Single());
        Assert.Equal(0, Told.By(host, "detach 09:00.0 web1").ExitCode);
    }

    /// <summary>xl would take its access away, and leave it the offer of a dead function.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_a_guest_has_not_taken_yet_is_not_taken_away_before_it_has_or_ends(bool ends)
    {
        var (host, without) = (Machines.Make(""), Machines.Make(""));
        host.FindGuest("web1")!.Habit = FrontendHabit.NeverAnswers;
        Assert.Equal(0, host.Run("xl", ["pci-assignable-add", "0000:09:00.0"], TimeSpan.FromSeconds(60)).ExitCode);
        Assert.Equal(0, host.Run("xl", ["pci-attach", "web1", "0000:09:00.0"], TimeSpan.FromSeconds(60)).ExitCode);
        var told = Told.By(host, "detach 09:00.0 web1");
        Assert.True(told.ExitCode == ExitCode.Pending, told.Errors);
        Assert.Equal("domid 1", host.OwnerOf(host.Function("09:00.0").Address));
        if (ends)
        {
            host.DestroyGuest("web1");
            without.DestroyGuest("web1");
        }
        else
        {
            host.FindGuest("web1")!.Habit = FrontendHabit.Prompt;
        }
        Assert.Equal(0, Told.By(host, "recover").ExitCode);
        AssertEnded(host, Ending.Done);
        // It was hidden by hand, and stays so.
        Assert.Equal(("pciback", "d[IO]"), (host.Function("09:00.0").Driver, host.OwnerOf(host.Function("09:00.0").Address)));
    }

    [Fact]
    public void A_guest_that_dies_instead_of_letting_go_has_let_go()
    {
        var host = Machines.Make("");
        Assert.Equal(0, Told.By(host, "attach 09:00.0 web1").ExitCode);
        host.FindGuest("web1")!.Habit = FrontendHabit.Dies;
        Assert.Equal(0, Told.By(host, "detach 09:00.0 web1").ExitCode);
        var without = Machines.Make("");
        without.DestroyGuest("web1");
        Assert.Equal(without.ToText(), host.ToText());
    }

    /// <summary>The guest ends while the host is in the middle: at every operation of an attach and of a detach.</summary>
    [Theory]
    [InlineData("", "attach 09:00.0 07:00.0 web1", false)]
    [InlineData("attach 09:00.0 07:00.0 web1", "detach 09:00.0 07:00.0 web1", false)]
    [InlineData("attach 09:00.0 07:00.0 web1", "detach 09:00.0 07:00.0 web1", true)]
    [InlineData("hide 09:00.0; attach 09:00.0 web1", "detach 09:00.0 web1", false)]
    public void When_the_guest_ends_in_the_middle_recover_still_ends_the_operation(string first, string command, bool leavesNodes)
    {
        var shape = new Shape("", first, command);
        var cases = 0;
        for (var n = 0; ; n++, cases++)
        {
            var host = shape.Start();
            if (!Told.Dies(host, command, n))
                break;
            host.DestroyGuest("web1", leavesNodes);
            var told = Told.By(host, "recover");
            Assert.True(told.ExitCode == 0, $"crash after {n}: {told}");
            Assert.All(new Journal(host).ReadAll(), operation => Assert.NotEqual(Ending.None, operation.Ending));
            // Each function is hidden as it was taken, or the host has it; never without a driver.
            var text = host.ToText();
            Assert.DoesNotContain("exported=", text, StringComparison.Ordinal);
            foreach (var (address, driver) in ((string, string)[])[(Card, "e1000e"), ("0000:07:00.0", "nvme")])
            {
                var line = text.Split('\n').First(line => line.StartsWith($"function {address}", StringComparison.Ordinal));
                Assert.True(line.Contains($"driver={driver} override=- owner=dom0", StringComparison.Ordinal)
                    || line.Contains("driver=pciback override=pciback owner=d[IO]", StringComparison.Ordinal), $"crash after {n}: {line}");
            }
            // And what attach took can be given back.
            if (told.ExitCode == 0 && text.Contains("driver=pciback", StringComparison.Ordinal) && first.StartsWith("attach", StringComparison.Ordinal))
            {
                Assert.Equal(0, Told.By(host, "detach 09:00.0 07:00.0 web1").ExitCode);
                Assert.DoesNotContain("driver=pciback", host.ToText(), StringComparison.Ordinal);
            }
        }
        Count(cases, 8);
    }

    // ---- others --------------------------------------------------------------------------------------------------------------------------

    [Fact]
    public void A_host_that_was_changed_by_hand_since_the_plan_was_made_is_left_as_it_is()
    {
        foreach (var (file, value) in ((string, string)[])[("drivers/e1000e/unbind", Card), ($"devices/{Card}/driver_override", "vfio-pci")])
        {
            var host = Machines.Make("");
            var snapshot = HostReader.Read(host, new Journal(host));
            var plan = Planner.Plan(snapshot, new Request(Verb.Hide, [PciAddress.Parse(Card)], null, []));
            host.Files.WriteAttribute($"{Sys}/{file}", value, TimeSpan.FromSeconds(1));
            if (value == Card)
                host.Files.WriteAttribute($"{Sys}/devices/{Card}/driver_override", "nvme", TimeSpan.FromSeconds(1));
            var before = host.ToText();
            var outcome = new Executor(host, new Journal(host)).Run(snapshot, plan);
            Assert.Equal(Result.Undone, outcome.Result);
            Assert.Contains("the host is not as it was when this was planned", Assert.Single(outcome.Errors), StringComparison.Ordinal);
            Assert.Equal(before, host.ToText());
        }
    }

    /// <summary>Somebody else acts between the crash and recover: that is told, and nothing of it is overwritten.</summary>
    [Theory]
    [InlineData("hide 09:00.0", 1, "devices/0000:09:00.0/driver_override", "vfio-pci", "drivers/vfio-pci/bind", "driver vfio-pci")]
    [InlineData("hide 09:00.0", 2, "devices/0000:09:00.0/driver_override", "nvme", "", "driver_override nvme")]
    [InlineData("hide 09:00.0", 3, "drivers/pciback/unbind", "0000:09:00.0", "other-driver", "driver vfio-pci")]
    public void What_somebody_else_changed_meanwhile_is_told_as_stuck_and_never_overwritten(string command, int acts, string file, string value, string then, string seen)
    {
        var shape = new Shape("vfio", "", command);
        var host = shape.DieAfterAct(acts);
        var second = TimeSpan.FromSeconds(1);
        host.Files.WriteAttribute($"{Sys}/{file}", value, second);
        if (then == "other-driver")
        {
            host.Files.WriteAttribute($"{Sys}/devices/{Card}/driver_override", "vfio-pci", second);
            host.Files.WriteAttribute($"{Sys}/drivers/vfio-pci/bind", Card, second);
        }
        else if (then.Length > 0)
        {
            host.Files.WriteAttribute($"{Sys}/{then}", Card, second);
        }
        var changed = host.ToText();
        var told = Told.By(host, "recover");
        Assert.Equal(ExitCode.Stuck, told.ExitCode);
        Assert.Contains("somebody else has changed it meanwhile", told.Errors, StringComparison.Ordinal);
        Assert.Contains(seen, told.Errors, StringComparison.Ordinal);
        Assert.Equal(changed, host.ToText());
        Assert.Contains("[busy]", Told.By(host, "hide 09:00.0").Errors, StringComparison.Ordinal);

        // Once the person has put it back, recover goes on.
        if (host.Function("09:00.0").Driver is string driver)
            host.Files.WriteAttribute($"{Sys}/drivers/{driver}/unbind", Card, second);
        host.Files.WriteAttribute($"{Sys}/devices/{Card}/driver_override", acts == 1 ? "\n" : "pciback", second);
        if (acts == 3)
            host.Run("xl", ["pci-assignable-add", Card], TimeSpan.FromSeconds(60));
        Assert.Equal(0, Told.By(host, "recover").ExitCode);
        shape.AssertBefore(host, "put back");
    }

    [Fact]
    public void A_function_that_somebody_gave_back_by_hand_meanwhile_is_undone()
    {
        var shape = new Shape("", "", "hide 09:00.0");
        var host = shape.DieAfterAct(3);
        host.Run("xl", ["pci-assignable-remove", Card], TimeSpan.FromSeconds(60));
        host.Files.WriteAttribute($"{Sys}/devices/{Card}/driver_override", "\n", TimeSpan.FromSeconds(1));
        host.Files.WriteAttribute($"{Sys}/drivers/e1000e/bind", Card, TimeSpan.FromSeconds(1));
        var changes = host.Changes;
        Assert.Equal(0, Told.By(host, "recover").ExitCode);
        shape.AssertBefore(host, "given back by hand");
        AssertEnded(host, Ending.Undone);
        Assert.DoesNotContain(host.Trace.Skip(changes), act => act.StartsWith("run xl", StringComparison.Ordinal) || act.StartsWith("write /sys/bus/pci/drivers", StringComparison.Ordinal));
    }

    [Fact]
    public void While_an_xl_that_a_dead_process_left_behind_is_at_work_nothing_is_undone()
    {
        var host = Machines.Make("");
        Assert.True(Told.DiesDuring(host, "attach 09:00.0 web1", "xl pci-attach"));
        host.WithFile("/proc/4711/cmdline", "/usr/sbin/xl\0pci-attach\01\00000:09:00.0\0");
        // Others are no concern of this operation.
        host.WithFile("/proc/4712/cmdline", "/usr/sbin/xl\0pci-attach\01\00000:07:00.0\0").WithFile("/proc/4713/cmdline", "vim\00000:09:00.0\0");
        var told = Told.By(host, "recover");
        Assert.Equal(ExitCode.Stuck, told.ExitCode);
        Assert.Contains("/usr/sbin/xl pci-attach 1 0000:09:00.0 (process 4711) is still at work", told.Errors, StringComparison.Ordinal);
        host.WithoutFile("/proc/4711/cmdline");
        Assert.Equal(0, Told.By(host, "recover").ExitCode);
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
    }

    // ---- the journal -----------------------------------------------------------------------------------------------------------------

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_act_is_on_disk_before_it_begins(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        var cases = 0;
        // Forward, and back again from each place.
        foreach (var failing in shape.Acts.Prepend(null))
        {
            var host = shape.Start();
            failing?.Fail(host, Errno.EIO, times: 1);
            var from = host.Changes;
            Told.By(host, command);
            var trace = host.Trace.Skip(from).ToArray();
            var announced = false;
            foreach (var change in trace)
            {
                if (change.StartsWith("flush /var/lib/pcipass/journal/", StringComparison.Ordinal))
                    announced = true;
                else if (change.StartsWith("append /var/lib/pcipass/journal/", StringComparison.Ordinal))
                    announced = false;
                else if (change.StartsWith("run ", StringComparison.Ordinal) || change.StartsWith("write /sys", StringComparison.Ordinal))
                    Assert.True(announced, $"{change} is not announced:\n{string.Join('\n', trace)}");
            }
            // One announcement for each act, and one flush for each announcement; the head and the end are flushed too.
            var text = host.Files.ReadText($"/var/lib/pcipass/journal/{new Journal(host).ReadAll().Count:d8}")!.Split('\n');
            Assert.StartsWith("end ", text[^1], StringComparison.Ordinal);
            Assert.StartsWith("flush /var/lib/pcipass/journal/", trace[^1], StringComparison.Ordinal);
            var mustFlush = text.Count(line => line.StartsWith("doing", StringComparison.Ordinal) || line.StartsWith("undoing", StringComparison.Ordinal)) + 2;
            Assert.True(trace.Count(change => change.StartsWith("flush", StringComparison.Ordinal)) >= mustFlush);
            cases++;
        }
        Count(cases, 3);
    }

    void Count(int cases, int atLeast)
    {
        output.WriteLine($"{cases} cases");
        Assert.True(cases >= atLeast, $"{cases} cases, of at least {atLeast}");
    }

    static void AssertEnded(SimHost host, Ending ending, int? operation = null)
    {
        var operations = new Journal(host).ReadAll();
        Assert.Equal(ending, operation is int number ? operations.First(each => each.Number == number).Ending : operations[^1].Ending);
    }
}
