using System.Text;
using System.Text.RegularExpressions;
using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>
/// The process dies after every single operation of every shape of plan. Whatever comes next brings the host to the state before or to
/// the state after, and the journal is closed.
/// </summary>
public class CrashTests(ITestOutputHelper output)
{
    /// <summary>The shapes of plans: a machine (see <see cref="Machines"/>), what was done on it before, and the command that dies.</summary>
    public static TheoryData<string, string, string> Shapes { get; } = new()
    {
        { "", "", "hide 09:00.0" },
        { "", "", "hide 00:1f.2" },
        { "", "", "hide 07:00.0 09:00.0 00:1f.2" },
        { "override", "", "hide 09:00.0" },
        { "slot", "", "hide 09:00.0" },
        { "slot override", "", "hide 09:00.0 07:00.0" },
        { "no-iommu", "", "hide 09:00.0 --accept unconfined-dma" },
        { "", "", "hide --now 09:00.0" },
        { "", "", "hide --boot 09:00.0 07:00.0" },
        { "", "hide 07:00.0", "hide 09:00.0" },
        { "", "hide 07:00.0 09:00.0", "unhide 09:00.0" },
        { "", "hide 07:00.0 09:00.0", "unhide --boot 07:00.0" },
        { "", "hide 09:00.0", "unhide --now 09:00.0" },
        { "", "hide 09:00.0", "unhide 09:00.0" },
        { "", "hide 07:00.0 09:00.0 00:1f.2", "unhide 09:00.0 00:1f.2 07:00.0" },
        { "override", "hide 09:00.0", "unhide 09:00.0" },
        { "slot", "hide 09:00.0", "unhide 09:00.0" },
        { "no-iommu", "hide 09:00.0 --accept unconfined-dma", "unhide 09:00.0" },
        { "boot-hidden", "", "unhide 09:00.0" },
        { "boot-hidden", "", "unhide 07:00.0 09:00.0" },
        { "boot-hidden", "hide 08:00.0", "unhide 07:00.0 08:00.0 09:00.0" },
        { "", "", "attach 09:00.0 web1" },
        { "", "", "attach 09:00.0 hvm1" },
        { "", "", "attach 09:00.0 07:00.0 08:00.0 web1" },
        { "", "hide 09:00.0", "attach 09:00.0 web1" },
        { "", "hide 09:00.0", "attach 07:00.0 09:00.0 web1" },
        { "", "attach 07:00.0 web1", "attach 09:00.0 web1" },
        { "override", "", "attach 09:00.0 web1" },
        { "other-override", "", "attach 09:00.0 web1" },
        { "other-override", "attach 09:00.0 web1", "detach 09:00.0 web1" },
        { "slot", "", "attach 09:00.0 web1" },
        { "boot-hidden", "", "attach 09:00.0 web1" },
        { "", "attach 09:00.0 web1", "detach 09:00.0 web1" },
        { "", "attach 09:00.0 hvm1", "detach 09:00.0 hvm1" },
        { "", "attach 07:00.0 08:00.0 09:00.0 web1", "detach 09:00.0 07:00.0 08:00.0 web1" },
        { "", "attach 07:00.0 09:00.0 web1", "detach 07:00.0 web1" },
        { "", "hide 09:00.0; attach 09:00.0 web1", "detach 09:00.0 web1" },
        { "", "hide 07:00.0; attach 07:00.0 09:00.0 web1", "detach 07:00.0 09:00.0 web1" },
        { "override", "attach 09:00.0 web1", "detach 09:00.0 web1" },
        { "slot", "attach 09:00.0 web1", "detach 09:00.0 web1" },
        { "boot-hidden", "attach 09:00.0 web1", "detach 09:00.0 web1" },
        { "", "attach 09:00.0 web1; ! destroy web1", "detach 09:00.0 web1" },
        { "", "! destroy web1", "attach 09:00.0 web1" },
        { "", "", "attach 09:00.0 web1 --live" },
        { "", "attach 09:00.0 web1", "detach 09:00.0 web1 --config" },
        { "agent", "attach 09:00.0 web2", "detach 09:00.0 web2" },
        { "", "", "hide --method modprobe 09:00.0" },
        { "", "hide --method modprobe 09:00.0", "unhide 09:00.0" },
        { "two-functions", "", "hide --with-companions 0a:00.0" },
        { "two-functions", "", "attach --with-companions 0a:00.0 web1" },
        { "two-functions", "attach --with-companions 0a:00.0 web1", "detach 0a:00.0 0a:00.1 web1" },
        { "two-functions", "hide --with-companions 0a:00.0", "unhide 0a:00.0 0a:00.1" },
    };

    /// <summary>The same without Xen.</summary>
    public static TheoryData<string, string, string> KvmShapes { get; } = new()
    {
        { "libvirt", "", "hide 09:00.0" },
        { "libvirt", "hide 09:00.0", "unhide 09:00.0" },
        { "libvirt", "", "attach 09:00.0 web1" },
        { "libvirt", "", "attach 09:00.0 07:00.0 web1" },
        { "libvirt", "attach 09:00.0 07:00.0 web1", "detach 09:00.0 07:00.0 web1" },
        { "qemu", "", "attach 09:00.0 07:00.0 web1" },
        { "qemu", "attach 09:00.0 web1", "detach 09:00.0 web1" },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    [MemberData(nameof(KvmShapes))]
    public void After_a_crash_recover_leads_to_before_or_after(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        var cases = 0;
        for (var n = 0; shape.CrashAfter(n) is SimHost host; n++, cases++)
        {
            var told = Told.By(host, "recover");
            Assert.True(told.ExitCode == 0, $"crash after {n}: {told}");
            shape.AssertBeforeOrAfter(host, $"crash after {n}");
            // What recover did is all there was to do.
            var text = host.ToText();
            Assert.Equal("every operation has ended\n", Told.By(host, "recover").Output);
            Assert.Equal(text, host.ToText());
        }
        Count(cases, shape.Changes);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    [MemberData(nameof(KvmShapes))]
    public void After_a_crash_the_next_command_that_changes_something_recovers_first(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        var cases = 0;
        for (var n = 0; shape.CrashAfter(n) is SimHost host; n++, cases++)
        {
            // Guests and the backend go on while nobody looks.
            host.Clock.Advance(TimeSpan.FromSeconds(20));
            var told = Told.By(host, "hide 0f:00.0");
            Assert.Contains("[not-found]", told.Errors, StringComparison.Ordinal);
            shape.AssertBeforeOrAfter(host, $"crash after {n}");
        }
        Count(cases, shape.Changes);
    }

    [Theory]
    [InlineData("", "", "hide 09:00.0")]
    [InlineData("slot override", "", "hide 09:00.0 07:00.0")]
    [InlineData("no-iommu", "", "hide 09:00.0 --accept unconfined-dma")]
    [InlineData("slot", "hide 09:00.0", "unhide 09:00.0")]
    [InlineData("boot-hidden", "", "unhide 07:00.0 09:00.0")]
    [InlineData("boot-hidden", "hide 08:00.0", "unhide 08:00.0 09:00.0")]
    [InlineData("", "", "attach 09:00.0 web1")]
    [InlineData("", "", "attach 09:00.0 hvm1")]
    [InlineData("", "hide 09:00.0", "attach 07:00.0 09:00.0 web1")]
    [InlineData("", "attach 07:00.0 web1", "attach 09:00.0 web1")]
    [InlineData("", "attach 09:00.0 web1", "detach 09:00.0 web1")]
    [InlineData("", "attach 09:00.0 hvm1", "detach 09:00.0 hvm1")]
    [InlineData("", "attach 07:00.0 08:00.0 09:00.0 web1", "detach 09:00.0 07:00.0 web1")]
    [InlineData("", "attach 09:00.0 web1; ! destroy web1", "detach 09:00.0 web1")]
    [MemberData(nameof(KvmShapes))]
    public void After_a_crash_and_a_crash_in_the_recovery_recover_leads_to_before_or_after(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        int cases = 0, crashes = 0;
        for (var n = 0; shape.CrashAfter(n) is not null; n++, crashes++)
        {
            for (var m = 0; shape.CrashAfter(n) is SimHost host && Told.Dies(host, "recover", m); m++, cases++)
            {
                var told = Told.By(host, "recover");
                Assert.True(told.ExitCode == 0, $"crashes after {n} and {m}: {told}");
                shape.AssertBeforeOrAfter(host, $"crashes after {n} and {m}");
            }
        }
        // Every recovery that has anything to do writes at least an end, and flushes it.
        Count(cases, 2 * (crashes - 10));
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    [MemberData(nameof(KvmShapes))]
    public void After_a_crash_with_the_last_line_torn_at_any_byte_recover_leads_to_before_or_after(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        int cases = 0, lines = 0;
        for (var n = 0; shape.CrashAfter(n) is SimHost crashed; n++)
        {
            // Only what was being written can be torn: what announces an act is on disk before the act.
            if (crashed.Changes == 0 || !crashed.Trace[^1].StartsWith("append /var/lib/pcipass/journal/", StringComparison.Ordinal))
                continue;
            lines++;
            var path = crashed.Trace[^1].Split(' ')[1];
            var whole = crashed.Files.ReadAll(path)!;
            var length = int.Parse(crashed.Trace[^1].Split(' ')[2]);
            // A torn head never happened, wherever it was torn: some of its bytes will do.
            for (var cut = whole.Length - length; cut < whole.Length; cut += length > 100 ? 17 : 1, cases++)
            {
                var host = shape.CrashAfter(n)!;
                host.WithFile(path, Encoding.UTF8.GetString(whole, 0, cut));
                var told = Told.By(host, "recover");
                Assert.True(told.ExitCode == 0, $"crash after {n}, journal torn at byte {cut}: {told}");
                shape.AssertBeforeOrAfter(host, $"crash after {n}, journal torn at byte {cut}");
                Assert.Equal(0, Told.By(host, "history").ExitCode);
            }
        }
        Count(cases, 6 * lines);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void After_a_restart_in_the_middle_the_operation_is_void_and_the_host_as_freshly_started(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        var (untouched, changed) = (Restarted(shape.Start()), Restarted(shape.Finish()));
        var operations = new Journal(shape.Start()).ReadAll().Count;
        int cases = 0, voids = 0;
        for (var n = 0; shape.CrashAfter(n) is not null; n++)
        {
            // An orderly restart; the power goes and nothing unflushed is left; or some bytes of it are.
            for (var torn = -1; torn <= 4; torn += torn < 0 ? 1 : 4, cases++)
            {
                var host = shape.CrashAfter(n)!;
                if (torn < 0)
                    host.Reboot();
                else
                    host.PowerLoss(torn);
                var open = new Journal(host).ReadAll().Where(operation => operation.Ending == Ending.None).Select(operation => operation.Number).ToArray();
                // A guest starts with what its file says at that moment, which may not be what recovery makes of it.
                var maySee = machine.Contains("boot-hidden", StringComparison.Ordinal) ? [Kernel(untouched), Kernel(changed)] : new[] { Kernel(untouched) };
                Assert.Contains(Kernel(host.ToText()), maySee);
                Assert.Equal(0, Told.By(host, "recover").ExitCode);
                // Files outlive the restart: they go back to what they were, or stay as they were meant to be.
                var isDone = new Journal(host).ReadAll().Skip(operations).Any(operation => operation.Ending == Ending.Done);
                Assert.Equal(Files(isDone ? changed : untouched), Files(host.ToText()));
                Assert.Contains(Kernel(host.ToText()), maySee);
                Assert.All(new Journal(host).ReadAll(), operation => Assert.Equal(open.Contains(operation.Number) ? Ending.Void : Ending.Done, operation.Ending));
                voids += open.Length;
                if (!machine.Contains("boot-hidden", StringComparison.Ordinal) && !host.ToText().Contains("/etc/pcipass/devices", StringComparison.Ordinal))
                    Assert.StartsWith("no function is away from the host\n", Told.By(host, "status").Output, StringComparison.Ordinal);
            }
        }
        Count(cases, 3 * shape.Changes);
        Assert.True(voids > cases / 4, $"{voids} void operations");

        static string Restarted(SimHost host)
        {
            host.Reboot();
            return host.ToText();
        }

        static string Files(string text) => text[text.IndexOf("\nfile ", StringComparison.Ordinal)..];

        static string Kernel(string text) => text[..text.IndexOf("\nfile ", StringComparison.Ordinal)];
    }

    /// <summary>The process dies at each read too, while a guest connects or lets go: time stands still between two of its calls, not for the guest.</summary>
    [Theory]
    [InlineData("", "", "attach 09:00.0 web1")]
    [InlineData("", "attach 07:00.0 web1", "attach 09:00.0 web1")]
    [InlineData("", "attach 09:00.0 web1", "detach 09:00.0 web1")]
    [InlineData("", "attach 07:00.0 09:00.0 web1", "detach 07:00.0 web1")]
    [InlineData("libvirt", "", "attach 09:00.0 web1")]
    [InlineData("libvirt", "attach 09:00.0 web1", "detach 09:00.0 web1")]
    [InlineData("qemu", "", "attach 09:00.0 web1")]
    [InlineData("qemu", "attach 09:00.0 web1", "detach 09:00.0 web1")]
    public void After_a_crash_at_any_read_recover_leads_to_before_or_after(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        var cases = 0;
        for (var n = 0; shape.CrashAfterOperations(n) is SimHost host; n++, cases++)
        {
            Assert.Equal(0, Told.By(host, "recover").ExitCode);
            shape.AssertBeforeOrAfter(host, $"crash after {n} operations");
        }
        Count(cases, 200);
    }

    /// <summary>A dead process leaves its xl at work: recover waits for it, and does not act against it.</summary>
    [Theory]
    [MemberData(nameof(Shapes))]
    public void After_a_crash_while_xl_runs_on_recover_leads_to_before_or_after(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        var cases = 0;
        var programs = shape.Acts.Select(act => act.Text).Where(act => act.StartsWith("run ", StringComparison.Ordinal)).Select(act => act[4..]).ToArray();
        foreach (var program in programs)
        {
            foreach (var seconds in (int[])[0, 3, 20])
            {
                var host = shape.Start();
                Assert.True(Told.DiesDuring(host, command, program), program);
                // Where the kernel shows a running program; xl is done within 11 s.
                host.WithFile("/proc/4711/cmdline", $"/usr/sbin/{program.Replace(' ', '\0')}\0");
                host.Clock.After(TimeSpan.FromSeconds(12), () => host.WithoutFile("/proc/4711/cmdline"));
                host.Clock.Advance(TimeSpan.FromSeconds(seconds));
                var told = Told.By(host, "recover");
                Assert.True(told.ExitCode == 0, $"crash during {program}, {seconds} s later: {told}");
                shape.AssertBeforeOrAfter(host, $"crash during {program}, {seconds} s later");
                cases++;
            }
        }
        var isOnFilesAlone = command.Contains("--boot", StringComparison.Ordinal) || (command.StartsWith("detach ", StringComparison.Ordinal) && command.Contains("--config", StringComparison.Ordinal));
        Count(cases, machine == "no-iommu" || isOnFilesAlone ? 0 : 3);
    }

    /// <summary>xl dies as well, in the middle of what it does.</summary>
    [Theory]
    [InlineData("hide 09:00.0", "pci-assignable-add", "slot")]
    [InlineData("hide 09:00.0", "pci-assignable-add", "slot bind")]
    [InlineData("attach 09:00.0 web1", "pci-assignable-add", "slot")]
    [InlineData("attach 09:00.0 web1", "pci-assignable-add", "slot bind")]
    [InlineData("unhide 09:00.0", "pci-assignable-remove", "dequarantine")]
    [InlineData("unhide 09:00.0", "pci-assignable-remove", "dequarantine unbind")]
    [InlineData("detach 09:00.0 web1", "pci-assignable-remove", "dequarantine")]
    [InlineData("detach 09:00.0 web1", "pci-assignable-remove", "dequarantine unbind")]
    [InlineData("detach 09:00.0 web1", "pci-detach", "ask")]
    public void When_xl_dies_half_way_too_recover_leads_to_before_or_after(string command, string program, string half)
    {
        const string Pciback = "/sys/bus/pci/drivers/pciback", Card = "0000:09:00.0";
        var shape = new Shape("", command.Split(' ')[0] switch { "unhide" => "hide 09:00.0", "detach" => "attach 09:00.0 web1", _ => "" }, command);
        var run = shape.Start();
        var from = run.Changes;
        Assert.Equal(0, Told.By(run, command).ExitCode);
        var n = run.Trace.Skip(from).ToList().FindIndex(act => act.StartsWith($"run xl {program}", StringComparison.Ordinal));
        var host = shape.CrashAfter(n)!;
        var second = TimeSpan.FromSeconds(1);
        switch (half)
        {
            case "slot":
                host.Files.WriteAttribute($"{Pciback}/new_slot", Card, second);
                break;
            case "slot bind":
                host.Files.WriteAttribute($"{Pciback}/new_slot", Card, second);
                host.Files.WriteAttribute($"{Pciback}/bind", Card, second);
                break;
            case "dequarantine":
                host.Faults.Fail($"{Pciback}/unbind", Errno.EIO, times: 1);
                host.Run("xl", ["pci-assignable-remove", Card], TimeSpan.FromSeconds(60));
                break;
            case "dequarantine unbind":
                host.Faults.Fail($"{Pciback}/remove_slot", Errno.EIO, times: 1);
                host.Run("xl", ["pci-assignable-remove", Card], TimeSpan.FromSeconds(60));
                break;
            case "ask":
                host.FindGuest("web1")!.Habit = FrontendHabit.NeverLetsGo;
                host.Run("xl", ["pci-detach", "web1", Card], TimeSpan.FromSeconds(60));
                host.FindGuest("web1")!.Habit = FrontendHabit.Prompt;
                break;
        }
        Assert.NotEqual(shape.Before, shape.Comparable(host));
        var told = Told.By(host, "recover");
        Assert.True(told.ExitCode == 0, told.ToString());
        shape.AssertBeforeOrAfter(host, $"xl died half way ({half})");
    }

    /// <summary>What a guest has given up, it has lost: from there on a detach is finished by recover, not undone.</summary>
    [Theory]
    [InlineData("", "attach 09:00.0 web1", "detach 09:00.0 web1", 1)]
    [InlineData("", "attach 09:00.0 hvm1", "detach 09:00.0 hvm1", 1)]
    [InlineData("", "attach 07:00.0 08:00.0 09:00.0 web1", "detach 09:00.0 07:00.0 08:00.0 web1", 1)]
    [InlineData("", "hide 07:00.0; attach 07:00.0 09:00.0 web1", "detach 07:00.0 09:00.0 web1", 1)]
    [InlineData("boot-hidden", "attach 09:00.0 web1", "detach 09:00.0 web1", 1)]
    public void An_interrupted_detach_is_finished_once_the_guest_has_lost_a_function(string machine, string first, string command, int unplugs)
    {
        var shape = new Shape(machine, first, command);
        int before = 0, after = 0;
        for (var n = 0; shape.CrashAfter(n) is SimHost host; n++)
        {
            host.Clock.Advance(TimeSpan.FromSeconds(2));
            var lost = host.Trace.Count(change => change.StartsWith("run xl pci-detach ", StringComparison.Ordinal)) >= unplugs;
            Assert.Equal(0, Told.By(host, "recover").ExitCode);
            if (lost)
                shape.AssertAfter(host, $"crash after {n}");
            else
                shape.AssertBefore(host, $"crash after {n}");
            _ = lost ? after++ : before++;
        }
        output.WriteLine($"{before + after} cases");
        Assert.True(before > 0 && after > 3, $"{before} before, {after} after");
    }

    void Count(int cases, int atLeast)
    {
        output.WriteLine($"{cases} cases");
        Assert.True(cases >= atLeast, $"{cases} cases, of at least {atLeast}");
    }
}

/// <summary>A command on a machine, with the machine's text before and after it.</summary>
sealed partial record Shape(string Machine, string First, string Command)
{
    string? before, after;
    int changes;
    List<string> trace = [];

    public string Before => before ??= Comparable(Start());

    /// <summary>How many changes of the host the command makes.</summary>
    public int Changes
    {
        get
        {
            Measure();
            return changes;
        }
    }

    /// <summary>What it does to the host, each once: all but what it writes down.</summary>
    public IReadOnlyList<Act> Acts
    {
        get
        {
            Measure();
            return ActsIn(trace);
        }
    }

    public static IReadOnlyList<Act> ActsIn(IEnumerable<string> trace) =>
        [.. trace.Where(change => change.StartsWith("run ", StringComparison.Ordinal) || change.StartsWith("write /sys", StringComparison.Ordinal)).Distinct().Select(change => new Act(change))];

    void Measure()
    {
        if (after is not null)
            return;
        var host = Start();
        var from = host.Changes;
        var told = Told.By(host, Command);
        Assert.True(told.ExitCode == 0, told.ToString());
        changes = host.Changes - from;
        trace = [.. host.Trace.Skip(from)];
        after = Comparable(host);
    }

    /// <summary>The host after the command.</summary>
    public SimHost Finish()
    {
        var host = Start();
        Assert.Equal(0, Told.By(host, Command).ExitCode);
        return host;
    }

    public SimHost Start()
    {
        var host = Machines.Make(Machine);
        foreach (var line in First.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (line.StartsWith("! destroy ", StringComparison.Ordinal))
                host.DestroyGuest(line["! destroy ".Length..]);
            else
                Assert.Equal(0, Told.By(host, line).ExitCode);
        }
        return host;
    }

    /// <summary>The host after the command died after n changes; null when it ended before.</summary>
    public SimHost? CrashAfter(int n)
    {
        var host = Start();
        return Told.Dies(host, Command, n) ? host : null;
    }

    /// <summary>The host after the command died right after its n-th act, from 1.</summary>
    public SimHost DieAfterAct(int n)
    {
        Measure();
        var places = trace.Index().Where(change => ActsIn([change.Item]).Count > 0).Select(change => change.Index + 1).ToArray();
        return CrashAfter(places[n - 1])!;
    }

    public SimHost? CrashAfterOperations(int n)
    {
        var host = Start();
        return Told.DiesAtOperation(host, Command, n) ? host : null;
    }

    /// <summary>The host's text once guests and backend have come to rest, without what a way back may leave otherwise.</summary>
    public string Comparable(SimHost host)
    {
        host.Clock.Advance(TimeSpan.FromSeconds(5));
        var text = host.ToText();
        // A function that was hidden at boot is not under quarantine. Once it is, it stays there: nothing tells that it was not before.
        if (Machine.Contains("boot-hidden", StringComparison.Ordinal))
            text = text.Replace("driver=pciback override=- owner=d[IO]", "driver=pciback override=- owner=dom0", StringComparison.Ordinal);
        // The kernel numbers interfaces in the order in which they come back.
        if (Machine.Contains("two-functions", StringComparison.Ordinal))
            text = Interface().Replace(text, "");
        // A function that is plugged in again goes to the first free place, which need not be the one that it had.
        if (Command.StartsWith("detach", StringComparison.Ordinal))
            text = string.Join('\n', Place().Replace(text, "${kind}").Split('\n').Order(StringComparer.Ordinal));
        return text;
    }

    [GeneratedRegex(@"(?<kind>(dev|key|opts|state)-)\d+(?=.* = )|vdev-\d+ = .*|(?<=guest \S+ has \S+) at \S+", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Place();

    [GeneratedRegex(@" name=eth\d+", RegexOptions.None, 1000)]
    private static partial Regex Interface();

    /// <summary>Dies after every change, and in the recovery from that after every change again; recover always leads to before or after.</summary>
    /// <returns>After how many changes it died.</returns>
    public int AssertEveryTwoCrashes()
    {
        var n = 0;
        for (; CrashAfter(n) is SimHost host; n++)
        {
            AssertRecovers(host, $"crash after {n}");
            for (var m = 0; CrashAfter(n) is SimHost again && Told.Dies(again, "recover", m); m++)
                AssertRecovers(again, $"crashes after {n} and {m}");
        }
        Assert.True(n >= Changes, $"{n} crashes");
        return n;
    }

    /// <summary>Dies before every operation, reads as well.</summary>
    /// <returns>Before how many.</returns>
    public int AssertEveryCrashAtAnOperation()
    {
        var n = 0;
        for (; CrashAfterOperations(n) is SimHost host; n++)
            AssertRecovers(host, $"crash after {n} operations");
        return n;
    }

    void AssertRecovers(SimHost host, string when)
    {
        var told = Told.By(host, "recover");
        Assert.True(told.ExitCode == 0, $"{when}: {told}");
        AssertBeforeOrAfter(host, when);
    }

    public void AssertBefore(SimHost host, string when, bool closed = true) => AssertIs(host, when, before: true, after: false, closed);

    public void AssertAfter(SimHost host, string when) => AssertIs(host, when, before: false, after: true);

    public void AssertBeforeOrAfter(SimHost host, string when) => AssertIs(host, when, before: true, after: true);

    void AssertIs(SimHost host, string when, bool before, bool after, bool closed = true)
    {
        Measure();
        var text = Comparable(host);
        if (!(before && text == Before) && !(after && text == this.after))
            Assert.Fail($"{Command}: {when}: neither before nor after:\n{Difference.Of(before ? Before : this.after!, text)}\nsteps:\n{string.Join('\n', host.Trace.TakeLast(40))}");
        if (closed)
            Assert.All(new Journal(host).ReadAll(), operation => Assert.NotEqual(Ending.None, operation.Ending));
    }
}

/// <summary>One thing that is done to the host, as the simulator traces it: <c>run xl pci-attach 1 0000:09:00.0</c>, <c>write PATH VALUE</c>.</summary>
sealed record Act(string Text)
{
    bool IsProgram => Text.StartsWith("run ", StringComparison.Ordinal);
    string Target => IsProgram ? Text[4..] : Text.Split(' ')[1];

    /// <summary>Whether it can wait in the kernel. pciback's list of slots is behind a lock that is never held long.</summary>
    public bool CanHang => !Target.EndsWith("_slot", StringComparison.Ordinal);

    /// <summary>Whether it is tried once more, in another way: what fails to leave Xen's quarantine may not have been in it.</summary>
    public bool IsTriedAgain => Text.StartsWith("run xl pci-assignable-remove ", StringComparison.Ordinal);

    /// <summary>What the error tells when it fails.</summary>
    public string ErrorOf(int errno) => IsProgram ? $"libxl was told error {errno}" : Errno.Describe(errno);

    public void Fail(SimHost host, int errno, int times)
    {
        if (IsProgram)
            host.Faults.FailProgram(Target, 1, $"libxl: error: libxl_pci.c:1:f: {ErrorOf(errno)}\n", times);
        else
            host.Faults.Fail(Target, errno, times, Text.Split(' ')[2]);
    }

    /// <summary>
    /// Lets it hang. A write waits with the function's lock held, so that whatever else would change the function waits as well; a
    /// program stays in the kernel's list.
    /// </summary>
    public void Hang(SimHost host)
    {
        foreach (var target in Locked)
            host.Faults.Hang(target);
        if (IsProgram)
            host.WithFile("/proc/4711/cmdline", $"/usr/sbin/{Target.Replace(' ', '\0')}\0");
    }

    public void Release(SimHost host)
    {
        foreach (var target in Locked)
            host.Faults.Release(target);
        host.WithoutFile("/proc/4711/cmdline");
    }

    IEnumerable<string> Locked => (Target[(Target.LastIndexOf('/') + 1)..] switch
    {
        "bind" or "unbind" => (string[])["bind", "unbind"],
        var other => [other],
    }).Select(file => IsProgram ? Target : $"{Target[..(Target.LastIndexOf('/') + 1)]}{file}");

    public override string ToString() => Text;
}
