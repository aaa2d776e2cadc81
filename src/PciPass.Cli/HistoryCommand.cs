using System.CommandLine;
using System.Globalization;
using PciPass.Core;

namespace PciPass.Cli;

/// <summary><c>pcipass history [DEV]</c>: what was done, when, by whom, and how it ended.</summary>
static class HistoryCommand
{
    public static Command Create(Session session)
    {
        var device = new Argument<string?>("DEV") { Description = "Only operations on this function, with their steps.", Arity = ArgumentArity.ZeroOrOne };
        var json = Options.Json();
        var command = new Command("history", "Tell what was done, when, by whom, and how it ended.") { device, json };
        command.SetAction(parsed => Run(session, parsed.GetValue(device), parsed.GetValue(json)));
        return command;
    }

    static int Run(Session session, string? word, bool json)
    {
        IEnumerable<Operation> operations = session.Journal.ReadAll();
        if (word is not null)
        {
            // A function that is gone still has a history, so its address need not be there.
            var address = PciAddress.TryParse(word, out var plain) ? plain : Session.Find(session.Read(), [word])[0];
            operations = operations.Where(operation => operation.Request.Functions.Contains(address));
        }
        var shown = operations.ToArray();
        if (json)
        {
            Json.Write(session, new JsonHistory([.. shown.Select(JsonOperation.Of)]));
            return ExitCode.Done;
        }
        var output = session.Terminal.Output;
        if (shown.Length == 0)
            output.WriteLine("nothing has been done");
        else if (word is null)
            WriteTable(output, shown);
        else
            WriteSteps(output, shown);
        return ExitCode.Done;
    }

    static void WriteTable(TextWriter output, Operation[] operations)
    {
        var table = new TextTable("NUMBER", "TIME", "USER", "VERB", "GUEST", "ENDED", "FUNCTIONS");
        foreach (var operation in operations)
        {
            table.Add(operation.Number.ToString(CultureInfo.InvariantCulture), Time(operation.Began), operation.User, operation.Request.VerbName,
                operation.Request.Guest?.ToString() ?? "-", operation.State, string.Join(' ', operation.Request.Functions));
        }
        table.WriteTo(output);
    }

    static void WriteSteps(TextWriter output, Operation[] operations)
    {
        foreach (var operation in operations)
        {
            output.WriteLine($"operation {operation.Number}: {operation.Request.VerbName} {string.Join(' ', operation.Request.Functions)}{(operation.Request.Guest is GuestReference guest ? $" {guest}" : "")}, {Time(operation.Began)}, by {operation.User}: {operation.State}");
            foreach (var code in operation.Request.Accepted)
                output.WriteLine($"    accepted: {code}");
            foreach (var (number, step) in operation.Steps.Index())
                output.WriteLine($"    {operation.LastMark(number)?.ToString().ToLowerInvariant() ?? "not begun",-9} {step.Text}");
            foreach (var mark in operation.Marks.Where(mark => mark.Text.Length > 0))
                output.WriteLine($"    step {mark.Step + 1} {mark.Mark.ToString().ToLowerInvariant()}: {mark.Text}");
        }
    }

    static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
