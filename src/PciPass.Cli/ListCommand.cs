using System.CommandLine;
using PciPass.Core;
using PciPass.Core.Rules;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary><c>pcipass list</c>: every function, with its owner, and the reason where it must stay.</summary>
static class ListCommand
{
    public static Command Create(Session session)
    {
        var json = Options.Json();
        var command = new Command("list", "List every PCI function: what it is, who has it, and why it cannot be passed where it cannot.") { json };
        command.SetAction(parsed => Run(session, parsed.GetValue(json)));
        return command;
    }

    static int Run(Session session, bool json)
    {
        var snapshot = session.Read(json ? Detail.All : Detail.State);
        var rows = snapshot.Functions.Values.Select(function => (Function: function, State: FunctionState.Of(snapshot, function))).ToArray();
        var hostFindings = FunctionState.AboutTheHost(snapshot);
        if (json)
        {
            Json.Write(session, new JsonList(
                rows.Select(row => JsonFunction.Of(session, snapshot, row.Function, row.State)),
                [.. hostFindings.Select(JsonFinding.Of)]));
            return ExitCode.Done;
        }
        var table = new TextTable("FUNCTION", "CLASS", "DRIVER", "KNOWN AS", "STATE", "DMA", "NAME AND REASON");
        foreach (var (function, state) in rows)
        {
            table.Add(
                function.Address.ToString(),
                function.Class.Name,
                function.Driver?.ToString() ?? "-",
                function.KernelNames.IsEmpty ? "-" : string.Join(',', function.KernelNames),
                state.Word,
                Grade(snapshot, function),
                session.NameOf(snapshot, function),
                state.Reason.Length > 0 ? ": " : "",
                state.Reason
            );
        }
        table.WriteTo(session.Terminal.Output);
        foreach (var finding in hostFindings)
            session.Terminal.Output.WriteLine($"nothing can be passed: {finding.What}: {finding.Why}     [{finding.Code}]");
        return ExitCode.Done;
    }

    /// <summary>How well the DMA of a function that can be passed is confined; a dash for bridges and the chipset.</summary>
    static string Grade(HostSnapshot snapshot, PciFunction function) =>
        NotPassable.ReasonAgainst(function) is null ? snapshot.Isolation.GradeOf(function).Grade.Word() : "-";
}
