using System.Diagnostics;
using PciPass.Host;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>Many processes of the native binary at once, on a system that is mounted in a folder: the kernel's own lock decides who is next.</summary>
[Trait("Category", "Lab")]
public sealed class NativeCrowdTests : IDisposable
{
    static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    readonly string folder = Directory.CreateTempSubdirectory("pcipass-test-").FullName;

    public NativeCrowdTests()
    {
        Directory.CreateDirectory(Path.Combine(folder, "etc"));
        Directory.CreateDirectory(Path.Combine(folder, "usr/share/initramfs-tools"));
        File.WriteAllText(Path.Combine(folder, "usr/share/initramfs-tools/hook-functions"), "");
    }

    [Fact]
    public void Of_64_processes_at_once_one_changes_the_files_and_all_end()
    {
        var callers = Enumerable.Range(0, 64).Select(_ => Start("boot install")).ToArray();
        var readers = Enumerable.Range(0, 8).Select(_ => Start("history")).ToArray();
        var said = callers.Concat(readers).Select(End).ToArray();
        Assert.All(said, each => Assert.True(each.Code == 0, each.Said));
        Assert.Single(said.Take(64), each => each.Said.Contains("done     (operation 1)", StringComparison.Ordinal));
        Assert.Equal(63, said.Count(each => each.Said == "nothing to do: everything is as wished\n"));
        Assert.Single(Directory.GetFiles(Path.Combine(folder, "var/lib/pcipass/journal")));
    }

    [Fact]
    public void While_another_process_holds_the_lock_readers_answer_and_who_changes_waits_until_it_lets_go()
    {
        using var host = new LinuxSystem();
        var tree = host.Files;
        tree.MakeDirectory("/run/pcipass");
        Process waiting;
        using (tree.Lock("/run/pcipass/lock", Deadline))
        {
            waiting = Start("boot install");
            Assert.Equal(0, End(Start("history")).Code);
            Assert.Equal(0, End(Start("history --json")).Code);
            Assert.False(waiting.HasExited);
        }
        Assert.Contains("done     (operation 1)", End(waiting).Said, StringComparison.Ordinal);
    }

    Process Start(string command) => Process.Start(new ProcessStartInfo(Path.Combine(Images.FindCheckout(), "artifacts", "pcipass"), $"{command} --root {folder}")
    {
        UseShellExecute = false,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    static (int Code, string Said) End(Process process)
    {
        using (process)
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            Assert.True(process.WaitForExit(Deadline), "it does not end");
            return (process.ExitCode, output.Result + errors.Result);
        }
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
