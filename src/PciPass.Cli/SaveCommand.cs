using System.CommandLine;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary><c>pcipass save GUEST FILE</c>: takes the functions out, writes the guest into a file, and ends it.</summary>
static class SaveCommand
{
    public static Command Create(Session session)
    {
        var guest = Options.Guest();
        var file = Options.Image();
        var accept = Options.Accept();
        var dryRun = Options.DryRun();
        var json = Options.Json();
        var command = new Command("save", "Take every function out of a running guest, write the guest into FILE, and end it. When anything fails, it gets them back and goes on.") { guest, file, accept, dryRun, json };
        command.SetAction(parsed => Run(session, new Request(Verb.Save, [], Session.Guest(parsed.GetValue(guest)!), ChangeCommand.Codes(parsed.GetValue(accept))),
            Options.AbsolutePath(parsed.GetValue(file)!), parsed.GetValue(dryRun), parsed.GetValue(json)));
        return command;
    }

    static int Run(Session session, Request wish, string path, bool dryRun, bool json)
    {
        var code = Run(session, "save", () => Plan(session, wish, path), dryRun, json, out var outcome);
        if (outcome?.Result == Result.Done && !json)
        {
            session.Terminal.Output.WriteLine($"done: guest {wish.Guest} is saved in {path}, with {path}.pcipass beside it     (operation {outcome.Operation.Number})");
            session.Terminal.Output.WriteLine($"pcipass restore {path}     starts it again");
        }
        return code;
    }

    /// <summary>Plans what takes a guest away from this host, a save or a move, and carries it out.</summary>
    /// <param name="session">The session.</param>
    /// <param name="verb">The command.</param>
    /// <param name="plan">Reads the host and plans; with the lock held, unless it is only asked.</param>
    /// <param name="dryRun">Whether it is only asked.</param>
    /// <param name="json">Whether the answer is JSON.</param>
    /// <param name="outcome">What came of it; null where nothing was done.</param>
    public static int Run(Session session, string verb, Func<(HostSnapshot Snapshot, Plan Plan)> plan, bool dryRun, bool json, out Outcome? outcome)
    {
        outcome = null;
        if (dryRun)
            return ChangeCommand.WritePlan(session, plan().Plan, json);
        session.NeedsRealHost(verb);
        if (RestoreCommand.RefusesUser(session, $"{verb} guests"))
            return ExitCode.Refused;
        using var held = session.Journal.Lock(ChangeCommand.LockDeadline);
        RecoverCommand.RecoverInterrupted(session);
        var (snapshot, planned) = plan();
        if (planned.IsRefused)
            return ChangeCommand.WritePlan(session, planned, json);
        Messages.WriteWarnings(session.Terminal, planned);
        outcome = session.Executor(json).Run(snapshot, planned);
        return ChangeCommand.WriteOutcome(session, outcome, json);
    }

    static (HostSnapshot Snapshot, Plan Plan) Plan(Session session, Request wish, string path)
    {
        var snapshot = HistoryReader.Complete(session.Host, session.Journal, session.Read(), wish.Guest!.Value);
        var image = GuestImageReader.Sized(session.Host, GuestImageReader.Read(session.Host.Files, path), snapshot.FindGuest(wish.Guest.Value));
        var request = wish with { Functions = CanSaveCommand.FunctionsOf(snapshot, wish.Guest.Value), Image = image };
        return (snapshot, Planner.Plan(snapshot, request));
    }
}
