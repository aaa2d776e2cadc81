using System.Collections.Immutable;
using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>Saving guests and starting them again, on the simulated host.</summary>
public class SaveTests
{
    const string Image = "/var/lib/xen/save/web1";

    static SimHost Host(params string[] commands)
    {
        var host = Machines.Make("pinless");
        foreach (var command in commands)
            Assert.Equal(0, Told.By(host, command).ExitCode);
        return host;
    }

    static IEnumerable<string> SeenBy(SimHost host) => host.FindGuest("web1")!.Functions.Select(entry => $"{entry.Key} {entry.Value.Address}");

    [Fact]
    public void The_plan_takes_out_what_came_last_first_and_ends_the_guest_last()
    {
        var told = Told.By(Host("attach 05:00.0 06:00.0 web1"), $"save web1 {Image} --dry-run");
        Assert.Equal(0, told.ExitCode);
        Assert.Collection(told.Output.TrimEnd('\n').Split('\n').Select(line => line.Trim()),
            line => Assert.StartsWith("1. plug 0000:06:00.0 web1/1 -> -", line, StringComparison.Ordinal),
            line => Assert.StartsWith("2. plug 0000:05:00.0 web1/1 -> -", line, StringComparison.Ordinal),
            line => Assert.StartsWith($"3. save {Image} - -> web1/1", line, StringComparison.Ordinal),
            line => Assert.StartsWith($"4. edit {Image}.pcipass - -> ", line, StringComparison.Ordinal),
            line => Assert.StartsWith("5. end web1/1", line, StringComparison.Ordinal));
    }

    [Fact]
    public void The_steps_are_read_back_as_they_were_written()
    {
        foreach (var text in (string[])["save /a/b - -> web1/3", "save /a/b web1/3 -> -", "end web1/3", "start web1 /a/b"])
            Assert.Equal(text, Step.Parse(text).Text);
        Assert.Equal("save /a/b web1/3 -> -", Step.Parse("save /a/b - -> web1/3").Reverse()!.Text);
        Assert.Null(Step.Parse("end web1/3").Reverse());
        Assert.Null(Step.Parse("start web1 /a/b").Reverse());
    }

    [Fact]
    public void A_guest_comes_back_with_its_functions_where_it_saw_them()
    {
        var host = Host("attach 05:00.0 06:00.0 web1");
        var seen = SeenBy(host).ToArray();
        Assert.Equal(2, seen.Length);
        var told = Told.By(host, $"save web1 {Image}");
        Assert.True(told.ExitCode == 0, told.ToString());
        Assert.Null(host.FindGuest("web1"));
        Assert.Equal(["pciback", "pciback"], ((string[])["05:00.0", "06:00.0"]).Select(function => host.Function(function).Driver));
        told = Told.By(host, $"restore {Image}");
        Assert.True(told.ExitCode == 0, told.ToString());
        Assert.Contains("done: web1 has 0000:05:00.0 as 0000:00:00.0", told.Output, StringComparison.Ordinal);
        Assert.Equal(seen, SeenBy(host));
        // What the attach before had taken from the host goes back to it.
        Assert.Equal(0, Told.By(host, "detach 05:00.0 06:00.0 web1").ExitCode);
        Assert.Null(host.Function("05:00.0").Driver);
        Assert.Equal("nothing to do: guest web1 runs, and has what it had\n", Told.By(Restored("attach 05:00.0 web1"), $"restore {Image}").Output);
    }

    static SimHost Restored(string attach) => Host(attach, $"save web1 {Image}", $"restore {Image}");

    [Fact]
    public void An_HVM_guest_comes_back_with_its_card_whatever_pin_that_has()
    {
        var host = Host("attach 09:00.0 08:00.0 hvm1 --accept holds-data", "detach 08:00.0 hvm1");
        Told.By(host, $"save hvm1 {Image}").Says(0);
        Assert.Contains("\ntype hvm\n", host.Files.ReadText($"{Image}.pcipass"), StringComparison.Ordinal);
        Assert.Null(host.FindGuest("hvm1"));
        Assert.Contains("done: hvm1 has 0000:09:00.0 as 0000:00:04.0", Told.By(host, $"restore {Image}").Says(0), StringComparison.Ordinal);
        Assert.Single(host.FindGuest("hvm1")!.Functions);
        Told.By(host, "detach 09:00.0 hvm1").Says(0);
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
    }

    [Fact]
    public void Of_Xens_guests_those_of_another_type_are_refused()
    {
        var host = HostText.Parse("0000:06:00.0 050000 driver=pciback\nguest web1 3 pvh");
        var request = new Request(Verb.Save, [], new GuestReference(null, host.Guests[0].Name), []) { Image = new GuestImage("/tmp/web1") { HasFolder = true } };
        Assert.Equal("survival-unknown", Assert.Single(Planner.Plan(host, request).Refusals).Code);
    }

    [Fact]
    public void A_guest_without_functions_can_be_saved_too()
    {
        var host = Host($"save web1 {Image}", $"restore {Image}");
        Assert.NotNull(host.FindGuest("web1"));
        Assert.Empty(SeenBy(host));
    }

    [Theory]
    [InlineData("attach --live 09:00.0 web1", "has 0000:09:00.0")]
    [InlineData("attach 09:00.0 web1; detach 09:00.0 web1", "has had 0000:09:00.0")]
    [InlineData("attach 06:00.0 web1; attach 09:00.0 web1; detach 09:00.0 web1", "has had 0000:09:00.0")]
    public void A_guest_that_has_had_an_interrupt_pin_in_this_start_is_not_saved(string before, string why)
    {
        var host = Host(before.Split("; "));
        var text = host.ToText();
        foreach (var command in (string[])["can-save web1", $"save web1 {Image}"])
        {
            var told = Told.By(host, command);
            Assert.Equal(1, told.ExitCode);
            Assert.Contains("[had-interrupt-pin]", told.Errors, StringComparison.Ordinal);
            Assert.Contains(why, told.Errors, StringComparison.Ordinal);
        }
        Assert.Equal(text, host.ToText());
        // Another start of it has another kernel.
        host.DestroyGuest("web1");
        host.StartGuest("web1");
        Assert.Equal(0, Told.By(host, "can-save web1").ExitCode);
    }

    [Fact]
    public void What_others_attached_by_hand_is_known_from_the_kernels_log()
    {
        var host = Host("hide 09:00.0");
        var minute = TimeSpan.FromMinutes(1);
        Assert.Equal(0, host.Run("xl", ["pci-attach", "web1", "0000:09:00.0"], minute).ExitCode);
        host.Clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(0, host.Run("xl", ["pci-detach", "web1", "0000:09:00.0"], minute).ExitCode);
        Assert.Contains("[had-interrupt-pin]", Told.By(host, "can-save web1").Errors, StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "can-save db1").ExitCode);
    }

    [Fact]
    public void A_log_that_no_longer_goes_back_to_the_start_proves_nothing()
    {
        var host = Host("attach 06:00.0 web1");
        host.ForgetMessages();
        var told = Told.By(host, "can-save web1");
        Assert.Equal(1, told.ExitCode);
        Assert.Contains("[history-unknown]", told.Errors, StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "can-save web1 --accept history-unknown").ExitCode);
        Assert.Equal(0, Told.By(host, $"save web1 {Image} --accept history-unknown").ExitCode);
    }

    [Theory]
    [InlineData("can-save nobody", "guest-unknown")]
    [InlineData("save web1 /no/such/folder/web1", "image-place")]
    [InlineData("save web1 /etc/xen/web1.cfg", "image-place")]
    [InlineData("restore /var/lib/xen/save/nothing", "image-unreadable")]
    public void Refuses_with_the_code_and_changes_nothing(string command, string code)
    {
        var host = Host("attach 06:00.0 web1");
        var text = host.ToText();
        var told = Told.By(host, command);
        Assert.Equal(1, told.ExitCode);
        Assert.Contains($"[{code}]", told.Errors, StringComparison.Ordinal);
        Assert.Equal(text, host.ToText());
    }

    [Fact]
    public void A_guest_whose_memory_does_not_fit_is_refused_before_it_loses_anything()
    {
        var host = Host("attach 06:00.0 web1");
        var text = host.ToText();
        host.Room = (256 << 20) - 1;
        var refusal = Told.By(host, $"save web1 {Image}").Says(1);
        Assert.Contains("[image-room]", refusal, StringComparison.Ordinal);
        Assert.Contains("256 MiB of memory, and the file system has room for 255 MiB", refusal, StringComparison.Ordinal);
        Assert.Equal(text, host.ToText());
        // A file system may make less of it than it is; and what is not known refuses nothing.
        Told.By(host, $"save web1 {Image} --accept image-room").Says(0);
        foreach (var room in (long?[])[256 << 20, null])
        {
            host = Host("attach 06:00.0 web1");
            host.Room = room;
            Told.By(host, $"save web1 {Image}").Says(0);
        }
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("attach 05:00.0 06:00.0 web1", "a plain xl save would leave web1 hanging, and end with 0: it has 0000:05:00.0, 0000:06:00.0; instead:  pcipass save web1 FILE, or pcipass migrate web1 HOST\n")]
    [InlineData("attach 06:00.0 web1; detach 06:00.0 web1", "")]
    [InlineData("attach 09:00.0 web1; detach 09:00.0 web1", "a plain xl save would kill web1, and end with 0: since its start it has had 0000:09:00.0, with an interrupt pin; only a new start of it helps\n")]
    [InlineData("attach 09:00.0 hvm1", "a plain xl save would leave 0000:09:00.0 in hvm1 for good, and end with 0: restored, it no longer lets go of what it has; instead:  pcipass save hvm1 FILE, or pcipass migrate hvm1 HOST\n")]
    [InlineData("attach 09:00.0 hvm1; detach 09:00.0 hvm1", "")]
    public void Guests_says_what_a_plain_save_would_do(string before, string sentence)
    {
        var host = Host(before.Split("; ", StringSplitOptions.RemoveEmptyEntries));
        var told = Told.By(host, "guests");
        Assert.Equal(0, told.ExitCode);
        Assert.Equal(sentence, string.Concat(told.Output.Split('\n').Where(line => line.StartsWith("a plain ", StringComparison.Ordinal)).Select(line => $"{line}\n")));
    }

    [Theory]
    [InlineData("attach 09:00.0 web1", "save web1 /tmp/web1", "QEMU refuses to write it while 0000:09:00.0 is in it")]
    [InlineData("", "migrate web1 xen2", "QEMU's own command migrate")]
    public void Guests_whose_QEMU_was_started_by_hand_are_refused_with_the_reason_and_before_harm(string before, string command, string why)
    {
        var host = Machines.Make("qemu");
        if (before.Length > 0)
            Told.By(host, before).Says(0);
        var text = host.ToText();
        var told = Told.By(host, command);
        Assert.Contains(why, told.Says(1), StringComparison.Ordinal);
        Assert.Contains("[survival-unknown]", told.Errors, StringComparison.Ordinal);
        Assert.Equal(text, host.ToText());
    }

    [Fact]
    public void A_guest_that_only_had_its_function_by_its_configuration_would_come_back_without()
    {
        var host = HostText.Parse("0000:06:00.0 050000 driver=pciback\nguest web1 3 pv\nattached 0000:06:00.0 3 0000:00:00.0");
        var guest = host.Guests[0] with { Passthrough = true, SaysPassthrough = false, History = new GuestHistory([], null) };
        var request = new Request(Verb.Save, [PciAddress.Parse("06:00.0")], new GuestReference(null, guest.Name), []) { Image = new GuestImage("/tmp/web1") { HasFolder = true } };
        var refusal = Assert.Single(Planner.Plan(host with { Guests = [guest] }, request).Refusals);
        Assert.Equal("cannot-come-back", refusal.Code);
        Assert.Empty(Planner.Plan(host with { Guests = [guest with { SaysPassthrough = true }] }, request).Refusals);
    }

    [Theory]
    [InlineData("xl pci-detach 1 0000:06:00.0")]
    [InlineData("xl save -p 1 " + Image)]
    [InlineData("xl destroy 1")]
    public void When_a_step_fails_the_guest_goes_on_with_its_functions(string program)
    {
        var host = Host("attach 05:00.0 06:00.0 web1");
        var (text, seen) = (host.ToText(), SeenBy(host).ToArray());
        host.Faults.FailProgram(program, 1, "libxl: error: libxl_x.c:1:f: it will not\n", times: 1);
        var told = Told.By(host, $"save web1 {Image}");
        Assert.True(told.ExitCode == 3, told.ToString());
        Assert.Contains("it will not", told.Errors, StringComparison.Ordinal);
        Assert.Equal(text, host.ToText());
        Assert.Equal(seen, SeenBy(host));
    }

    [Fact]
    public void A_guest_that_does_not_let_go_is_not_saved_once_it_does()
    {
        var host = Host("attach 05:00.0 06:00.0 web1");
        var text = host.ToText();
        host.FindGuest("web1")!.Habit = FrontendHabit.NeverLetsGo;
        Assert.Equal(5, Told.By(host, $"save web1 {Image}").ExitCode);
        host.FindGuest("web1")!.Habit = FrontendHabit.Prompt;
        var told = Told.By(host, "recover");
        Assert.True(told.ExitCode == 0, told.ToString());
        host.Clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(text, host.ToText());
    }

    [Fact]
    public void A_guest_whose_xl_was_killed_while_it_saved_is_stuck_and_said_to_be()
    {
        var host = Host("attach 06:00.0 web1");
        host.Faults.Hang($"xl save -p 1 {Image}");
        Assert.Equal(4, Told.By(host, $"save web1 {Image}").ExitCode);
        host.FindGuest("web1")!.IsSuspended = true;
        var told = Told.By(host, "recover");
        Assert.Equal(4, told.ExitCode);
        Assert.Contains("suspended for good", told.Errors, StringComparison.Ordinal);
        Assert.NotNull(host.Files.ReadAll(Image));
    }

    public static TheoryData<string, string, string> BadImages { get; } = new()
    {
        { "", "not an image", "is no image that xl or libvirt wrote" },
        { ".pcipass", "pcipass saved guest 2\n", "line 1: expected" },
        { ".pcipass", "pcipass saved guest 1\nguest web1\nrubbish\nend\n", "line 3: \"rubbish\" has no meaning here" },
        { ".pcipass", "pcipass saved guest 1\nguest web1\n", "\"end\", is missing" },
        { ".pcipass", "pcipass saved guest 1\nguest db1\nend\n", "is of guest web1, and the record beside it of db1" },
        { ".pcipass", "pcipass saved guest 1\nguest ../web1\nend\n", "is no guest name" },
    };

    [Theory]
    [MemberData(nameof(BadImages))]
    public void A_bad_image_or_record_is_refused_with_its_line(string which, string content, string why)
    {
        var host = Host("attach 06:00.0 web1", $"save web1 {Image}").WithFile($"{Image}{which}", content);
        var told = Told.By(host, $"restore {Image}");
        Assert.Equal(1, told.ExitCode);
        Assert.Contains("[image-unreadable]", told.Errors, StringComparison.Ordinal);
        Assert.Contains(why, told.Errors, StringComparison.Ordinal);
        Assert.Null(host.FindGuest("web1"));
    }

    [Fact]
    public void Links_in_the_place_of_the_image_or_its_record_are_not_followed()
    {
        foreach (var path in (string[])[Image, $"{Image}.pcipass"])
        {
            var host = Host($"save web1 {Image}").WithoutFile(path).WithLink(path, "/etc/xen/web1.cfg");
            Assert.Contains("is a symbolic link to /etc/xen/web1.cfg, and is not followed", Told.By(host, $"restore {Image}").Errors, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void An_image_without_its_record_is_left_to_xl()
    {
        var host = Host($"save web1 {Image}").WithoutFile($"{Image}.pcipass");
        Assert.Contains($"xl restore {Image}", Told.By(host, $"restore {Image}").Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_guest_of_that_name_that_was_started_meanwhile_is_in_the_way()
    {
        var host = Host("attach 06:00.0 web1", $"save web1 {Image}");
        host.StartGuest("web1");
        Assert.Contains("[guest-running]", Told.By(host, $"restore {Image}").Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_function_takes_the_place_of_one_that_is_gone_only_when_told_so()
    {
        var host = Host("attach 06:00.0 web1", $"save web1 {Image}").Without("06:00.0");
        host.Reboot();
        host.DestroyGuest("web1");
        var told = Told.By(host, $"restore {Image}");
        Assert.Equal(1, told.ExitCode);
        Assert.Contains("[not-there-to-return]", told.Errors, StringComparison.Ordinal);
        Assert.Null(host.FindGuest("web1"));
        told = Told.By(host, $"restore {Image} --functions equivalent");
        Assert.True(told.ExitCode == 0, told.ToString());
        Assert.Contains("web1 has 0000:05:00.0", told.Output, StringComparison.Ordinal);
        // And after the restart of a host that had it hidden for the guest, what was the host's is the host's again.
        Assert.Equal(0, Told.By(host, "detach 05:00.0 web1").ExitCode);
        Assert.Null(host.Function("05:00.0").Driver);
    }

    [Fact]
    public void Without_functions_it_starts_wherever_they_are()
    {
        var host = Host("attach 06:00.0 web1", $"save web1 {Image}", "unhide 06:00.0");
        Assert.Equal(0, Told.By(host, $"restore {Image} --functions none").ExitCode);
        Assert.Empty(SeenBy(host));
        Assert.Null(host.Function("06:00.0").Driver);
    }

    [Fact]
    public void Functions_that_cannot_be_had_keep_the_guest_from_being_started()
    {
        var host = Host("attach 06:00.0 web1 --live", $"save web1 {Image}", "attach 06:00.0 db1 --live");
        var told = Told.By(host, $"restore {Image}");
        Assert.Equal(1, told.ExitCode);
        Assert.Contains("[attached]", told.Errors, StringComparison.Ordinal);
        Assert.Null(host.FindGuest("web1"));
    }

    [Fact]
    public void When_the_functions_fail_after_the_start_the_guest_runs_and_the_same_command_goes_on()
    {
        var host = Host("attach 05:00.0 06:00.0 web1", $"save web1 {Image}");
        host.Faults.FailProgram("xl pci-attach 4 0000:06:00.0", 1, "libxl: error: libxl_pci.c:1:f: it will not\n", times: 1);
        var told = Told.By(host, $"restore {Image}");
        Assert.True(told.ExitCode == 3, told.ToString());
        Assert.Contains("now:   guest web1 runs, and is without 0000:05:00.0, 0000:06:00.0", told.Errors, StringComparison.Ordinal);
        Assert.NotNull(host.FindGuest("web1"));
        Assert.Empty(SeenBy(host));
        Assert.Equal(0, Told.By(host, $"restore {Image}").ExitCode);
        Assert.Equal(2, SeenBy(host).Count());
    }

    [Fact]
    public void An_image_that_was_cut_off_starts_nothing_and_leaves_the_functions_where_they_were()
    {
        var host = Host("attach 06:00.0 web1", $"save web1 {Image}");
        var whole = host.Files.ReadAll(Image)!;
        host.StartProcess();
        host.Files.RemoveFile(Image);
        host.Files.CreateFile(Image, whole.AsSpan(0, whole.Length - 3));
        var text = host.ToText();
        Assert.Equal(3, Told.By(host, $"restore {Image}").ExitCode);
        Assert.Equal(text, host.ToText());
    }

    [Fact]
    public void A_record_is_read_back_as_it_was_written()
    {
        var record = new SavedGuest(GuestName.Parse("web1"), "00000001-4f2a-4c11-8e51-000000000001",
        [
            new SavedFunction(PciAddress.Parse("06:00.0"), "0000:00:00.0", PciIdentity.Parse("0000:00/04.4/00.0,1af4:1110:1af4:1100,-")),
            new SavedFunction(PciAddress.Parse("10000:05:00.1"), null, PciIdentity.Parse("0000:00/04.3/00.1,8086:10d3:8086:0000,00000000000000ff")),
        ]);
        var read = SavedGuest.Parse(record.ToText());
        Assert.Equal(record.ToText(), read.ToText());
        Assert.Equal(record.Functions.AsEnumerable(), read.Functions.AsEnumerable());
        Assert.Throws<FormatException>(() => SavedGuest.Parse(record.ToText().Replace("10000:05:00.1", "06:00.0", StringComparison.Ordinal)));
    }

    // ---- crashes ------------------------------------------------------------------------------------------------------------------

    public static TheoryData<string> Before { get; } = ["", "attach 06:00.0 web1", "attach 05:00.0 06:00.0 web1"];

    [Theory]
    [MemberData(nameof(Before))]
    public void After_a_crash_in_a_save_the_guest_goes_on_with_its_functions_or_is_saved(string first) =>
        Assert.InRange(new Shape("pinless", first, $"save web1 {Image}").AssertEveryTwoCrashes(), 16, int.MaxValue);

    /// <summary>The journal's disk is full from some write on. Once the guest has ended there is no way back, and none is tried.</summary>
    [Fact]
    public void With_a_full_disk_at_any_write_of_the_journal_the_guest_goes_on_with_its_function_or_is_saved()
    {
        var shape = new Shape("pinless", "attach 06:00.0 web1", $"save web1 {Image}");
        int saved = 0, wentOn = 0;
        for (var k = 1; ; k++)
        {
            var host = shape.Start();
            var disk = new FailingDisk(host, "/var/lib/pcipass/journal") { FailsFrom = k, Errno = Errno.ENOSPC, WrittenAllTheSame = 3 };
            host.StartProcess();
            var told = Told.Run(disk, $"save web1 {Image}");
            if (disk.Failures == 0)
                break;
            _ = host.FindGuest("web1") is null ? saved++ : wentOn++;
            Assert.True(told.Errors.Contains("no space left on device", StringComparison.Ordinal), $"write {k} fails: {told}");
            Assert.DoesNotContain("could not undo", told.Errors, StringComparison.Ordinal);
            told = Told.By(host, "recover");
            Assert.True(told.ExitCode == 0, $"write {k} fails: {told}");
            shape.AssertBeforeOrAfter(host, $"write {k} fails");
        }
        Assert.True(saved >= 2 && wentOn >= 8, $"saved {saved}, went on {wentOn}");
    }

    [Fact]
    public void After_a_crash_at_any_read_of_a_save_the_guest_goes_on_with_its_function_or_is_saved() =>
        Assert.InRange(new Shape("pinless", "attach 06:00.0 web1", $"save web1 {Image}").AssertEveryCrashAtAnOperation(), 201, int.MaxValue);

    [Theory]
    [InlineData("xl pci-detach")]
    [InlineData("xl save")]
    [InlineData("xl destroy")]
    public void A_crash_while_xl_is_at_work_is_waited_for(string program)
    {
        var shape = new Shape("pinless", "attach 06:00.0 web1", $"save web1 {Image}");
        var command = Assert.Single(shape.Acts, act => act.Text.StartsWith($"run {program}", StringComparison.Ordinal)).Text["run ".Length..];
        foreach (var seconds in (int[])[0, 2, 20])
        {
            var host = shape.Start();
            Assert.True(Told.DiesDuring(host, shape.Command, command));
            host.WithFile("/proc/4711/cmdline", $"/usr/sbin/{command.Replace(' ', '\0')}\0");
            host.Clock.After(TimeSpan.FromSeconds(12), () => host.WithoutFile("/proc/4711/cmdline"));
            host.Clock.Advance(TimeSpan.FromSeconds(seconds));
            var told = Told.By(host, "recover");
            Assert.True(told.ExitCode == 0, $"{program}, {seconds} s: {told}");
            shape.AssertBeforeOrAfter(host, $"crash during {program}, {seconds} s later");
        }
    }

    [Fact]
    public void When_the_power_goes_in_a_save_the_image_is_whole_with_its_record_or_neither_is_there()
    {
        var shape = new Shape("pinless", "attach 06:00.0 web1", $"save web1 {Image}");
        int saved = 0, lost = 0;
        for (var n = 0; shape.CrashAfter(n) is not null; n++)
        {
            for (var torn = -1; torn <= 4; torn += torn < 0 ? 1 : 4)
            {
                var host = shape.CrashAfter(n)!;
                if (torn < 0)
                    host.Reboot();
                else
                    host.PowerLoss(torn);
                // The host starts a guest of that name by itself: whatever recover does, it must not touch that one.
                var fresh = host.FindGuest("web1")!;
                Assert.Equal(0, Told.By(host, "recover").ExitCode);
                Assert.True(fresh.Alive && !fresh.IsPaused);
                Assert.All(new Journal(host).ReadAll(), operation => Assert.NotEqual(Ending.None, operation.Ending));
                var isSaved = host.Files.Exists($"{Image}.pcipass");
                if (isSaved)
                {
                    host.DestroyGuest("web1");
                    var told = Told.By(host, $"restore {Image}");
                    Assert.True(told.ExitCode == 0, $"power gone after {n}, {torn} bytes torn: {told}");
                    Assert.Single(SeenBy(host));
                    saved++;
                }
                else
                {
                    Assert.False(host.Files.Exists(Image), $"power gone after {n}, {torn} bytes torn: half an image is left");
                    lost++;
                }
            }
        }
        Assert.True(saved > 5 && lost > 20, $"{saved} saved, {lost} not");
    }

    [Theory]
    [InlineData("attach 05:00.0 06:00.0 web1", "")]
    [InlineData("attach 05:00.0 06:00.0 web1", "unhide 06:00.0")]
    public void After_a_crash_in_a_restore_the_same_command_comes_to_the_same_end(string first, string between)
    {
        string[] before = [first, $"save web1 {Image}", .. between.Length == 0 ? (string[])[] : [between]];
        var finished = Host(before);
        Assert.Equal(0, Told.By(finished, $"restore {Image}").ExitCode);
        var after = Text(finished);
        var n = 0;
        for (; Crashed(n) is SimHost host; n++)
        {
            var told = Told.By(host, "recover");
            Assert.True(told.ExitCode == 0, $"crash after {n}: {told}");
            told = Told.By(host, $"restore {Image}");
            Assert.True(told.ExitCode == 0, $"crash after {n}: {told}");
            Assert.Equal(after, Text(host));
            Assert.All(new Journal(host).ReadAll(), operation => Assert.NotEqual(Ending.None, operation.Ending));
        }
        Assert.True(n > 15, $"{n} crashes");

        SimHost? Crashed(int changes)
        {
            var host = Host(before);
            return Told.Dies(host, $"restore {Image}", changes) ? host : null;
        }

        static string Text(SimHost host)
        {
            host.Clock.Advance(TimeSpan.FromSeconds(5));
            return host.ToText();
        }
    }
}
