using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary>What <c>--json</c> prints: one object a command, with names that stay (docs/json.md). These are not the types of the program: those may change.</summary>
static class Json
{
    // The text goes to a terminal or a program, never into a page: an arrow stays an arrow.
    static readonly JsonShapes Shapes = new(new JsonSerializerOptions(JsonShapes.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    public static void Write<T>(Session session, T value)
    {
        var (output, shape) = (session.Terminal.Output, (JsonTypeInfo<T>)Shapes.GetTypeInfo(typeof(T))!);
        // A list of thousands of functions goes out piece by piece, and is never in memory as a whole.
        if (output is StreamWriter writer)
        {
            writer.Flush();
            JsonSerializer.Serialize(writer.BaseStream, value, shape);
            writer.WriteLine();
        }
        else
        {
            output.WriteLine(JsonSerializer.Serialize(value, shape));
        }
    }
}

sealed record JsonFinding(string Code, string Severity, string Subject, string What, string Why, string Do)
{
    public static JsonFinding Of(Finding finding) => new(finding.Code, finding.Severity switch
    {
        Core.Severity.Note => "note",
        Core.Severity.Warn => "warn",
        Core.Severity.Refuse => "refuse",
        _ => "refuse-unless-accepted",
    }, finding.Subject, finding.What, finding.Why, finding.Remedy);
}

sealed record JsonFunction(string Address, string Name, string Class, string ClassCode, string Vendor, string Device, string SubsystemVendor, string SubsystemDevice,
    string? SerialNumber, string Place, string? Bridge, string? Driver, string? DriverOverride, int? IommuGroup, string? PhysicalFunction, string[] KnownAs,
    string State, string Reason, string Code, string Dma, string DmaReason, string? Resets, string? Guest, string? SlotInGuest, JsonTaken? Taken)
{
    public static JsonFunction Of(Session session, HostSnapshot snapshot, PciFunction function, FunctionState state)
    {
        var attachment = snapshot.FindAttachment(function.Address);
        var taken = snapshot.Taken.FirstOrDefault(taken => taken.Address == function.Address);
        var (grade, why) = snapshot.Isolation.GradeOf(function);
        return new JsonFunction(function.Address.ToString(), session.NameOf(snapshot, function), function.Class.Name, function.Class.ToString(),
            $"{function.Ids.Vendor:x4}", $"{function.Ids.Device:x4}", $"{function.Ids.SubVendor:x4}", $"{function.Ids.SubDevice:x4}",
            function.Identity.SerialNumber?.ToString("x16"), function.Identity.Path, function.Parent?.ToString(), function.Driver?.ToString(), function.DriverOverride?.ToString(),
            function.IommuGroup, function.PhysicalFunction?.ToString(), [.. function.KernelNames], state.Word, state.Reason, state.Code,
            grade.Word(), why, function.Resets?.Text(),
            attachment is null ? null : snapshot.FindGuest(attachment.Guest)!.Name.ToString(), attachment?.VirtualSlot,
            taken is null ? null : new JsonTaken(taken.Operation, taken.Driver?.ToString(), taken.DriverOverride?.ToString(), taken.Guest?.ToString()));
    }
}

sealed record JsonTaken(int Operation, string? DriverBefore, string? DriverOverrideBefore, string? ForGuest);

sealed record JsonList(IEnumerable<JsonFunction> Functions, JsonFinding[] Host);

sealed record JsonPlan(string Verb, string[] Functions, string? Guest, bool Refused, string[] Steps, JsonFinding[] Findings)
{
    public static JsonPlan Of(Plan plan) => new(plan.Request.VerbName, [.. plan.Request.Functions.Select(function => function.ToString())], plan.Request.Guest?.ToString(),
        plan.IsRefused, [.. plan.Steps.Select(step => step.Text)], [.. plan.Findings.Select(JsonFinding.Of)]);
}

sealed record JsonOutcome(string Verb, string[] Functions, string? Guest, string Result, DateTimeOffset? UndoAt, int Operation, string[] Errors, string[] Undone, JsonAttachment[] Attachments)
{
    public static JsonOutcome Of(HostSnapshot? snapshot, Outcome outcome)
    {
        var request = outcome.Operation.Request;
        return new JsonOutcome(request.VerbName, [.. request.Functions.Select(function => function.ToString())], request.Guest?.ToString(),
            outcome.Result.ToString().ToLowerInvariant(), outcome.Result == PciPass.Host.Result.Unconfirmed ? outcome.Operation.UndoAt : null, outcome.Operation.Number, [.. outcome.Errors], [.. outcome.Undone.Select(step => step.Text)],
            [.. request.Functions.Select(function => snapshot?.FindAttachment(function)).OfType<Attachment>().Select(attachment =>
                new JsonAttachment(attachment.Address.ToString(), snapshot!.FindGuest(attachment.Guest)!.Name.ToString(), attachment.VirtualSlot))]);
    }
}

sealed record JsonAttachment(string Address, string Guest, string? SlotInGuest);

sealed record JsonGuests(JsonGuest[] Guests);

sealed record JsonGuest(string Name, string RunBy, string Type, bool Running, string? Start, string[] Files, JsonGuestFunction[] Functions, string[] Differences, string? PlainSave)
{
    public static JsonGuest Of(GuestOverview guest) => new(guest.Name, GuestsCommand.RunBy(guest), guest.Type.ToString().ToLowerInvariant(), guest.Running is not null, guest.Running?.Start.ToString(),
        [.. guest.Files.Select(file => file.Path)],
        [.. guest.Live.Select(each => each.Address).Union(guest.Configured).Order().Select(address => new JsonGuestFunction(address.ToString(), guest.Live.FirstOrDefault(each => each.Address == address)?.VirtualSlot,
            guest.Live.Any(each => each.Address == address), guest.Configured.Contains(address)))], [.. guest.Differences], guest.PlainSave?.ToString());
}

sealed record JsonGuestFunction(string Address, string? SlotInGuest, bool Live, bool Configured);

sealed record JsonStatus(JsonFunction[] Away, JsonUnfinished[] Unfinished, JsonNextStart[] NextStart, string[] DeviceListErrors, string[] GuestDifferences);

sealed record JsonNextStart(string Address, bool HiddenNow, bool Hidden, string Why);

sealed record JsonVerify(JsonEntry? Start, JsonImage? Initramfs, JsonForecast[] Functions, JsonBootLine[] Lines, JsonFinding[] Findings);

sealed record JsonEntry(string Title, string Place, string How, string Kernel, bool? Xen, string KernelLine);

sealed record JsonImage(string Path, string Generator, string Compression, bool Read, bool HoldsPcipass);

sealed record JsonForecast(string Address, string? Driver, string? NextDriver, bool Hidden, bool Certain, string Why);

sealed record JsonBootLine(string Place, string Text, string Does);

sealed record JsonUnfinished(int Operation, string Verb, string State);

sealed record JsonHistory(JsonOperation[] Operations);

sealed record JsonOperation(int Operation, string Verb, string[] Functions, string? Guest, string User, DateTimeOffset Began, DateTimeOffset? Ended, string State, string[] Accepted, JsonStep[] Steps)
{
    public static JsonOperation Of(Operation operation) => new(operation.Number, operation.Request.VerbName,
        [.. operation.Request.Functions.Select(function => function.ToString())], operation.Request.Guest?.ToString(), operation.User, operation.Began, operation.Ended,
        operation.State, [.. operation.Request.Accepted],
        [.. operation.Steps.Select((step, number) => new JsonStep(step.Text, operation.LastMark(number)?.ToString().ToLowerInvariant() ?? "not-begun",
            operation.Marks.LastOrDefault(mark => mark.Step == number && mark.Text.Length > 0)?.Text))]);
}

sealed record JsonStep(string Step, string State, string? Message);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(JsonList))]
[JsonSerializable(typeof(JsonVerify))]
[JsonSerializable(typeof(JsonFunction))]
[JsonSerializable(typeof(JsonPlan))]
[JsonSerializable(typeof(JsonOutcome))]
[JsonSerializable(typeof(JsonStatus))]
[JsonSerializable(typeof(JsonGuests))]
[JsonSerializable(typeof(JsonHistory))]
sealed partial class JsonShapes : JsonSerializerContext;
