using System.CommandLine;
using System.Globalization;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary><c>pcipass guard</c>: has Xen ask before a guest is saved or moved by others' commands, which would break it and end with 0.</summary>
static class GuardCommand
{
    public static Command Create(Session session)
    {
        var command = new Command("guard", "Have xl save, xl migrate and libvirt's Xen driver refuse what would break a guest with functions, before they touch it.");
        var show = new Command("show", "Tell whether the guard stands, for each Xen that is installed; exit code 1 when not. Changes nothing.");
        show.SetAction(_ => Show(session));
        command.Subcommands.Add(show);
        command.Subcommands.Add(Change(session, "install", "Put the guard before the program that libxl starts to write a guest's image. An upgrade of Xen keeps it; a new version of Xen in a folder of its own needs it again.", (helpers, helper) => helpers.NeedsInstall(helper, session.Host.ProgramPath)));
        command.Subcommands.Add(Change(session, "uninstall", "Put back what the guard stands in for, and leave nothing.", static (helpers, helper) => helpers.HasTrace(helper)));
        var domain = new Argument<string>("DOMID") { Description = "Its number: xl domid GUEST." };
        var ask = new Command("ask", $"What the guard asks: exit code 1, with the reason, when a plain save would break the guest and {SaveGuard.AcceptVariable} does not hold {SaveGuard.Code}. Changes nothing.") { domain };
        ask.SetAction(parsed => Ask(session, parsed.GetValue(domain)!));
        command.Subcommands.Add(ask);
        return command;
    }

    static Command Change(Session session, string verb, string description, Func<SaveHelpers, SaveHelper, bool> isToDo)
    {
        var dryRun = Options.DryRun();
        var command = new Command(verb, description) { dryRun };
        command.SetAction(parsed => Change(session, verb, parsed.GetValue(dryRun), isToDo));
        return command;
    }

    static int Change(Session session, string verb, bool dryRun, Func<SaveHelpers, SaveHelper, bool> isToDo)
    {
        session.NeedsRealHost(verb);
        if (session.Host.Root is not null)
            throw new UsageError($"the guard is not {verb}ed in a system that does not run", "dpkg has to hear of it", $"pcipass guard {verb}     when it runs");
        if (!dryRun && RestoreCommand.RefusesUser(session, $"{verb} the guard"))
            return ExitCode.Refused;
        var pcipass = session.Host.ProgramPath;
        if (verb == "install" && !ShellWord.IsPlain(pcipass))
        {
            Messages.Write(session.Terminal, "the guard cannot call pcipass where it is", "program-path", $"its path is {pcipass}", "install it to /usr/local/sbin/pcipass, and run it from there");
            return ExitCode.Refused;
        }
        using var held = dryRun ? null : session.Journal.Lock(ChangeCommand.LockDeadline);
        var helpers = new SaveHelpers(session.Host);
        var all = helpers.Find();
        if (all.IsEmpty && verb == "install")
        {
            Messages.Write(session.Terminal, "there is nothing that the guard could stand before", "no-helper", $"no Xen is installed that has bin/{SaveGuard.Helper}", "install Xen's programs (Debian: xen-utils)");
            return ExitCode.Refused;
        }
        var left = all.Where(helper => isToDo(helpers, helper)).ToArray();
        if (left.Length == 0)
            session.Terminal.Output.WriteLine("nothing to do: everything is as wished");
        foreach (var helper in left)
        {
            if (dryRun)
            {
                session.Terminal.Output.WriteLine(verb == "install"
                    ? $"would keep {helper.Path} as {SaveGuard.KeptPathOf(helper.Path)}, and put the guard before it"
                    : $"would put {helper.Path} back");
                continue;
            }
            if (verb == "install")
                helpers.Install(helper.Path, pcipass);
            else
                helpers.Uninstall(helper.Path);
            session.Terminal.Output.WriteLine(verb == "install" ? $"done: the guard stands before {helper.Path}" : $"done: {helper.Path} is Xen's own again");
        }
        return ExitCode.Done;
    }

    static int Show(Session session)
    {
        var all = new SaveHelpers(session.Host).Find();
        foreach (var helper in all)
            session.Terminal.Output.WriteLine($"{helper.Path}: {(helper.IsGuarded ? "guarded" : "not guarded")}");
        if (all.IsEmpty)
            session.Terminal.Output.WriteLine($"no Xen is installed that has bin/{SaveGuard.Helper}");
        return all.All(helper => helper.IsGuarded) ? ExitCode.Done : ExitCode.Refused;
    }

    static int Ask(Session session, string word)
    {
        if (!int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number == 0)
            throw new UsageError($"\"{word}\" is no guest's number", "a domid is a whole number, from 1 on", "xl list     shows them");
        if (session.Host.Variable(SaveGuard.AcceptVariable)?.Split(',').Contains(SaveGuard.Code) == true)
            return ExitCode.Done;
        var start = GuestStart.Domain(number);
        var snapshot = session.Read();
        if (snapshot.Guests.FirstOrDefault(guest => guest.Start == start) is not Guest unread)
            return ExitCode.Done;
        snapshot = HistoryReader.Complete(session.Host, session.Journal, snapshot, new GuestReference(unread.RunBy, unread.Name));
        if (PlainSave.Of(snapshot, snapshot.Guests.First(guest => guest.Start == start)) is not PlainSave plain)
            return ExitCode.Done;
        Messages.Write(session.Terminal, $"guest {unread.Name} is not saved or moved; it runs on as it was", SaveGuard.Code, plain.Why,
            $"{plain.Instead}     (or {SaveGuard.AcceptVariable}={SaveGuard.Code}, before xl)");
        return ExitCode.Refused;
    }
}
