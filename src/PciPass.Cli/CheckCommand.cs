using System.CommandLine;
using PciPass.Core;
using PciPass.Core.Rules;

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
        if (!json)
            WriteReach(session, snapshot, plan);
        return plan.IsRefused ? ExitCode.Refused : ExitCode.Done;
    }

    /// <summary>How each function would be confined, and the smallest set that can go where one cannot go alone.</summary>
    static void WriteReach(Session session, HostSnapshot snapshot, Plan plan)
    {
        var functions = plan.Request.Functions.Select(snapshot.Find).OfType<PciFunction>().Where(function => NotPassable.ReasonAgainst(function) is null).ToArray();
        foreach (var function in functions)
            session.Terminal.Output.WriteLine($"DMA of {function.Address}: {snapshot.Isolation.GradeOf(function).Grade.ToString().ToLowerInvariant()}; {snapshot.Isolation.ReachOf(function)}");
        var together = Companions.Complete(snapshot, [.. functions.Select(function => function.Address)]);
        if (together.Length == functions.Length)
            return;
        var obstacles = Planner.Plan(snapshot, plan.Request with { Functions = together }).Refusals.Where(finding => finding.Subject != "host")
            .Select(finding => $"{finding.Subject} [{finding.Code}]").Distinct().ToArray();
        session.Terminal.Output.WriteLine($"together: {string.Join(' ', together)}     {(obstacles.Length == 0 ? "free: --with-companions takes them all" : $"not free: {Isolation.Listed(obstacles)}")}");
    }
}
