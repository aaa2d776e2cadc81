using System.Collections.Immutable;
using System.CommandLine;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary><c>pcipass status</c>: what is away from the host, who has it, and what has not ended.</summary>
static class StatusCommand
{
    public static Command Create(Session session)
    {
        var json = Options.Json();
        var command = new Command("status", "Show which functions are away from the host, who has them, and which operations have not ended.") { json };
        command.SetAction(parsed => Run(session, parsed.GetValue(json)));
        return command;
    }

    static int Run(Session session, bool json)
    {
        var snapshot = session.Read();
        var away = snapshot.Functions.Values.Where(function => snapshot.IsHeld(function)
            || snapshot.Taken.Any(taken => taken.Address == function.Address)
            || snapshot.Unfinished.Any(unfinished => unfinished.Address == function.Address)).ToArray();
        var forecast = BootForecast.Of(snapshot, BootSetupReader.Read(session.Host));
        var nextStarts = NextStart.Of(snapshot, forecast);
        if (json)
        {
            Json.Write(session, new JsonStatus([.. away.Select(function => JsonFunction.Of(session, snapshot, function, FunctionState.Of(snapshot, function)))],
                [.. snapshot.Unfinished.DistinctBy(open => open.Operation).Select(open => new JsonUnfinished(open.Operation, open.Verb, open.State))],
                [.. nextStarts.Select(next => new JsonNextStart(next.Address.ToString(), next.IsHiddenNow, next.WillBeHidden, next.Why))],
                [.. snapshot.Devices.Errors.Select(error => error.ToString())], [.. GuestOverview.Of(snapshot).SelectMany(guest => guest.Differences)]));
            return ExitCode.Done;
        }
        if (away.Length == 0)
            session.Terminal.Output.WriteLine("no function is away from the host");
        else
            WriteAway(session, snapshot, away);
        WriteNextStart(session.Terminal.Output, snapshot, nextStarts);
        if (forecast.IsKnown && forecast.Findings.Count(finding => finding.Severity == Severity.Refuse) is > 0 and var wrong)
            session.Terminal.Output.WriteLine($"{wrong} {(wrong == 1 ? "thing contradicts" : "things contradict")} what is wished at the next start: pcipass boot verify     tells");
        GuestsCommand.WriteDifferences(session.Terminal.Output, GuestOverview.Of(snapshot));
        foreach (var open in snapshot.Unfinished.DistinctBy(open => open.Operation))
            session.Terminal.Output.WriteLine($"operation {open.Operation} ({open.Verb}) is {open.State}: {(open.State == "unconfirmed" ? "pcipass confirm     keeps it, else it is undone" : "pcipass recover     ends it")}");
        return ExitCode.Done;
    }

    static void WriteAway(Session session, HostSnapshot snapshot, PciFunction[] away)
    {
        var table = new TextTable("FUNCTION", "STATE", "GUEST", "IN THE GUEST", "DRIVER BEFORE", "TAKEN BY");
        foreach (var function in away)
        {
            var state = FunctionState.Of(snapshot, function);
            var attachment = snapshot.FindAttachment(function.Address);
            var taken = snapshot.Taken.FirstOrDefault(taken => taken.Address == function.Address);
            // Somebody may have acted by hand since: that is told, not corrected.
            var byHand = taken is null || snapshot.IsHeld(function) ? ""
                : function.Driver is DriverName driver ? $"; changed by hand since: it has driver {driver}{(snapshot.Hypervisor == Hypervisor.XenDom0 ? ", but Xen may keep its DMA from the host: hide and unhide it" : "")}"
                : "; changed by hand since: it has no driver: unhide it";
            table.Add(function.Address.ToString(), state.Word, attachment is null ? "-" : snapshot.FindGuest(attachment.Guest)!.Name.ToString(), attachment?.VirtualSlot ?? "-",
                taken is null ? "unknown" : taken.Driver?.ToString() ?? "none",
                (taken is null ? snapshot.Devices.Functions.Any(kept => kept.Identity.DifferenceTo(function.Identity) is null) ? "the start" : "others" : $"operation {taken.Operation}{(taken.Guest is GuestReference guest ? $" (attach to {guest})" : " (hide)")}") + byHand);
        }
        table.WriteTo(session.Terminal.Output);
    }

    /// <summary>What is configured against what runs.</summary>
    static void WriteNextStart(TextWriter output, HostSnapshot snapshot, ImmutableArray<NextStart> all)
    {
        if (all.IsEmpty && snapshot.Devices.Errors.IsEmpty)
            return;
        output.WriteLine();
        var table = new TextTable("FUNCTION", "NOW", "NEXT START", "WHY");
        foreach (var next in all)
            table.Add(next.Address.ToString(), next.IsHiddenNow ? "hidden" : "the host's", next.WillBeHidden ? "hidden" : "the host's", next.Why);
        table.WriteTo(output);
        foreach (var error in snapshot.Devices.Errors)
            output.WriteLine($"{error}; nothing is hidden for it");
    }
}
