using System.Globalization;
using System.Text;
using PciPass.Host;
using PciPass.Lab;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>
/// What the commands print, whole: each file of testdata/transcripts is a session on a simulated host, and playing its commands again has to
/// print it again.
/// </summary>
/// <remarks>
/// The first line names the machine: <c>demo</c>, <c>linux</c>, <c>kvm</c>, or words for <see cref="Machines.Make"/>. <c>PCIPASS_APPROVE=1</c> writes what was
/// printed into the files; the change is then looked at like any other.
/// </remarks>
public class CommandTests
{
    const string Prompt = "dom0# ";

    static string Folder => Path.Combine(Images.FindCheckout(), "testdata", "transcripts");

    public static TheoryData<string> Sessions => new(Directory.GetFiles(Folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Sessions))]
    public void A_session_prints_what_it_printed(string session)
    {
        var path = Path.Combine(Folder, session);
        var approved = File.ReadAllText(path);
        var printed = Play(approved);
        if (Environment.GetEnvironmentVariable("PCIPASS_APPROVE") == "1")
            File.WriteAllText(path, printed);
        else
            Assert.Equal(approved, printed);
    }

    static string Play(string session)
    {
        var lines = session.Split('\n');
        var machine = lines[0]["machine: ".Length..];
        var host = machine switch
        {
            "demo" => SimHost.Demo(),
            "linux" => SimHost.Linux().WithCardsOfTheContract().Boot(),
            "kvm" => SimHost.Linux().WithCardsOfTheContract().WithQemu(new QemuPlan("web1")).WithQemu(new QemuPlan("db1") { Unplug = UnplugAnswer.Nothing, Ports = 1 })
                .WithQemu(new QemuPlan("mail1") { IsLibvirts = true }).WithQemu(new QemuPlan("mail1")).Boot(),
            _ => Machines.Make(machine),
        };
        var text = new StringBuilder($"{lines[0]}\n");
        foreach (var line in lines.Where(static line => line.StartsWith(Prompt, StringComparison.Ordinal)))
        {
            var (code, output) = Do(host, line[Prompt.Length..]);
            text.Append($"\n{line}\n{output}{(output.Length == 0 || output.EndsWith('\n') ? "" : "\n")}{(code == 0 ? "" : $"(exit code {code})\n")}");
        }
        return text.ToString();
    }

    /// <summary>A command of ours, one of Xen's, or something that happens to the host.</summary>
    static (int Code, string Output) Do(SimHost host, string command)
    {
        switch (command.Split(' '))
        {
            case ["pcipass", ..]:
                var told = Told.By(host, command["pcipass".Length..]);
                // Help names the program that runs, which here is the tests' runner.
                return (told.ExitCode, (told.Output + told.Errors).Replace("testhost", "pcipass", StringComparison.Ordinal));
            case ["xl", .. var arguments]:
                var result = host.Run("xl", arguments, TimeSpan.FromMinutes(1));
                return (result.ExitCode, result.Output + result.Errors);
            case ["write", var file, .. var words]:
                host.Files.WriteAttribute(file, string.Join(' ', words), TimeSpan.FromMinutes(1));
                return (0, "");
            case ["die-after", var changes, "pcipass", ..]:
                Assert.True(Told.Dies(host, command[command.IndexOf("pcipass ", StringComparison.Ordinal)..]["pcipass ".Length..], int.Parse(changes, CultureInfo.InvariantCulture)));
                return (137, "");
            case ["cat", var file]:
                return (0, host.Files.ReadText(file) ?? "");
            case ["restart"]:
                host.Reboot();
                return (0, "");
            case ["guest-never-lets-go", var guest]:
                host.FindGuest(guest)!.Habit = FrontendHabit.NeverLetsGo;
                return (0, "");
            case ["guest-lets-go", var guest]:
                host.FindGuest(guest)!.Habit = FrontendHabit.Prompt;
                return (0, "");
            case ["reset", var guest]:
                host.Qemus.Single(qemu => qemu.Name == guest).Reset();
                return (0, "");
            case ["hang", var file]:
                host.Faults.Hang(file);
                return (0, "");
            case ["release", var file]:
                host.Faults.Release(file);
                return (0, "");
            case ["ssh-over", var name]:
                host.WithAddress(name, "192.168.7.5", 24).WithDefaultRoute(name, "192.168.7.1").WithSshSession("192.168.7.99 51234 192.168.7.5 22");
                return (0, "");
            case ["time-passes"]:
                return (0, string.Concat(host.Detached.ToArray().Select(arguments => Told.By(host, string.Join(' ', arguments)).Errors)));
            case ["fail", var file, var errno]:
                host.Faults.Fail(file, int.Parse(errno, CultureInfo.InvariantCulture), times: 1);
                return (0, "");
            default:
                throw new HostFailure($"no session knows the command \"{command}\"");
        }
    }
}
