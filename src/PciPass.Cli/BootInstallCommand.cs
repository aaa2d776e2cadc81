using System.Collections.Immutable;
using System.CommandLine;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary><c>pcipass boot install</c> and <c>uninstall</c>: what hides functions when the host starts.</summary>
static class BootInstallCommand
{
    public static Command Create(Session session, Verb verb)
    {
        var dryRun = Options.DryRun();
        var json = Options.Json();
        var command = new Command(verb == Verb.Install ? "install" : "uninstall", verb == Verb.Install
            ? "Install what hides functions when the host starts: a part of the initramfs (initramfs-tools or dracut), and a unit of systemd for what it has not hidden."
            : "Remove what install has put there.") { dryRun, json };
        command.SetAction(parsed => Run(session, verb, parsed.GetValue(dryRun), parsed.GetValue(json)));
        return command;
    }

    static int Run(Session session, Verb verb, bool dryRun, bool json)
    {
        if (session.Host.Caller.UserId != 0 && !dryRun)
        {
            Messages.Write(session.Terminal, $"only root can {verb.ToString().ToLowerInvariant()} what hides functions at a start", "not-root",
                $"this is user {session.Host.Caller.UserName}", "the same with sudo; --dry-run needs no root");
            return ExitCode.Refused;
        }
        var program = session.Host.ProgramPath;
        if (!ShellWord.IsPlain(program))
        {
            Messages.Write(session.Terminal, "pcipass cannot be run from where it is when the host starts", "program-path", $"its path is {program}", "install it to /usr/local/sbin/pcipass, and run it from there");
            return ExitCode.Refused;
        }
        if (dryRun)
            return ChangeCommand.WritePlan(session, Plan(session.Host, verb, program), json);
        using var held = session.Journal.Lock(TimeSpan.FromSeconds(120));
        RecoverCommand.RecoverInterrupted(session);
        var plan = Plan(session.Host, verb, program);
        if (plan.Steps.IsEmpty)
        {
            session.Terminal.Output.WriteLine("nothing to do: everything is as wished");
            return ExitCode.Done;
        }
        var outcome = session.Executor(json).Run(session.Read(), plan);
        var code = Math.Max(ChangeCommand.WriteOutcome(session, outcome, json), ImageFollower.Follow(session, outcome, json));
        return outcome.Result == Result.Done ? Math.Max(code, EnableUnit(session, verb)) : code;
    }

    static Plan Plan(HostSystem host, Verb verb, string program)
    {
        var steps = ImmutableArray.CreateBuilder<Step>();
        var images = new BootImages(host);
        foreach (var part in images.Generators().Append(BootPart.Unit))
        {
            if (verb == Verb.Install && images.IsPackaged(part))
                continue;
            if (part == BootPart.Unit && !HasSystemd(host))
                continue;
            foreach (var (path, wished) in BootPart.FilesOf(part, program))
            {
                var now = host.Files.ReadAll(path) is byte[] bytes ? new FileContent(bytes) : null;
                var then = verb == Verb.Install ? wished : null;
                if (now != then)
                    steps.Add(new EditFile(path, now, then));
            }
        }
        return new Plan(new Request(verb, [], null, []), steps.ToImmutable(), []);
    }

    static bool HasSystemd(HostSystem host) => host.Files.Exists("/usr/bin/systemctl") || host.Files.Exists("/bin/systemctl");

    /// <summary>Which targets want a unit is systemd's to write down. It says nothing to a systemd that does not run.</summary>
    static int EnableUnit(Session session, Verb verb)
    {
        try
        {
            if (!HasSystemd(session.Host))
                return ExitCode.Done;
            if (session.Host.Root is string root)
            {
                session.Terminal.Errors.WriteLine($"{session.Terminal.Yellow("note:")}  systemctl --root={root} {(verb == Verb.Install ? "enable" : "disable")} {BootPart.Unit}     is left to be done");
                return ExitCode.Done;
            }
            var result = session.Host.Run("systemctl", [verb == Verb.Install ? "enable" : "disable", BootPart.Unit], TimeSpan.FromSeconds(60));
            if (result.ExitCode == 0 || verb == Verb.Uninstall)
                return ExitCode.Done;
            Messages.Write(session.Terminal, $"{BootPart.Unit} could not be enabled", "unit", result.Errors.Trim(), $"systemctl enable {BootPart.Unit}");
        }
        catch (HostFailure failure)
        {
            Messages.Write(session.Terminal, $"{BootPart.Unit} could not be enabled", "unit", failure.Message, $"systemctl enable {BootPart.Unit}");
        }
        return ExitCode.Failed;
    }
}
