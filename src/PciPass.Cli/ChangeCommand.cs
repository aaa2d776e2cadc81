using System.Collections.Immutable;
using System.CommandLine;
using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Core.Rules;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary>The four commands that change the host: hide, unhide, attach and detach. They differ in the request only.</summary>
static class ChangeCommand
{
    public static readonly TimeSpan LockDeadline = TimeSpan.FromSeconds(120);

    public static Command CreateHide(Session session) =>
        Create(session, Verb.Hide, withGuest: false, "Take functions from the host's drivers, so that guests can have them: now, and from the next start on.");

    public static Command CreateUnhide(Session session) =>
        Create(session, Verb.Unhide, withGuest: false, "Give hidden functions back to the drivers that they had before, and no longer hide them at a start.");

    public static Command CreateAttach(Session session) =>
        Create(session, Verb.Attach, withGuest: true, "Give functions to a guest, hiding them from the host first where needed: plugs them in where it runs, and writes them into its configuration file.");

    public static Command CreateDetach(Session session) =>
        Create(session, Verb.Detach, withGuest: true, "Take functions out of a guest that runs, and out of its configuration file. Those that attach took from the host go back to their drivers; those that were hidden before stay hidden.");

    static Command Create(Session session, Verb verb, bool withGuest, string description)
    {
        // One argument for both: the parser would give the last word to the functions.
        var words = withGuest
            ? new Argument<string[]>("DEV... GUEST") { Description = "Functions (09:00.0, eth1, nvme0n1), then the guest's name.", Arity = new ArgumentArity(2, 1000) }
            : Options.Devices();
        var accept = Options.Accept();
        var dryRun = Options.DryRun();
        var json = Options.Json();
        var companions = Options.WithCompanions();
        var rollback = Options.RollbackAfter();
        var command = new Command(verb.ToString().ToLowerInvariant(), description) { words, accept, dryRun, json };
        var when = withGuest ? null : WhenOptions.AddTo(command, verb);
        var halves = withGuest ? GuestOptions.AddTo(command) : null;
        if (verb is Verb.Hide or Verb.Attach)
        {
            command.Options.Add(companions);
            command.Options.Add(rollback);
        }
        var print = QemuArguments.Option();
        if (verb == Verb.Attach)
            command.Options.Add(print);
        command.SetAction(parsed =>
        {
            var all = parsed.GetValue(words)!;
            if (verb == Verb.Attach && parsed.GetValue(print) is not null)
            {
                var seen = session.Read();
                return QemuArguments.Print(session, seen, Planner.Plan(seen, Complete(session, seen, all[..^1], new Request(Verb.Hide, [], null, Codes(parsed.GetValue(accept))), parsed.GetValue(companions))));
            }
            var request = new Request(verb, [], withGuest ? Session.Guest(all[^1]) : null, Codes(parsed.GetValue(accept)));
            if (command.Options.Contains(rollback))
                request = request with { RollbackAfter = Options.Time(parsed.GetValue(rollback)) };
            return Run(session, withGuest ? all[..^1] : all, when?.Apply(parsed, request) ?? halves!.Apply(parsed, request),
                command.Options.Contains(companions) && parsed.GetValue(companions), parsed.GetValue(dryRun), parsed.GetValue(json));
        });
        return command;
    }

    /// <exception cref="UsageError">A code that no rule has.</exception>
    public static ImmutableSortedSet<string> Codes(string[]? accept)
    {
        foreach (var code in accept ?? [])
        {
            if (!Catalogue.All.Any(rule => rule.Code == code))
                throw new UsageError($"\"{code}\" is no code of a risk", "--accept takes the code that a refusal shows in brackets", "pcipass rules     lists them all");
        }
        return [.. accept ?? []];
    }

    /// <param name="session">The session.</param>
    /// <param name="words">The functions as they were named.</param>
    /// <param name="wish">The request, still without functions.</param>
    /// <param name="withCompanions">Whether all that must go along is meant as well.</param>
    /// <param name="dryRun">Only tell what would be done.</param>
    /// <param name="json">As JSON.</param>
    static int Run(Session session, string[] words, Request wish, bool withCompanions, bool dryRun, bool json)
    {
        if (session.Host.Root is not null && wish.Scope != Scope.Boot)
            throw new UsageError($"{wish.VerbName} --root needs --boot", "a system that does not run has no drivers to take a function from", $"pcipass {wish.VerbName} --boot --root {session.Host.Root} ...");
        if (wish is { RollbackAfter: not null, IsNow: false })
            throw new UsageError($"{wish.VerbName} --boot changes nothing on the running host", "--rollback-after undoes what was done to it", $"pcipass {wish.VerbName} --now --rollback-after 60s ...");
        if (dryRun)
        {
            var seen = ReadFor(session, wish);
            var would = Planner.Plan(seen, Complete(session, seen, words, wish, withCompanions));
            return WritePlan(session, would, json);
        }
        session.NeedsRealHost(wish.VerbName);
        if (session.Host.Caller.UserId != 0)
        {
            Messages.Write(session.Terminal, $"only root can {wish.VerbName} functions", "not-root",
                $"this is user {session.Host.Caller.UserName}", "the same with sudo; --dry-run needs no root");
            return ExitCode.Refused;
        }

        // From the lock on, nobody else plans or acts: what the snapshot shows stays true but for what others do by hand.
        using var held = session.Journal.Lock(LockDeadline);
        RecoverCommand.RecoverInterrupted(session);
        var snapshot = ReadFor(session, wish);
        var plan = Planner.Plan(snapshot, Complete(session, snapshot, words, wish, withCompanions));
        if (plan.IsRefused)
            return WritePlan(session, plan, json);
        Messages.WriteWarnings(session.Terminal, plan);
        if (plan.Steps.IsEmpty)
        {
            if (json)
                Json.Write(session, JsonPlan.Of(plan));
            else
                session.Terminal.Output.WriteLine($"nothing to do: {string.Join(", ", plan.Request.Functions)} {(plan.Request.Functions.Length == 1 ? "is" : "are")} as wished");
            return ExitCode.Done;
        }
        var outcome = session.Executor(json).Run(snapshot, plan);
        return Math.Max(WriteOutcome(session, outcome, json), ImageFollower.Follow(session, outcome, json));
    }

    static HostSnapshot ReadFor(Session session, Request wish)
    {
        var snapshot = session.Read();
        if (wish.Verb is Verb.Attach or Verb.Detach)
            snapshot = GuestOptions.WithFile(session, wish, snapshot);
        else if (wish.IsBoot)
            snapshot = snapshot with { BootFiles = BootFileReader.Read(session.Host.Files) };
        return wish.RollbackAfter is null ? snapshot : snapshot with { Interfaces = NetworkSettingsReader.Read(session.Host) };
    }

    static Request Complete(Session session, HostSnapshot snapshot, string[] words, Request wish, bool withCompanions)
    {
        var named = Session.Find(snapshot, words);
        var functions = withCompanions ? Companions.Complete(snapshot, named) : named;
        return wish with
        {
            Functions = functions,
            NamesForPeople = functions.Select(snapshot.Find).OfType<PciFunction>().ToImmutableDictionary(function => function.Address, function => session.NameOf(snapshot, function)),
        };
    }

    public static int WritePlan(Session session, Plan plan, bool json)
    {
        if (json)
        {
            Json.Write(session, JsonPlan.Of(plan));
        }
        else if (plan.IsRefused)
        {
            Messages.WriteRefusals(session.Terminal, plan);
        }
        else
        {
            Messages.WriteWarnings(session.Terminal, plan);
            if (plan.Steps.IsEmpty)
                session.Terminal.Output.WriteLine("nothing would be done: everything is as wished");
            foreach (var (number, step) in plan.Steps.Index())
                session.Terminal.Output.WriteLine($"{number + 1,2}. {step.Text,-44} {step.Sentence}");
        }
        return plan.IsRefused ? ExitCode.Refused : ExitCode.Done;
    }

    /// <summary>Tells how an operation came out, from what the host shows now.</summary>
    public static int WriteOutcome(Session session, Outcome outcome, bool json)
    {
        var operation = outcome.Operation;
        var snapshot = ReadAfter(session);
        if (json)
        {
            Json.Write(session, JsonOutcome.Of(snapshot, outcome));
        }
        else
        {
            switch (outcome.Result)
            {
                case Result.Done:
                    if (operation.Request.Functions.IsEmpty && operation.Request.Verb is not (Verb.Save or Verb.Restore or Verb.Migrate))
                        session.Terminal.Output.WriteLine($"done     (operation {operation.Number})");
                    foreach (var address in operation.Request.Functions)
                        session.Terminal.Output.WriteLine($"done: {NowText(snapshot, address)}{NextText(snapshot, operation, address)}     (operation {operation.Number})");
                    MigrateCommand.WriteWhere(session, operation);
                    foreach (var error in outcome.Errors)
                        session.Terminal.Errors.WriteLine($"warning: {error}; pcipass recover closes it once it can be");
                    break;
                case Result.Unconfirmed:
                    foreach (var address in operation.Request.Functions)
                        session.Terminal.Output.WriteLine($"done: {NowText(snapshot, address)}     (operation {operation.Number})");
                    session.Terminal.Output.WriteLine($"undone at {operation.UndoAt:HH:mm:ss}Z unless you run, before that:  pcipass confirm");
                    break;
                case Result.Undone:
                    Messages.Write(session.Terminal, $"{operation.Request.VerbName} failed and was undone", "undone", string.Join("\n       ", outcome.Errors), "");
                    foreach (var address in operation.Request.Functions)
                        session.Terminal.Errors.WriteLine($"now:   {NowText(snapshot, address)}");
                    break;
                case Result.Pending:
                    Messages.Write(session.Terminal, $"{operation.Request.VerbName} waits for the guest", "pending", string.Join("\n       ", outcome.Errors),
                        operation.Request.Verb == Verb.Attach && !operation.IsGoingBack
                            ? "pcipass recover     goes on once the guest has taken it; in the guest:  pcipass guest setup, or modprobe xen-pcifront"
                            : "pcipass recover     goes on once the guest has let go; unbinding the driver inside the guest helps");
                    break;
                case Result.Stuck:
                    Messages.Write(session.Terminal, $"{operation.Request.VerbName} is stuck between two states", "stuck", string.Join("\n       ", outcome.Errors),
                        operation.Steps.Index().FirstOrDefault(step => operation.IsUnderWay(step.Index)).Item switch
                        {
                            IDeparture departure => $"pcipass recover     goes on once {departure.Host} answers; pcipass recover --given-up {departure.Host}     where it is gone for good and has not started the guest",
                            Equip equip => $"pcipass recover     goes on once {equip.Host} answers; pcipass recover --given-up {equip.Host}     where {equip.Guest} is to do without",
                            _ => $"pcipass history{(operation.Request.Functions.IsEmpty ? "" : $" {operation.Request.Functions[0]}")}     tells how far it came; pcipass recover     tries to end it",
                        });
                    foreach (var holder in operation.Request.Functions.SelectMany(address => HolderReader.Read(session.Host.Files, address)))
                        session.Terminal.Errors.WriteLine($"held:  {holder}");
                    break;
            }
        }
        return outcome.Result switch
        {
            Result.Done or Result.Unconfirmed => ExitCode.Done,
            Result.Undone => ExitCode.Failed,
            Result.Stuck => ExitCode.Stuck,
            _ => ExitCode.Pending,
        };
    }

    /// <summary>What came of an operation is told even where the host cannot be read any more.</summary>
    static HostSnapshot? ReadAfter(Session session)
    {
        try
        {
            return session.Read(Detail.Owner);
        }
        catch (HostFailure failure)
        {
            session.Terminal.Errors.WriteLine($"{session.Terminal.Yellow("note:")}  how the host is now could not be read: {failure.Message}");
            return null;
        }
    }

    static string NextText(HostSnapshot? snapshot, Operation operation, PciAddress address) =>
        snapshot is null || !operation.Steps.Any(step => step.Target == DeviceList.Path) ? ""
            : snapshot.Devices.Find(address) is null ? "; no longer hidden at a start" : "; hidden from the next start on";

    static string NowText(HostSnapshot? snapshot, PciAddress address)
    {
        if (snapshot is null)
            return $"{address}: see pcipass status";
        if (snapshot.Find(address) is not PciFunction function)
            return $"{address} is gone";
        if (snapshot.FindAttachment(address) is Attachment attachment)
            return $"{snapshot.FindGuest(attachment.Guest)!.Name} has {address}{(attachment.VirtualSlot is string slot ? $" as {slot}" : "")}";
        if (snapshot.IsHeld(function))
            return $"{address} is hidden from the host{(snapshot.Claims.FirstOrDefault(claim => claim.Address == address) is ConfiguredClaim claim ? $", for the next start of {claim.Guest} ({claim.Source})" : "")}";
        return function.Driver is DriverName driver
            ? $"the host has {address}, with driver {driver}{(function.KernelNames.IsEmpty ? "" : $" ({string.Join(", ", function.KernelNames)})")}"
            : $"the host has {address}, without a driver";
    }
}
