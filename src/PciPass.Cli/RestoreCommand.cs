using System.Collections.Immutable;
using System.CommandLine;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary>
/// <c>pcipass restore FILE</c>: starts a saved guest and gives it its functions back. These are two operations: from the first on the guest
/// goes on with its work, and what then fails must not end it.
/// </summary>
static class RestoreCommand
{
    public static Command Create(Session session)
    {
        var file = Options.Image();
        var functions = new Option<string>("--functions")
        {
            Description = "same (without this option): its own functions, by identity, wherever they are now. equivalent: a like one for each that cannot be had. none: start it without.",
            HelpName = "same|equivalent|none",
            DefaultValueFactory = static _ => "same",
        };
        functions.AcceptOnlyFromAmong("same", "equivalent", "none");
        var accept = Options.Accept();
        var dryRun = Options.DryRun();
        var json = Options.Json();
        var command = new Command("restore", "Start a guest that \"pcipass save\" wrote into FILE, and give it its functions back.") { file, functions, accept, dryRun, json };
        command.SetAction(parsed =>
        {
            var policy = parsed.GetValue(functions) switch { "equivalent" => Homecoming.Equivalent, "none" => Homecoming.None, _ => Homecoming.Same };
            return Run(session, new Request(Verb.Restore, [], null, ChangeCommand.Codes(parsed.GetValue(accept))) { Homecoming = policy },
                Options.AbsolutePath(parsed.GetValue(file)!), parsed.GetValue(dryRun), parsed.GetValue(json));
        });
        return command;
    }

    public static bool RefusesUser(Session session, string what)
    {
        if (session.Host.Caller.UserId == 0)
            return false;
        Messages.Write(session.Terminal, $"only root can {what}", "not-root", $"this is user {session.Host.Caller.UserName}", "the same with sudo; --dry-run needs no root");
        return true;
    }

    static int Run(Session session, Request wish, string path, bool dryRun, bool json)
    {
        if (!dryRun)
        {
            session.NeedsRealHost("restore");
            if (RefusesUser(session, "restore guests"))
                return ExitCode.Refused;
        }
        using var held = dryRun ? null : session.Journal.Lock(ChangeCommand.LockDeadline);
        if (!dryRun)
            RecoverCommand.RecoverInterrupted(session);
        return Start(session, wish, path, dryRun, json);
    }

    /// <summary>Whether the guest can be started and can have its functions, as a plan without those; and for each of them what takes its place.</summary>
    public static (Plan Start, Request Attach, ImmutableArray<(SavedFunction Was, PciAddress? Now)> Chosen) Ask(HostSnapshot snapshot, Request wish, GuestImage image)
    {
        wish = wish with { Accepted = wish.Accepted.Union(image.Record?.Accepted ?? []) };
        var request = wish with { Image = image, Guest = image.Record is null ? null : new GuestReference(null, image.Record.Guest) };
        var chosen = image is { Fault: null, Record: SavedGuest saved } ? HomecomingChoice.Choose(snapshot, saved, wish.Homecoming, wish.Accepted, image.Toolstack) : [];
        var attach = request with { Verb = Verb.Attach, Functions = [.. chosen.Select(each => each.Now).OfType<PciAddress>()] };
        var start = Planner.Plan(snapshot, request);
        // Whether it can have them is asked before it is started, of the guest that it will be.
        return start.IsRefused || attach.Functions.IsEmpty ? (start, attach, chosen)
            : (start with { Findings = [.. start.Findings, .. Planner.Plan(snapshot with { Guests = snapshot.Guests.Add(WillBe(request.Guest!.Value.Name, image)) }, attach).Findings] }, attach, chosen);
    }

    static Guest WillBe(GuestName name, GuestImage image) => image.Toolstack == Toolstack.Libvirt
        ? new Guest(name, GuestStart.Process(Toolstack.Libvirt, int.MaxValue, 0), GuestType.Hvm) { FreePorts = image.FreePorts }
        : new Guest(name, GuestStart.Domain(int.MaxValue), image.Record?.Type ?? GuestType.Unknown, Passthrough: true);

    /// <summary>The command, for a caller that holds the lock.</summary>
    /// <param name="session">The session.</param>
    /// <param name="wish">What is asked for.</param>
    /// <param name="path">The image.</param>
    /// <param name="dryRun">Only tell what would be done.</param>
    /// <param name="json">As JSON.</param>
    /// <param name="isMove">Whether the caller removes the image when all is done.</param>
    public static int Start(Session session, Request wish, string path, bool dryRun, bool json, bool isMove = false)
    {
        var image = GuestImageReader.Read(session.Host.Files, path);
        return Start(session, session.Read(), wish, image, dryRun, json, isMove);
    }

    /// <summary>The same of an image that was read; of a guest that runs, only its record counts.</summary>
    public static int Start(Session session, HostSnapshot snapshot, Request wish, GuestImage image, bool dryRun, bool json, bool isMove)
    {
        var (start, attach, chosen) = Ask(snapshot, wish, image);
        var request = start.Request;

        // It was started before, and something came between that and its functions.
        var runs = image is { Fault: null, Record: { Uuid: string uuid } record } && snapshot.FindGuest(new GuestReference(null, record.Guest))?.Uuid == uuid;
        if (!runs)
        {
            if (start.IsRefused)
                return ChangeCommand.WritePlan(session, start with { Steps = [] }, json);
            if (dryRun)
            {
                ChangeCommand.WritePlan(session, start, json);
                foreach (var address in json ? [] : attach.Functions)
                    session.Terminal.Output.WriteLine($"then: pcipass attach {address} {request.Guest}");
                return ExitCode.Done;
            }
            Messages.WriteWarnings(session.Terminal, start);
            var started = session.Executor(json).Run(snapshot, start);
            if (started.Result != Result.Done || (json && attach.Functions.IsEmpty))
                return ChangeCommand.WriteOutcome(session, started, json);
            if (!json)
                session.Terminal.Output.WriteLine($"done: guest {request.Guest} runs again     (operation {started.Operation.Number})");
            snapshot = session.Read();
        }
        var guest = snapshot.FindGuest(request.Guest!.Value);
        attach = attach with { Functions = [.. attach.Functions.Where(address => snapshot.FindAttachment(address)?.Guest != guest?.Start)] };
        var code = Attach(session, snapshot, attach, chosen, runs, dryRun, json);
        if (!json && !dryRun && !runs && !isMove && code == ExitCode.Done)
            session.Terminal.Output.WriteLine($"{image.Path} is of no further use: started from it once more, {attach.Guest} would meet disks that have changed since");
        return code;
    }

    static int Attach(Session session, HostSnapshot snapshot, Request attach, ImmutableArray<(SavedFunction Was, PciAddress? Now)> chosen, bool ran, bool dryRun, bool json)
    {
        var code = ExitCode.Done;
        if (!attach.Functions.IsEmpty)
        {
            var plan = Planner.Plan(snapshot, attach);
            if (plan.IsRefused || dryRun)
                code = ChangeCommand.WritePlan(session, plan, json);
            else
                code = ChangeCommand.WriteOutcome(session, session.Executor(json).Run(snapshot, plan), json);
            if (code != ExitCode.Done)
            {
                session.Terminal.Errors.WriteLine($"now:   guest {attach.Guest} runs, and is without {string.Join(", ", attach.Functions)}");
                // What was refused before the start would have been seen there: this is a change that was half done.
                return ran || code != ExitCode.Refused ? code : ExitCode.Failed;
            }
        }
        else if (ran)
        {
            if (json)
                Json.Write(session, JsonPlan.Of(new Plan(attach, [], [])));
            else
                session.Terminal.Output.WriteLine($"nothing to do: guest {attach.Guest} runs, and has what it had");
        }
        if (!dryRun)
            WriteSlots(session, chosen);
        return code;
    }

    /// <summary>The backend chooses the slot; a guest that finds a function elsewhere is told of.</summary>
    static void WriteSlots(Session session, ImmutableArray<(SavedFunction Was, PciAddress? Now)> chosen)
    {
        var now = session.Read();
        foreach (var (was, address) in chosen)
        {
            if (address is PciAddress at && now.FindAttachment(at)?.VirtualSlot is string slot && was.VirtualSlot is string former && slot != former)
                session.Terminal.Errors.WriteLine($"{session.Terminal.Yellow("note:")}  the guest sees {at} at {slot}; it was at {former}");
        }
    }
}
