using System.CommandLine;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary>
/// <c>pcipass confirm</c>: keeps what was done with <c>--rollback-after</c>. And the command that waits for it in the background, and undoes
/// the operation when its time is up.
/// </summary>
static class ConfirmCommand
{
    /// <summary>How long the one who undoes waits for another pcipass that is at work: longer than any act may take.</summary>
    static readonly TimeSpan LockDeadline = TimeSpan.FromMinutes(10);

    static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    public static Command Create(Session session)
    {
        var json = Options.Json();
        var command = new Command("confirm", "Keep what was done with --rollback-after, before its time is up.") { json };
        command.SetAction(parsed => Confirm(session, parsed.GetValue(json)));
        return command;
    }

    public static Command CreateAwait(Session session)
    {
        var number = new Argument<int>("OPERATION") { Description = "The operation's number." };
        var command = new Command(Executor.AwaitConfirmation, "Undo an operation unless it is confirmed in time. hide and attach start this themselves.") { number };
        command.Hidden = true;
        command.SetAction(parsed => Await(session, parsed.GetValue(number)));
        return command;
    }

    static int Confirm(Session session, bool json)
    {
        session.NeedsRealHost("confirm");
        if (session.Host.Caller.UserId != 0)
        {
            Messages.Write(session.Terminal, "only root can confirm", "not-root", $"this is user {session.Host.Caller.UserName}", "the same with sudo");
            return ExitCode.Refused;
        }
        using var held = session.Journal.Lock(TimeSpan.FromSeconds(120));
        // One whose time is up is undone, whoever comes first.
        RecoverCommand.RecoverInterrupted(session);
        var waiting = session.Journal.ReadAll().Where(operation => operation.IsUnconfirmed).ToArray();
        if (waiting.Length == 0)
        {
            Messages.Write(session.Terminal, "nothing waits to be confirmed", "nothing-to-confirm", "no operation with --rollback-after is open", "pcipass history     tells how each one ended");
            return ExitCode.Refused;
        }
        var code = ExitCode.Done;
        foreach (var operation in waiting)
        {
            var outcome = session.Executor(json).Confirm(operation);
            code = Math.Max(code, Math.Max(ChangeCommand.WriteOutcome(session, outcome, json), ImageFollower.Follow(session, outcome, json)));
        }
        return code;
    }

    static int Await(Session session, int number)
    {
        session.NeedsRealHost("undo");
        var host = session.Host;
        if (Find() is not { UndoAt: DateTimeOffset undoAt })
            return ExitCode.Usage;
        // The clock on the wall may be set meanwhile; this one goes on.
        var (start, left) = (host.Clock.GetTimestamp(), undoAt - host.Clock.GetUtcNow());
        while (left - host.Clock.GetElapsedTime(start) is { Ticks: > 0 } rest)
        {
            host.Wait(rest < Look ? rest : Look);
            if (Find() is not { Ending: Ending.None })
                return ExitCode.Done;
        }
        using var held = session.Journal.Lock(LockDeadline);
        if (Find() is not { Ending: Ending.None } late)
            return ExitCode.Done;
        var hider = new BootHider(host);
        hider.Log(isError: false, $"operation {number} ({late.Request.VerbName}) was not confirmed in time and is undone");
        var code = RecoverCommand.RecoverOne(session, late, json: false);
        if (code != ExitCode.Done)
            hider.Log(isError: true, $"operation {number} could not be undone: pcipass recover tells why");
        return code;

        Operation? Find() => session.Journal.ReadAll().FirstOrDefault(operation => operation.Number == number);
    }
}
