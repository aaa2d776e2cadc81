using System.CommandLine;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary><c>pcipass guests</c>: every guest that runs or has a configuration file, what it has, and what its file says.</summary>
static class GuestsCommand
{
    public static Command Create(Session session)
    {
        var json = Options.Json();
        var command = new Command("guests", "Show every guest that runs or has a configuration file: what runs it, its functions now and from its next start on, and where the two differ.") { json };
        command.SetAction(parsed => Run(session, parsed.GetValue(json)));
        return command;
    }

    static int Run(Session session, bool json)
    {
        var snapshot = session.Read();
        if (session.Host is { IsRecorded: false, Caller.UserId: 0 })
        {
            foreach (var guest in snapshot.Guests)
                snapshot = HistoryReader.Complete(session.Host, session.Journal, snapshot, new GuestReference(guest.RunBy, guest.Name));
        }
        var all = GuestOverview.Of(snapshot);
        if (json)
        {
            Json.Write(session, new JsonGuests([.. all.Select(JsonGuest.Of)]));
            return ExitCode.Done;
        }
        if (all.IsEmpty)
        {
            session.Terminal.Output.WriteLine("no guest runs, and none is configured");
            return ExitCode.Done;
        }
        var table = new TextTable("GUEST", "RUN BY", "TYPE", "STATE", "HAS", "CONFIGURED");
        foreach (var guest in all)
            table.Add(guest.Name, RunBy(guest), guest.Type.ToString().ToLowerInvariant(), guest.Running is Guest running ? running.Start.Words : "stopped", Words(guest.Live.Select(each => each.Address)), guest.Configuration.Length == 0 ? "no file" : Words(guest.Configured));
        table.WriteTo(session.Terminal.Output);
        WriteDifferences(session.Terminal.Output, all);
        WritePlainSaves(session, [.. all.Select(guest => guest.PlainSave).OfType<PlainSave>()]);
        return ExitCode.Done;
    }

    static void WritePlainSaves(Session session, PlainSave[] all)
    {
        if (all.Length == 0)
            return;
        var helpers = new SaveHelpers(session.Host);
        var refused = helpers.StandsEverywhere ? "refused by the guard: " : "";
        foreach (var plain in all)
            session.Terminal.Output.WriteLine($"{refused}{plain}");
        if (refused.Length == 0 && !helpers.Find().IsEmpty)
            session.Terminal.Output.WriteLine("to have xl and libvirt refuse that:  pcipass guard install");
    }

    /// <summary>Where what runs and what is configured differ; nothing where they do not.</summary>
    public static void WriteDifferences(TextWriter output, IEnumerable<GuestOverview> guests)
    {
        foreach (var difference in guests.SelectMany(guest => guest.Differences))
            output.WriteLine(difference);
    }

    internal static string RunBy(GuestOverview guest) => GuestReference.PrefixOf(guest.Toolstack);

    static string Words(IEnumerable<PciAddress> functions) => string.Join(' ', functions) is { Length: > 0 } text ? text : "-";
}
