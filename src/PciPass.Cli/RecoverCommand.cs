using System.CommandLine;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary><c>pcipass recover</c>: brings operations that have not ended to an end.</summary>
static class RecoverCommand
{
    public static Command Create(Session session)
    {
        var json = Options.Json();
        var givenUp = new Option<string>("--given-up")
        {
            Description = "The host that a guest was being moved to is gone for good and has not started it: the guest goes on here. Where it runs there after all, two of it write to the same disks.",
            HelpName = "HOST",
        };
        var command = new Command("recover", "Bring operations that have not ended to an end: interrupted ones are undone; those that have begun to take a function out of a guest go on.") { givenUp, json };
        command.SetAction(parsed => Run(session, parsed.GetValue(givenUp) is string host ? MigrateCommand.Host(host) : null, parsed.GetValue(json)));
        return command;
    }

    static int Run(Session session, RemoteHost? givenUp, bool json)
    {
        session.NeedsRealHost("recover");
        if (session.Host.Caller.UserId != 0)
        {
            Messages.Write(session.Terminal, "only root can recover", "not-root", $"this is user {session.Host.Caller.UserName}", "the same with sudo");
            return ExitCode.Refused;
        }
        using var held = session.Journal.Lock(TimeSpan.FromSeconds(120));
        var code = ExitCode.Done;
        var open = session.Journal.ReadAll().Where(operation => operation.Ending == Ending.None).ToArray();
        if (open.Length == 0 && !json)
            session.Terminal.Output.WriteLine("every operation has ended");
        foreach (var operation in open)
            code = Math.Max(code, operation.IsUnconfirmed && operation.BootId == BootId(session) && !IsOverdue(session, operation) ? TellUnconfirmed(session, operation, json) : RecoverOne(session, operation, json, givenUp));
        return code;
    }

    /// <summary>
    /// Any command that changes the host first ends what a crash or a restart interrupted, and what waited for a guest that has answered or has ended since.
    /// What is stuck or still waits is left to <c>recover</c>.
    /// </summary>
    public static void RecoverInterrupted(Session session)
    {
        foreach (var operation in session.Journal.ReadAll().Where(operation => operation.Ending == Ending.None))
        {
            if (operation.State == "interrupted" || operation.BootId != BootId(session) || IsOverdue(session, operation)
                || session.Executor(json: true).HasAnswered(operation))
                RecoverOne(session, operation, json: false);
        }
    }

    public static int RecoverOne(Session session, Operation operation, bool json, RemoteHost? givenUp = null)
    {
        session.Terminal.Errors.WriteLine($"{session.Terminal.Yellow("recover:")} operation {operation.Number} ({operation.Request.VerbName}) was {operation.State}");
        var outcome = session.Executor(json, givenUp).Recover(operation, BootId(session));
        if (json)
            return ChangeCommand.WriteOutcome(session, outcome, json);
        switch (outcome.Result)
        {
            case Result.Done or Result.Pending or Result.Stuck:
                return ChangeCommand.WriteOutcome(session, outcome, json: false);
            default:
                foreach (var error in outcome.Errors)
                    session.Terminal.Errors.WriteLine($"recover: {error}");
                session.Terminal.Errors.WriteLine(outcome.Operation.Ending == Ending.Void
                    ? $"recover: operation {operation.Number} is void: the host has restarted since"
                    : $"recover: operation {operation.Number} is undone");
                return ExitCode.Done;
        }
    }

    /// <summary>The one that was to undo it has died; its time is up all the same.</summary>
    static bool IsOverdue(Session session, Operation operation) => operation.IsUnconfirmed && session.Host.Clock.GetUtcNow() >= operation.UndoAt;

    static int TellUnconfirmed(Session session, Operation operation, bool json) =>
        ChangeCommand.WriteOutcome(session, new Outcome(Result.Unconfirmed, operation, [], []), json) == ExitCode.Done ? ExitCode.Pending : ExitCode.Failed;

    static string BootId(Session session) => session.Host.Files.ReadText("/proc/sys/kernel/random/boot_id") ?? "";
}
