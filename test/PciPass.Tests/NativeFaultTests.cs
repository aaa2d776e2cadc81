using System.Diagnostics;
using System.Text.RegularExpressions;
using PciPass.Cli;
using PciPass.Lab;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>
/// The native binary under strace(1), which lets its n-th system call of a kind fail or kills it there: what it changes are files of a system
/// that is mounted in a folder. Afterwards they are as before or as after, and recover closes the journal.
/// </summary>
/// <remarks>
/// A failing case names the command line that shows it again.
/// </remarks>
[Trait("Category", "Lab")]
[Trait("Category", "Nightly")]
public sealed partial class NativeFaultTests(ITestOutputHelper output) : IDisposable
{
    /// <summary>The calls that change something, or that announce that they will.</summary>
    static readonly string[] Changing = ["write", "fsync", "rename", "unlink", "mkdir", "flock", "fchmod", "fchown"];

    /// <summary>Those, and all by which it looks.</summary>
    static readonly string[] All =
    [
        .. Changing, "openat", "open", "read", "readlink", "statx", "faccessat", "faccessat2", "getdents64", "close", "llistxattr", "lgetxattr", "fsetxattr", "rmdir", "mmap", "clone", "clone3", "futex", "pread64",
        "lseek", "fstat", "newfstatat", "ioctl", "poll", "prctl",
    ];

    readonly string folder = Directory.CreateTempSubdirectory("pcipass-test-").FullName;

    static string Program => Path.Combine(Images.Ensure().Checkout, "artifacts", "pcipass");

    [Theory]
    [InlineData("boot install", "")]
    [InlineData("boot uninstall", "boot install")]
    public void Killed_at_any_change_of_a_file_or_after_any_that_fails_it_is_before_or_after(string command, string first) =>
        Try(command, first, Changing, ["signal=KILL", "error=ENOSPC"]);

    [Theory]
    [InlineData("boot install", "")]
    [InlineData("boot uninstall", "boot install")]
    public void Killed_at_any_call_or_after_any_that_fails_it_is_before_or_after(string command, string first) =>
        Try(command, first, All, ["signal=KILL", "error=EIO", "error=ENOSPC", "error=EINTR", "error=ENOMEM", "error=EPERM"]);

    void Try(string command, string first, string[] calls, string[] faults)
    {
        var start = Path.Combine(folder, "start");
        // What makes images is looked for, and not run for a system that does not run.
        foreach (var (path, text) in new (string, string)[] { ("usr/share/initramfs-tools/hook-functions", ""), ("usr/lib/dracut/dracut-init.sh", ""), ("etc/hostname", "h\n") })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(start, path))!);
            File.WriteAllText(Path.Combine(start, path), text);
        }
        if (first.Length > 0)
            Assert.Equal((0, ""), Run(null, $"{first} --root {start}") is var (code, said) ? (code, code == 0 ? "" : said) : default);
        var before = Picture(start);
        var done = Copy(start, "done");
        Assert.Equal(0, Run($"-o {folder}/trace -e trace={string.Join(',', calls.Select(call => $"?{call}"))}", $"{command} --root {done}").Code);
        var after = Picture(done);
        Assert.NotEqual(before, after);

        var cases = 0;
        var came = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var (call, most) in Counts(File.ReadLines(Path.Combine(folder, "trace"))).OrderBy(each => each.Key, StringComparer.Ordinal))
        {
            foreach (var fault in faults)
            {
                for (var n = 1; n <= most; n++, cases++)
                {
                    var root = Copy(start, "tried");
                    var arguments = $"-o /dev/null -e trace={call} -e inject={call}:{fault}:when={n}";
                    var (code, said) = Run(arguments, $"{command} --root {root}");
                    var when = $"strace -f {arguments} pcipass {command} --root DIR: exit {code}\n{said}";
                    var now = Picture(root);
                    // What it says is how it is.
                    if (code is ExitCode.Done)
                        Assert.True(now == after, $"{when}\nit says done:\n{Difference.Of(after, now)}");
                    // What follows it, once it is done, may fail as well.
                    var isDone = said.StartsWith("done ", StringComparison.Ordinal) || said.Contains("\ndone ", StringComparison.Ordinal);
                    if (isDone && code == ExitCode.Failed)
                        Assert.True(now == after && (said.Contains(" is done, but ", StringComparison.Ordinal) || said.Contains(" could not be enabled", StringComparison.Ordinal)), $"{when}\nit says done, and that what follows failed:\n{Difference.Of(after, now)}");
                    if (!isDone && code is (ExitCode.Refused or ExitCode.Usage or ExitCode.Failed))
                        Assert.True(now == before, $"{when}\nit says that nothing was changed:\n{Difference.Of(before, now)}");
                    came[$"exit {code}"] = came.GetValueOrDefault($"exit {code}") + 1;
                    var (recovered, told) = Run(null, $"recover --root {root}");
                    Assert.True(recovered == 0, $"{when}\nrecover: exit {recovered}\n{told}");
                    now = Picture(root);
                    Assert.True(now == before || now == after, $"{when}\nrecover: {told}\nneither before nor after:\n{Difference.Of(before, now)}");
                    Assert.DoesNotContain("\"ended\": null", Run(null, $"history --json --root {root}").Said, StringComparison.Ordinal);
                }
            }
        }
        output.WriteLine($"{cases} cases: {string.Join(", ", came.Select(each => $"{each.Key} {each.Value}"))}");
        Assert.True(cases >= 20, $"{cases} cases");
        Assert.True(came.GetValueOrDefault("exit 137") > 5 && came.GetValueOrDefault("exit 3") > 5, string.Join(", ", came));
    }

    /// <summary>How often each call was made by the thread that made it most: strace counts for each thread.</summary>
    static Dictionary<string, int> Counts(IEnumerable<string> trace) =>
        trace.Select(line => Call().Match(line)).Where(match => match.Success)
            .GroupBy(match => (Thread: match.Groups["thread"].Value, Name: match.Groups["call"].Value))
            .GroupBy(calls => calls.Key.Name, calls => calls.Count()).ToDictionary(each => each.Key, each => each.Max(), StringComparer.Ordinal);

    [GeneratedRegex(@"^(?<thread>\d+) +(?<call>\w+)\(", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Call();

    /// <summary>All files but the journal, with their modes and contents.</summary>
    static string Picture(string root) => string.Join('\n', Directory.EnumerateFiles(root, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None })
        .Where(path => !path.Contains("/var/lib/pcipass/", StringComparison.Ordinal)).Order(StringComparer.Ordinal)
        .Select(path => $"{path[root.Length..]} {File.GetUnixFileMode(path)} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)))[..16]}")) + "\n";

    string Copy(string from, string name)
    {
        var to = Path.Combine(folder, name);
        if (Directory.Exists(to))
            Directory.Delete(to, recursive: true);
        using var copy = Process.Start("cp", ["-a", from, to]);
        copy.WaitForExit();
        return to;
    }

    /// <param name="faults">What strace is told; null to run without it.</param>
    /// <param name="command">The command line behind <c>pcipass</c>.</param>
    static (int Code, string Said) Run(string? faults, string command)
    {
        var arguments = faults is null ? command : $"-f -qq {faults} {Program} {command}";
        var start = new ProcessStartInfo(faults is null ? Program : "strace", arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var said = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        Assert.True(process.WaitForExit(TimeSpan.FromMinutes(3)), $"{arguments}: it does not end");
        return (process.ExitCode, said.Result + errors.Result);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
