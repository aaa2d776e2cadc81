using System.CommandLine;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary>
/// <c>pcipass migrate GUEST HOST</c>: takes the functions out and has the guest moved to another host, where it gets like functions. One of libvirt's
/// moves while it works, and an HVM guest of Xen's can; else one of Xen's is written, copied and started there, and stands still meanwhile. Up to its start there everything leads back.
/// </summary>
static class MigrateCommand
{
    public static Command Create(Session session)
    {
        var guest = Options.Guest();
        var to = new Argument<string>("HOST") { Description = "The other host, as ssh takes it: root can log in there without a question, and it has the same pcipass, and the guest's disks under the same names." };
        var live = Live();
        var accept = Options.Accept();
        var dryRun = Options.DryRun();
        var json = Options.Json();
        var command = new Command("migrate", "Move a running guest to another host: its functions are taken out here, and it gets like ones there. libvirt's guests of QEMU work meanwhile, Xen's stand still (HVM guests with --live do not). When anything fails, it gets its own back and goes on here.") { guest, to, live, accept, dryRun, json };
        command.SetAction(parsed => Run(session, new Request(Verb.Migrate, [], Session.Guest(parsed.GetValue(guest)!), ChangeCommand.Codes(parsed.GetValue(accept))) { IsLive = parsed.GetValue(live) }, Host(parsed.GetValue(to)!), parsed.GetValue(dryRun), parsed.GetValue(json)));
        return command;
    }

    /// <summary>Whether a guest of Xen is to run on meanwhile.</summary>
    public static Option<bool> Live() => new Option<bool>("--live") { Description = "Let an HVM guest of Xen run on meanwhile (xl migrate), until its last pages go. libvirt's guests always do. Where xl itself dies, or loses the other host, right at the end, the guest is stopped for good here, and what it did is known there alone." };

    /// <exception cref="UsageError">It cannot be a host.</exception>
    public static RemoteHost Host(string word) => RemoteHost.TryParse(word, out var host)
        ? host
        : throw new UsageError($"\"{word}\" cannot be a host", "it is a name or an address as ssh takes it, with letters, digits, dots, dashes and colons", "a host behind a port or with a key of its own gets a name in ssh's configuration, see ssh_config(5)");

    static int Run(Session session, Request wish, RemoteHost to, bool dryRun, bool json) =>
        SaveCommand.Run(session, "migrate", () => Plan(session, wish, to), dryRun, json, out _);

    static (HostSnapshot Snapshot, Plan Plan) Plan(Session session, Request wish, RemoteHost to)
    {
        var snapshot = HistoryReader.Complete(session.Host, session.Journal, session.Read(), wish.Guest!.Value);
        var request = Ask(session, snapshot, wish with { Functions = CanSaveCommand.FunctionsOf(snapshot, wish.Guest.Value) }, to);
        return (snapshot, Planner.Plan(snapshot, request));
    }

    /// <summary>What speaks against it here is told without troubling the other host.</summary>
    public static Request Ask(Session session, HostSnapshot snapshot, Request request, RemoteHost host)
    {
        var name = request.Guest!.Value;
        var image = new GuestImage(MovedGuest.PathOf(name.Name, session.Host.Clock.GetUtcNow())) { HasFolder = true };
        request = request with { Image = request.IsLive ? image : GuestImageReader.Sized(session.Host, image, snapshot.FindGuest(name)), Destination = new Destination(host, []) };
        if (new Plan(request, [], Core.Rules.Catalogue.Check(snapshot, request)).IsRefused)
            return request;
        var guest = snapshot.FindGuest(name)!;
        var record = SavedGuest.Of(snapshot, guest) with { Accepted = request.Accepted };
        return request with { Destination = new GuestMover(session.Host).Ask(host, CommandLine.Version, request.Image, record, guest.Start.Toolstack) };
    }

    /// <summary>Where a guest is after its move has ended, however it did: what recovery tells too.</summary>
    public static void WriteWhere(Session session, Operation operation)
    {
        if (operation.Steps.OfType<IDeparture>().FirstOrDefault() is not IDeparture departure || operation.Ending != Ending.Done)
            return;
        if (departure is HandOver hand && session.Host.Files.Exists($"{hand.Path}.pcipass"))
        {
            session.Terminal.Output.WriteLine($"done: guest {hand.Guest} ended with the host, and is saved in {hand.Path}     (operation {operation.Number})");
            session.Terminal.Output.WriteLine($"pcipass restore {hand.Path}     starts it again, here; {hand.Host} will not");
            return;
        }
        session.Terminal.Output.WriteLine($"done: guest {departure.Guest} runs on {departure.Host}     (operation {operation.Number})");
        var taken = session.Read().Taken.Where(taken => taken.Guest is GuestReference owner && owner.Name == departure.Guest && operation.Request.Functions.Contains(taken.Address)).Select(taken => taken.Address).ToArray();
        if (taken.Length > 0)
            session.Terminal.Output.WriteLine($"pcipass detach {string.Join(' ', taken)} {departure.Guest}     gives the host back here what it had for it");
    }
}
