using System.Text;
using PciPass.Cli;
using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>pcipass' own files when they cannot be written, are damaged, or are not what they should be: a clear error, and a host as it was.</summary>
public class StateFileTests(ITestOutputHelper output)
{
    const string Folder = "/var/lib/pcipass/journal", First = $"{Folder}/00000001";

    public static TheoryData<string, string, string> Shapes { get; } = new()
    {
        { "", "", "hide 09:00.0 07:00.0" },
        { "slot", "hide 09:00.0", "unhide 09:00.0" },
        { "boot-hidden", "", "unhide 07:00.0 09:00.0" },
        { "", "", "attach 09:00.0 web1" },
        { "", "hide 07:00.0", "attach 09:00.0 07:00.0 web1" },
        { "", "attach 09:00.0 07:00.0 web1", "detach 07:00.0 09:00.0 web1" },
    };

    // ---- files that cannot be written ---------------------------------------------------------------------------------------------------

    /// <summary>The disk is full (or has failed) from the k-th write on, for each k; before, in the middle of and after the bytes of that write.</summary>
    [Theory]
    [MemberData(nameof(Shapes))]
    public void When_the_journal_cannot_be_written_everything_is_undone_and_recover_closes_it_later(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        int cases = 0, open = 0;
        foreach (var (errno, text) in ((int, string)[])[(Errno.ENOSPC, "no space left on device (ENOSPC)"), (Errno.EROFS, "read-only file system (EROFS)"), (Errno.EIO, "input/output error (EIO)")])
        {
            foreach (var times in (int[])[1, int.MaxValue])
            {
                foreach (var bytes in (int[])[0, 3, int.MaxValue])
                {
                    for (var k = 1; ; k++, cases++)
                    {
                        var host = shape.Start();
                        var disk = new FailingDisk(host, Folder) { FailsFrom = k, Times = times, Errno = errno, WrittenAllTheSame = bytes };
                        host.StartProcess();
                        var told = Told.Run(disk, command);
                        if (disk.Failures == 0)
                            break;
                        var when = $"write {k} fails {(times == 1 ? "once" : "for ever")} with {text} after {bytes} bytes";
                        Assert.True(told.ExitCode == ExitCode.Failed, $"{when}: {told}");
                        Assert.Contains(text, told.Errors, StringComparison.Ordinal);
                        shape.AssertBefore(host, when, closed: false);
                        if (new Journal(host).ReadAll().Any(operation => operation.Ending == Ending.None))
                        {
                            open++;
                            Assert.Contains("could not be written", told.Errors, StringComparison.Ordinal);
                        }
                        // The disk has room again.
                        told = Told.By(host, "recover");
                        Assert.True(told.ExitCode == 0, $"{when}: {told}");
                        shape.AssertBefore(host, when);
                    }
                }
            }
        }
        output.WriteLine($"{cases} cases, {open} journals left open");
        Assert.True(cases >= 100, $"{cases} cases");
        Assert.True(open >= 10, $"{open} journals left open");
    }

    /// <summary>The journal cannot be written from the k-th write on, and the process dies on its way back, of which nothing is on disk.</summary>
    [Theory]
    [MemberData(nameof(Shapes))]
    public void After_a_crash_on_a_way_back_that_nothing_on_disk_tells_of_recover_leads_to_before(string machine, string first, string command)
    {
        var shape = new Shape(machine, first, command);
        var cases = 0;
        for (var k = 2; ; k++)
        {
            var failures = 0;
            for (var n = 0; ; n++, cases++)
            {
                var host = shape.Start();
                var disk = new FailingDisk(host, Folder) { FailsFrom = k, Errno = Errno.ENOSPC, WrittenAllTheSame = 4 };
                if (!Told.Dies(disk, host, command, n))
                {
                    failures = disk.Failures;
                    break;
                }
                var told = Told.By(host, "recover");
                Assert.True(told.ExitCode == 0, $"write {k} fails, crash after {n}: {told}\n{string.Join('\n', host.Trace.TakeLast(40))}");
                shape.AssertBeforeOrAfter(host, $"write {k} fails, crash after {n}");
            }
            if (failures == 0)
                break;
        }
        output.WriteLine($"{cases} cases");
        Assert.True(cases >= 100, $"{cases} cases");
    }

    [Theory]
    [InlineData("/run/pcipass", Errno.EROFS)]
    [InlineData("/run/pcipass/lock", Errno.ENOSPC)]
    [InlineData("/var/lib/pcipass", Errno.EROFS)]
    [InlineData(Folder, Errno.ENOSPC)]
    [InlineData(First, Errno.EACCES)]
    public void Where_a_file_or_folder_cannot_be_made_nothing_is_done(string path, int errno)
    {
        var host = Machines.Make("");
        var before = host.ToText();
        host.Faults.Fail(path, errno);
        var told = Told.By(host, "attach 09:00.0 web1");
        Assert.Equal(ExitCode.Failed, told.ExitCode);
        Assert.Contains($"{path}: {Errno.Describe(errno)}", told.Errors, StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());
        Assert.DoesNotContain(host.Trace, change => change.StartsWith("write /sys", StringComparison.Ordinal) || change.StartsWith("run ", StringComparison.Ordinal));
        host.Faults.Clear();
        Assert.Equal(0, Told.By(host, "attach 09:00.0 web1").ExitCode);
    }

    // ---- files that are not what they should be -----------------------------------------------------------------------------------------

    const string Head = """
        pcipass journal 1
        operation 1
        verb hide
        time 2026-01-05T08:00:00Z
        user root
        boot 00000000-0000-4000-8000-000000000001
        function 0000:09:00.0 0000:00/04.2/00.0,8086:10d3:8086:0000,525400ffff090000
        step rebind 0000:09:00.0 e1000e -> -
        begin

        """;

    [Theory]
    [InlineData("pcipass journal 2\n", "line 1: expected \"pcipass journal 1\", found \"pcipass journal 2\": a newer version of pcipass wrote it, or it is no journal")]
    [InlineData("\0\0\0\0\0\0\n", "line 1: expected \"pcipass journal 1\"")]
    [InlineData(Head + "doing 1\ndoen 1\n", "line 11: \"doen 1\" has no meaning here")]
    [InlineData(Head + "doing 2\n", "line 10: there is no step 2")]
    [InlineData(Head + "doing 99999999999\n", "line 10: ")]
    [InlineData(Head + "end perhaps 2026-01-05T08:00:00Z\n", "line 10: \"perhaps\" is not known")]
    [InlineData(Head + "end done yesterday\n", "line 10: ")]
    [InlineData("pcipass journal 1\noperation 1\nbegin\n", "a line is missing before \"begin\"")]
    [InlineData("pcipass journal 1\nstep fly 0000:09:00.0\nbegin\n", "line 2: \"fly 0000:09:00.0\" is no step of a plan")]
    public void While_a_journal_cannot_be_understood_nothing_is_done(string text, string why)
    {
        var host = Machines.Make("").WithFile(First, text);
        var before = host.ToText();
        foreach (var command in (string[])["hide 09:00.0", "attach 09:00.0 web1", "recover", "status", "history"])
        {
            var told = Told.By(host, command);
            Assert.Equal(ExitCode.Failed, told.ExitCode);
            Assert.Contains($"the journal {First} cannot be read: {why}", told.Errors, StringComparison.Ordinal);
            Assert.Contains("Nothing is done before it is mended or moved away.", told.Errors, StringComparison.Ordinal);
        }
        Assert.Equal(before, host.ToText());
        Assert.Equal(text, Encoding.UTF8.GetString(host.Files.ReadAll(First)!));
        // Moved away, as it says.
        host.WithoutFile(First);
        Assert.Equal(0, Told.By(host, "hide 09:00.0").ExitCode);
    }

    /// <summary>A head without its end was being written when the power went: nothing had been done.</summary>
    [Fact]
    public void A_torn_head_is_passed_over_and_its_number_is_not_used_again()
    {
        for (var length = 0; length < Head.Length - 1; length++)
        {
            var host = Machines.Make("").WithFile(First, Head[..length]);
            Assert.Equal("every operation has ended\n", Told.By(host, "recover").Output);
            Assert.Contains("(operation 2)", Told.By(host, "hide 09:00.0").Output, StringComparison.Ordinal);
            Assert.Equal(Head[..length], Encoding.UTF8.GetString(host.Files.ReadAll(First)!));
        }
    }

    [Fact]
    public void Files_with_other_names_in_the_folder_are_no_journals()
    {
        var host = Machines.Make("").WithFile($"{Folder}/00000001~", "an editor's copy").WithFile($"{Folder}/README", "by the administrator").WithFile($"{Folder}/-1", "x");
        Assert.Contains("(operation 1)", Told.By(host, "hide 09:00.0").Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/run/pcipass/lock", "/etc/xen/web1.cfg", "/run/pcipass/lock is a symbolic link, and is not followed")]
    [InlineData("/run/pcipass/lock", "/nowhere", "/run/pcipass/lock is a symbolic link, and is not followed")]
    [InlineData("/run/pcipass", "/tmp", "/run/pcipass is a symbolic link, and is not followed")]
    [InlineData("/var/lib/pcipass", "/tmp", "/var/lib/pcipass is a symbolic link, and is not followed")]
    [InlineData(Folder, "/tmp", $"{Folder} is a symbolic link, and is not followed")]
    [InlineData(First, "/etc/xen/web1.cfg", $"{First} is a symbolic link, and is not followed")]
    [InlineData(First, "/nowhere", $"{First} is a symbolic link, and is not followed")]
    public void A_symbolic_link_in_place_of_a_state_file_is_not_followed(string path, string target, string why)
    {
        var host = Machines.Make("").WithLink(path, target);
        var before = host.ToText();
        foreach (var command in (string[])["hide 09:00.0", "recover"])
        {
            var told = Told.By(host, command);
            Assert.Equal(ExitCode.Failed, told.ExitCode);
            Assert.Contains(why, told.Errors, StringComparison.Ordinal);
        }
        Assert.Equal(before, host.ToText());
        Assert.Null(host.Files.ReadText("/nowhere"));
    }

    [Theory]
    [InlineData("/run/pcipass", 1000, 0, 0x1c0, "belongs to user 1000, not to root")]
    [InlineData("/run/pcipass", 0, 0, 0x1ff, "can be written by others than root (mode 0777)")]
    [InlineData("/run/pcipass/lock", 1000, 1000, 0x180, "belongs to user 1000, not to root")]
    [InlineData("/var/lib/pcipass", 0, 50, 0x1f8, "can be written by others than root (mode 0770, group 50)")]
    [InlineData(Folder, 33, 33, 0x1c0, "belongs to user 33, not to root")]
    [InlineData(First, 0, 0, 0x1b6, "can be written by others than root (mode 0666)")]
    [InlineData(First, 1000, 0, 0x180, "belongs to user 1000, not to root")]
    public void State_that_others_can_write_is_not_acted_upon(string path, int user, int group, int mode, string why)
    {
        var host = Machines.Make("");
        Assert.Equal(0, Told.By(host, "hide 09:00.0").ExitCode);
        var before = host.ToText();
        host.WithOwner(path, user, group, mode);
        foreach (var command in (string[])["unhide 09:00.0", "attach 07:00.0 web1", "recover"])
        {
            var told = Told.By(host, command);
            Assert.Equal(ExitCode.Failed, told.ExitCode);
            Assert.Contains($"{path} {why}. Nothing is done before it is mended or moved away.", told.Errors, StringComparison.Ordinal);
        }
        Assert.Equal(before, host.ToText());
        // Mended, as it says: root's own group may write.
        host.WithOwner(path, 0, 0, 0b110_110_000);
        Assert.Equal(0, Told.By(host, "unhide 09:00.0").ExitCode);
    }

    [Theory]
    [InlineData("/etc/pcipass/devices", 1000, 0, 0x1a4, "/etc/pcipass/devices belongs to user 1000, not to root")]
    [InlineData("/etc/pcipass/devices", 0, 0, 0x1b6, "/etc/pcipass/devices can be written by others than root (mode 0666)")]
    [InlineData("/etc/pcipass", 1000, 0, 0x1ed, "/etc/pcipass/devices is in a folder that belongs to user 1000, not to root")]
    public void A_list_of_hidden_functions_that_others_can_write_hides_nothing(string path, int user, int group, int mode, string why)
    {
        var host = Machines.Make("");
        Assert.Equal(0, Told.By(host, "hide --boot 09:00.0").ExitCode);
        host.WithOwner(path, user, group, mode);
        var before = host.ToText();
        var told = Told.By(host, "boot apply --early");
        Assert.Equal(ExitCode.Refused, told.ExitCode);
        Assert.Contains($"{why}: nothing is hidden for it", told.Errors, StringComparison.Ordinal);
        foreach (var command in (string[])["hide 07:00.0", "unhide 09:00.0"])
        {
            told = Told.By(host, command);
            Assert.Equal(ExitCode.Refused, told.ExitCode);
            Assert.Contains("[damaged-device-list]", told.Errors, StringComparison.Ordinal);
            Assert.Contains(why, told.Errors, StringComparison.Ordinal);
        }
        Assert.Contains(why, Told.By(host, "status").Output, StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "list").ExitCode);
        Assert.Equal(before, host.ToText());
        host.WithOwner(path, 0, 0, 0x1ed);
        Assert.Equal(0, Told.By(host, "unhide 09:00.0").ExitCode);
    }

    /// <summary>An open operation is replaced by a link to a file that looks like it: nothing is written through the link.</summary>
    [Fact]
    public void A_link_to_a_journal_elsewhere_is_not_written_to()
    {
        var host = Machines.Make("").WithFile("/tmp/journal", Head).WithLink(First, "/tmp/journal");
        var before = host.ToText();
        Assert.Equal(ExitCode.Failed, Told.By(host, "recover").ExitCode);
        Assert.Equal(Head, Encoding.UTF8.GetString(host.Files.ReadAll("/tmp/journal")!));
        Assert.Equal(before, host.ToText());
    }

    /// <summary>What an interrupted command had changed is a link by the time of recover: it is neither followed nor replaced by a file.</summary>
    [Fact]
    public void An_edited_file_that_has_become_a_link_meanwhile_is_left_alone()
    {
        const string List = "/etc/pcipass/devices", Elsewhere = "/tmp/devices";
        var cases = 0;
        for (var n = 0; ; n++)
        {
            var host = Machines.Make("");
            if (!Told.Dies(host, "hide --boot 09:00.0", n))
                break;
            if (host.Files.ReadText(List) is not string text || new Journal(host).ReadAll()[^1].Ending != Ending.None)
                continue;
            host.WithFile(Elsewhere, text).WithLink(List, Elsewhere);
            var told = Told.By(host, "recover");
            Assert.NotEqual(0, told.ExitCode);
            Assert.Contains($"{List} is a symbolic link to {Elsewhere}, and is not followed", told.Errors, StringComparison.Ordinal);
            Assert.Equal((Elsewhere, text), (host.Files.ReadLink(List), host.Files.ReadText(Elsewhere)));
            cases++;
        }
        Assert.InRange(cases, 1, 100);
    }

    /// <summary>
    /// A command died before the disk had its last line. What the next one changes builds upon it: were that on disk alone when the power
    /// goes, the files would be neither as the first found them nor as it left them, and nobody could go back.
    /// </summary>
    [Fact]
    public void A_last_line_that_only_memory_had_is_on_disk_before_anything_is_built_upon_it()
    {
        var cases = 0;
        for (var n = 0; Crashed(n) is SimHost first; n++)
        {
            if (new Journal(first).ReadAll() is not [.., { Ending: Ending.Done }])
                continue;
            for (var m = 0; ; m++, cases++)
            {
                var host = Crashed(n)!;
                if (!Told.Dies(host, "hide --boot 07:00.0", m))
                    break;
                host.PowerLoss();
                var told = Told.By(host, "recover");
                Assert.True(told.ExitCode == 0, $"died after {n}, the next after {m}: {told}");
            }
        }
        Assert.InRange(cases, 5, 1000);

        static SimHost? Crashed(int n)
        {
            var host = Machines.Make("");
            return Told.Dies(host, "hide --boot 09:00.0", n) ? host : null;
        }
    }

    [Theory]
    [InlineData("/run/pcipass/lock/file")]
    [InlineData($"{First}/file")]
    [InlineData("/var/lib/pcipass")]
    public void A_folder_in_place_of_a_file_and_a_file_in_place_of_a_folder_are_told(string path)
    {
        var host = Machines.Make("").WithFile(path, "x");
        var before = host.ToText();
        var told = Told.By(host, "hide 09:00.0");
        Assert.Equal(ExitCode.Failed, told.ExitCode);
        Assert.Contains("host-failure", told.Errors, StringComparison.Ordinal);
        Assert.Contains(path.Replace("/file", "", StringComparison.Ordinal), told.Errors, StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());
    }

    // ---- the lock ----------------------------------------------------------------------------------------------------------------------------

    [Fact]
    public void While_another_process_is_at_work_changes_wait_and_readers_do_not()
    {
        var host = Machines.Make("");
        Told.By(host, "hide 07:00.0");
        var before = host.ToText();
        using (host.Files.Lock("/run/pcipass/lock", TimeSpan.Zero))
        {
            var start = host.Clock.Elapsed;
            foreach (var command in (string[])["list", "status", "history", "show 09:00.0", "check 09:00.0", "attach 09:00.0 web1 --dry-run"])
                Assert.Equal(0, Told.Run(host, command).ExitCode);
            Assert.InRange(host.Clock.Elapsed - start, TimeSpan.Zero, TimeSpan.FromSeconds(10));
            foreach (var command in (string[])["attach 09:00.0 web1", "recover"])
            {
                var told = Told.Run(host, command);
                Assert.Equal(ExitCode.Failed, told.ExitCode);
                Assert.Contains("another pcipass is at work and holds /run/pcipass/lock for more than 120 s", told.Errors, StringComparison.Ordinal);
            }
        }
        Assert.Equal(before, host.ToText());
        Assert.Equal(0, Told.Run(host, "attach 09:00.0 web1").ExitCode);
    }

    [Fact]
    public void A_command_that_waited_for_the_lock_plans_from_what_the_other_has_done()
    {
        var host = Machines.Make("");
        Told.By(host, "recover");
        var held = host.Files.Lock("/run/pcipass/lock", TimeSpan.Zero)!;
        host.Clock.After(TimeSpan.FromSeconds(30), () =>
        {
            host.Run("xl", ["pci-assignable-add", "0000:09:00.0"], TimeSpan.FromSeconds(60));
            held.Dispose();
        });
        Assert.Equal("nothing to do: 0000:09:00.0 is as wished\n", Told.Run(host, "hide --now 09:00.0").Output);
    }
}

/// <summary>
/// A simulated host on which the writes of files below a folder fail from the k-th on: before, in the middle of or after their bytes
/// (the last as when the flush fails).
/// </summary>
sealed class FailingDisk(SimHost host, string folder) : HostSystem
{
    public int FailsFrom { get; init; } = 1;
    public int Times { get; init; } = int.MaxValue;
    public required int Errno { get; init; }
    public int WrittenAllTheSame { get; init; }
    public int Failures { get; private set; }

    int writes;

    public override SysTree Files => new Tree(this);
    public override TimeProvider Clock => host.Clock;
    public override Caller Caller => host.Caller;
    public override ProgramResult Run(string program, IReadOnlyList<string> arguments, TimeSpan deadline) => host.Run(program, arguments, deadline);
    public override ByteChannel? ConnectXenstore() => host.ConnectXenstore();
    public override ByteChannel? ConnectSocket(string path) => host.ConnectSocket(path);
    public override void Wait(TimeSpan time) => host.Wait(time);
    public override byte[] DumpAddresses() => host.DumpAddresses();

    sealed class Tree(FailingDisk disk) : SysTree
    {
        readonly SysTree inner = disk.Inner;

        public override int Read(string path, Span<byte> buffer) => inner.Read(path, buffer);
        public override string? ReadLink(string path) => inner.ReadLink(path);
        public override IReadOnlyList<string> List(string path) => inner.List(path);
        public override bool Exists(string path) => inner.Exists(path);
        public override void WriteAttribute(string path, string value, TimeSpan deadline) => inner.WriteAttribute(path, value, deadline);

        public override string? ReadAttribute(string path, TimeSpan deadline) => inner.ReadAttribute(path, deadline);
        public override void MakeDirectory(string path) => inner.MakeDirectory(path);
        public override IDisposable? Lock(string path, TimeSpan deadline) => inner.Lock(path, deadline);
        public override void ReplaceFile(string path, ReadOnlySpan<byte> content) => inner.ReplaceFile(path, content);
        public override void RemoveFile(string path) => inner.RemoveFile(path);

        public override void CreateFile(string path, ReadOnlySpan<byte> content)
        {
            if (disk.Fails(path))
            {
                if (disk.WrittenAllTheSame > 0)
                    inner.CreateFile(path, content[..Math.Min(content.Length - 1, disk.WrittenAllTheSame)]);
                throw new HostFailure("write", path, disk.Errno);
            }
            inner.CreateFile(path, content);
        }

        public override void Append(string path, ReadOnlySpan<byte> content, bool flush)
        {
            if (disk.Fails(path))
            {
                if (disk.WrittenAllTheSame > 0)
                    inner.Append(path, content[..Math.Min(content.Length, disk.WrittenAllTheSame)], flush: false);
                throw new HostFailure("write", path, disk.Errno);
            }
            inner.Append(path, content, flush);
        }
    }

    SysTree Inner => host.Files;

    bool Fails(string path)
    {
        if (!path.StartsWith(folder, StringComparison.Ordinal) || ++writes < FailsFrom || Failures >= Times)
            return false;
        Failures++;
        return true;
    }
}
