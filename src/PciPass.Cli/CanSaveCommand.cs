using System.Collections.Immutable;
using System.CommandLine;
using PciPass.Core;
using PciPass.Core.Rules;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary><c>pcipass can-save GUEST</c> and <c>can-migrate GUEST</c>: whether the guest would survive it; changes nothing.</summary>
static class CanSaveCommand
{
    public static Command CreateSave(Session session) =>
        Create(session, Verb.Save, "can-save", "Tell whether a guest survives being saved and restored, with every reason against it. Changes nothing; exit code 1 when not.");

    public static Command CreateMigrate(Session session) =>
        Create(session, Verb.Migrate, "can-migrate", "Tell whether a running guest can be moved to another host, with every reason against it. Changes nothing; exit code 1 when not.");

    static Command Create(Session session, Verb verb, string name, string description)
    {
        var guest = Options.Guest();
        var accept = Options.Accept();
        var json = Options.Json();
        var to = new Argument<string?>("HOST") { Description = "Where it would go: that host is asked too.", Arity = ArgumentArity.ZeroOrOne };
        var live = MigrateCommand.Live();
        var command = new Command(name, description) { guest, accept, json };
        if (verb == Verb.Migrate)
        {
            command.Arguments.Add(to);
            command.Options.Add(live);
        }
        command.SetAction(parsed => Run(session, verb, parsed.GetValue(guest)!, verb == Verb.Migrate && parsed.GetValue(live), verb == Verb.Migrate && parsed.GetValue(to) is string host ? MigrateCommand.Host(host) : null, ChangeCommand.Codes(parsed.GetValue(accept)), parsed.GetValue(json)));
        return command;
    }

    static int Run(Session session, Verb verb, string word, bool isLive, RemoteHost? to, ImmutableSortedSet<string> accepted, bool json)
    {
        var name = Session.Guest(word);
        var snapshot = HistoryReader.Complete(session.Host, session.Journal, session.Read(), name);
        var request = new Request(verb, FunctionsOf(snapshot, name), name, accepted) { IsLive = isLive };
        if (to is RemoteHost host)
            request = MigrateCommand.Ask(session, snapshot, request, host);
        var plan = new Plan(request, [], Catalogue.Check(snapshot, request));
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
            Messages.WriteWarnings(session.Terminal, plan, withNotes: true);
            session.Terminal.Output.WriteLine($"guest {name} can be {(verb == Verb.Save ? "saved" : "migrated")}{(request.Functions.IsEmpty ? "; it has no function" : $"; {string.Join(", ", request.Functions)} would go out before, and come back after")}");
        }
        return plan.IsRefused ? ExitCode.Refused : ExitCode.Done;
    }

    /// <summary>What the guest has now, in the order of the record.</summary>
    public static ImmutableArray<PciAddress> FunctionsOf(HostSnapshot snapshot, GuestReference name) => snapshot.FindGuest(name) is not Guest guest ? []
        : [.. snapshot.Attachments.Where(attachment => attachment.Guest == guest.Start).OrderBy(attachment => attachment.VirtualSlot, StringComparer.Ordinal).Select(attachment => attachment.Address)];
}
