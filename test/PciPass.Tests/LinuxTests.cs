using System.Diagnostics;
using System.Text;
using PciPass.Core;
using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>The running Linux kernel, as far as any machine can show it without root's powers.</summary>
public sealed class LinuxTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("pcipass-test-").FullName;
    readonly AttributeProcess writer = new("dotnet", typeof(PciPass.Cli.CommandLine).Assembly.Location);
    readonly LinuxTree files;

    public LinuxTests() => files = new LinuxTree(writer);

    [Fact]
    public void A_write_that_hangs_is_left_behind_at_its_deadline_and_the_next_one_works()
    {
        // Opening a pipe that nobody reads waits for ever, as an unbind can.
        var pipe = Path.Combine(folder, "hangs");
        using (var mkfifo = Process.Start("mkfifo", pipe))
            mkfifo.WaitForExit();
        Assert.Throws<DeadlinePassed>(() => files.WriteAttribute(pipe, "x", TimeSpan.FromMilliseconds(500)));

        var plain = Path.Combine(folder, "plain");
        File.WriteAllText(plain, "");
        files.WriteAttribute(plain, "0000:09:00.0", TimeSpan.FromSeconds(30));
        Assert.Equal("0000:09:00.0", File.ReadAllText(plain));

        // The one left behind ends with its pipe.
        using var reader = File.OpenRead(pipe);
        Assert.Equal('x', reader.ReadByte());
    }

    /// <summary>Else what a killed pcipass had asked it for could come after recover has looked, and nobody would know of it.</summary>
    [Fact]
    public async Task The_process_that_writes_does_not_outlive_its_parent()
    {
        var plain = Path.Combine(folder, "plain");
        File.WriteAllText(plain, "x");
        using var parent = Process.Start(new ProcessStartInfo("bash",
            ["-c", "\"$@\" <&0 & wait", "-", "dotnet", typeof(PciPass.Cli.CommandLine).Assembly.Location, AttributeProcess.ChildArgument])
        { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true })!;
        var (input, output) = (parent.StandardInput.BaseStream, parent.StandardOutput.BaseStream);
        // A request to read: the path's length, the path, and no value.
        byte[] request = [.. BitConverter.GetBytes(plain.Length), .. System.Text.Encoding.ASCII.GetBytes(plain), .. BitConverter.GetBytes(-1)];
        await input.WriteAsync(request);
        await input.FlushAsync();
        var answer = new byte[9];
        await output.ReadExactlyAsync(answer);
        Assert.Equal((byte)'x', answer[8]);
        parent.Kill();
        // Its input is still open: it would wait for ever. The output has no other end than its.
        Assert.Equal(0, await output.ReadAsync(answer).AsTask().WaitAsync(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public void A_write_creates_nothing_and_tells_the_kernels_error_number() =>
        Assert.Equal(Errno.ENOENT, Assert.Throws<HostFailure>(() => files.WriteAttribute(Path.Combine(folder, "missing"), "x", TimeSpan.FromSeconds(30))).ErrorNumber);

    /// <summary>Seen in the lab: recover looked for a dead pcipass' tools while one of the host's processes ended, and failed.</summary>
    [Fact]
    public void A_process_that_ends_while_it_is_read_is_not_there()
    {
        using var parent = Process.Start(new ProcessStartInfo("sh", ["-c", "sleep 60 & echo $!; exec sleep 60"]) { UseShellExecute = false, RedirectStandardOutput = true })!;
        var child = int.Parse(parent.StandardOutput.ReadLine()!, System.Globalization.CultureInfo.InvariantCulture);
        // A shell would ask for its child; the sleep that it becomes never does.
        Assert.True(SpinWait.SpinUntil(() => File.ReadAllText($"/proc/{parent.Id}/comm") == "sleep\n", TimeSpan.FromSeconds(30)));
        // Between a fork and the end of an exec it has no command line yet.
        Assert.True(SpinWait.SpinUntil(() => File.ReadAllText($"/proc/{child}/cmdline") == "sleep\060\0", TimeSpan.FromSeconds(30)));
        Assert.Contains(" / ", files.ReadText($"/proc/{child}/mountinfo"));
        using var line = File.OpenHandle($"/proc/{child}/cmdline");
        var opened = $"/proc/self/fd/{line.DangerousGetHandle()}";
        Assert.Contains("sleep", files.ReadText(opened));
        using (var victim = Process.GetProcessById(child))
            victim.Kill();
        // A zombie, which is no longer in any mount namespace.
        Assert.True(SpinWait.SpinUntil(() => File.ReadAllText($"/proc/{child}/stat").Contains(") Z "), TimeSpan.FromSeconds(30)));
        Assert.Null(files.ReadText($"/proc/{child}/mountinfo"));
        parent.Kill();
        Assert.True(SpinWait.SpinUntil(() => !Directory.Exists($"/proc/{child}"), TimeSpan.FromSeconds(30)));
        Assert.Null(files.ReadText(opened));
    }

    [Fact]
    public void Many_devices_are_asked_at_once_and_every_answer_is_taken()
    {
        var plain = Path.Combine(folder, "plain");
        File.WriteAllText(plain, "x");
        string[] missing = [.. Enumerable.Range(0, 600).Select(number => Path.Combine(folder, $"missing{number}"))];
        Assert.Empty(files.Held(missing, TimeSpan.FromSeconds(30)));
        // An answer too many or too few would be taken for this one.
        Assert.Equal("x", files.ReadAttribute(plain, TimeSpan.FromSeconds(30)));
        // Not in time: nothing is known, and the next question goes to a process that owes no answer.
        Assert.Empty(files.Held(missing[..3], TimeSpan.Zero));
        Assert.Equal("x", files.ReadAttribute(plain, TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void A_folders_files_are_read_by_their_names_in_it()
    {
        Directory.CreateDirectory(Path.Combine(folder, "one", "below"));
        File.WriteAllText(Path.Combine(folder, "one", "text"), "text\n");
        File.CreateSymbolicLink(Path.Combine(folder, "one", "link"), "../elsewhere");
        File.CreateSymbolicLink(Path.Combine(folder, "two"), "one");
        using var opened = files.OpenFolder(folder);
        Assert.Equal("text", opened.ReadText("two", "text"));
        Assert.Equal("../elsewhere", opened.ReadLink("one", "link"));
        Assert.Equal("one", opened.ReadLink("two", ""));
        Assert.Null(opened.ReadText("one", "missing"));
        Assert.Null(opened.ReadLink("one", "text"));
        Assert.True(opened.Exists("one", "below"));
        Assert.Contains(
            $"{folder}/one/below",
            Assert.Throws<HostFailure>(() => opened.ReadText("one", "below")).Message,
            StringComparison.Ordinal
        );
        var far = string.Concat(Enumerable.Repeat("./", 300));
        Assert.Equal("text", opened.ReadText($"{far}one", "text"));
        Assert.Equal("../elsewhere", opened.ReadLink($"{far}one", "link"));
        using var nowhere = files.OpenFolder($"{folder}/nowhere");
        Assert.Null(nowhere.ReadText("one", "text"));
    }

    [Fact]
    public void Parts_are_done_side_by_side_and_the_first_ones_failure_is_told()
    {
        var done = new int[4];
        Side.BySide(4, part => done[part] = part + 1);
        Assert.Equal([1, 2, 3, 4], done);
        Assert.Equal(
            "two",
            Assert
                .Throws<HostFailure>(() =>
                    Side.BySide(
                        4,
                        part =>
                        {
                            if (part > 1)
                                throw new HostFailure(part == 2 ? "two" : "three");
                        }
                    )
                )
                .Message
        );
    }

    [Fact]
    public void A_lock_is_waited_for_and_given_up_at_the_deadline()
    {
        var path = Path.Combine(folder, "lock");
        using (files.Lock(path, TimeSpan.FromSeconds(5)))
            Assert.Null(files.Lock(path, TimeSpan.FromMilliseconds(200)));
        using var free = files.Lock(path, TimeSpan.FromSeconds(5));
        Assert.NotNull(free);
    }

    [Fact]
    public void State_files_follow_no_link_and_replace_nothing()
    {
        var target = Path.Combine(folder, "target");
        var link = Path.Combine(folder, "link");
        File.WriteAllText(target, "before");
        File.CreateSymbolicLink(link, target);
        Assert.Equal(Errno.ELOOP, Assert.Throws<HostFailure>(() => files.Append(link, "x"u8, flush: true)).ErrorNumber);
        Assert.Equal(Errno.ELOOP, Assert.Throws<HostFailure>(() => files.Lock(link, TimeSpan.FromSeconds(1))).ErrorNumber);
        Assert.Equal(Errno.EEXIST, Assert.Throws<HostFailure>(() => files.CreateFile(link, "x"u8)).ErrorNumber);
        Assert.Equal("before", File.ReadAllText(target));
    }

    [Fact]
    public void State_files_are_roots_alone()
    {
        var path = Path.Combine(folder, "new", "file");
        files.MakeDirectory(Path.Combine(folder, "new"));
        files.CreateFile(path, "one\n"u8);
        files.Append(path, "two\n"u8, flush: true);
        Assert.Equal("one\ntwo", files.ReadText(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.Combine(folder, "new")));
    }

    [Fact]
    public void A_replaced_file_keeps_its_owner_mode_and_attributes_and_is_never_half_there()
    {
        var path = Path.Combine(folder, "etc", "grub");
        files.ReplaceFile(path, "one\n"u8);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead, File.GetUnixFileMode(path));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        // SELinux' label is an extended attribute, which root can set where SELinux itself does not run.
        var isRoot = Environment.UserName == "root";
        Dictionary<string, string> attributes = new() { ["user.note"] = "mine" };
        if (isRoot)
        {
            Run("chown", "12:34", path);
            attributes["security.selinux"] = "system_u:object_r:virt_etc_t:s0\0";
        }
        SetAttributes(path, attributes);
        using (var reader = File.OpenRead(path))
        {
            File.WriteAllText(Path.Combine(folder, "etc", ".grub.pcipass-new"), "left by one that died");
            files.ReplaceFile(path, "two\n"u8);
            // Who has the old one open goes on reading the old one.
            Assert.Equal('o', reader.ReadByte());
        }
        Assert.Equal("two", files.ReadText(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(path));
        if (isRoot)
            Assert.Equal("12:34", Run("stat", "-c", "%u:%g", path));
        foreach (var (name, value) in attributes)
            Assert.Equal(value, Attribute(path, name));
        Assert.Equal(["grub"], files.List(Path.Combine(folder, "etc")));
        files.RemoveFile(path);
        files.RemoveFile(path);
        Assert.Empty(files.List(Path.Combine(folder, "etc")));
    }

    static void SetAttributes(string path, Dictionary<string, string> attributes)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
        foreach (var (name, value) in attributes)
        {
            var bytes = Encoding.UTF8.GetBytes(value);
            Assert.True(Libc.SetAttribute((int)file.DangerousGetHandle(), name, bytes, bytes.Length, 0) == 0, $"the attribute {name} cannot be set here: error {Libc.LastError}");
        }
    }

    static string Attribute(string path, string name)
    {
        var value = new byte[256];
        var size = Libc.GetAttribute(path, name, value, value.Length);
        Assert.True(size >= 0, $"{path} has no attribute {name}: error {Libc.LastError}");
        return Encoding.UTF8.GetString(value, 0, (int)size);
    }

    [Fact]
    public void A_link_or_a_folder_is_not_replaced()
    {
        var target = Path.Combine(folder, "target");
        File.WriteAllText(target, "before");
        File.CreateSymbolicLink(Path.Combine(folder, "link"), target);
        foreach (var name in (string[])["link", ""])
            Assert.Throws<HostFailure>(() => files.ReplaceFile(Path.Combine(folder, name), "x"u8));
        Assert.Equal("before", File.ReadAllText(target));
        Assert.Equal(["link", "target"], files.List(folder));
    }

    static string Run(string program, params string[] arguments)
    {
        using var host = new LinuxSystem();
        try
        {
            return host.Run(program, arguments, TimeSpan.FromSeconds(30)).Output.TrimEnd('\n');
        }
        catch (HostFailure failure) when (failure.ErrorNumber == Errno.ENOENT)
        {
            return "";
        }
    }

    [Fact]
    public void The_kernels_table_of_addresses_has_the_loopback_address()
    {
        using var host = new LinuxSystem();
        Assert.Contains(PciPass.Core.Formats.NetworkTables.ParseAddresses(host.DumpAddresses()), address => address.Text == "127.0.0.1/8");
    }

    [Fact]
    public void A_program_is_run_without_a_shell_and_its_ends_are_told()
    {
        using var host = new LinuxSystem();
        Assert.Equal(new ProgramResult(0, "$(id) ;\n", ""), host.Run("echo", ["$(id)", ";"], TimeSpan.FromSeconds(30)));
        Assert.Equal(Errno.ENOENT, Assert.Throws<HostFailure>(() => host.Run("no-such-program", [], TimeSpan.FromSeconds(30))).ErrorNumber);
        Assert.Throws<DeadlinePassed>(() => host.Run("sleep", ["3"], TimeSpan.FromMilliseconds(200)));
    }

    public void Dispose()
    {
        writer.Dispose();
        Directory.Delete(folder, recursive: true);
    }
}
