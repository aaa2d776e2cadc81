using System.CommandLine;
using PciPass.Core;

namespace PciPass.Cli;

/// <summary><c>pcipass check DEV...</c>: whether functions can go, to any guest or to one; changes nothing.</summary>
static class CheckCommand
{
    public static Command Create(Session session)
    {
        var devices = Options.Devices();
        var guest = new Option<string>("--guest") { Description = "Check for this running guest.", HelpName = "GUEST" };
        var accept = Options.Accept();
        var json = Options.Json();
        var command = new Command("check", "Tell whether functions can be passed, with every reason against it. Changes nothing; exit code 1 when not.") { devices, guest, accept, json };
        command.SetAction(parsed => Run(session, parsed.GetValue(devices)!, parsed.GetValue(guest), parsed.GetValue(accept), parsed.GetValue(json)));
        return command;
    }

    static int Run(Session session, string[] words, string? guest, string[]? accept, bool json)
    {
        var snapshot = session.Read();
        var request = new Request(guest is null ? Verb.Hide : Verb.Attach, Session.Find(snapshot, words), guest is null ? null : Session.Guest(guest), ChangeCommand.Codes(accept));
        var plan = Planner.Plan(snapshot, request);
        if (json)
        {
            Json.Write(session, JsonPlan.Of(plan));
        }
        else if (plan.IsRefused)
        {
            Messages.WriteRefusals(session.Terminal, plan);
            Messages.WriteWarnings(session.Terminal, plan, withNotes: true);
        }
        else
        {
            Messages.WriteWarnings(session.Terminal, plan, withNotes: true);
            foreach (var address in request.Functions)
                session.Terminal.Output.WriteLine($"{address} ({session.NameOf(snapshot, snapshot.Find(address)!)}) can go to {(guest is null ? "a guest" : $"guest {guest}")}");
        }
        return plan.IsRefused ? ExitCode.Refused : ExitCode.Done;
    }
}
