using PciPass.Core;
using PciPass.Core.Rules;

namespace PciPass.Cli;

/// <summary>A function's state in one word, and the reason behind it.</summary>
/// <param name="Word"><c>free</c> (can be passed), <c>hidden</c>, <c>attached</c>, <c>stays</c> (cannot be passed), <c>busy</c>.</param>
/// <param name="Reason">Why it stays, or who has it; empty for free ones.</param>
/// <param name="Code">For <c>stays</c>: the code of the reason; else empty.</param>
sealed record FunctionState(string Word, string Reason, string Code)
{
    public static FunctionState Of(HostSnapshot snapshot, PciFunction function)
    {
        if (snapshot.Unfinished.FirstOrDefault(unfinished => unfinished.Address == function.Address) is Unfinished open)
            return new FunctionState("busy", $"operation {open.Operation} ({open.Verb}) is {open.State}", "busy");
        var accepted = snapshot.Accepted.TryGetValue(function.Address, out var codes) ? $"accepted: {string.Join(", ", codes)}" : "";
        if (snapshot.FindAttachment(function.Address) is Attachment attachment)
            return new FunctionState("attached", $"guest {snapshot.FindGuest(attachment.Guest)!.Name} has it{(attachment.VirtualSlot is string slot ? $" as {slot}" : "")}{(accepted.Length > 0 ? $"; {accepted}" : "")}", "");
        if (snapshot.IsHeld(function))
            return new FunctionState("hidden", accepted, "");
        return Catalogue.FirstRefusalToHide(snapshot, function.Address) is Finding first
            ? new FunctionState("stays", first.Why, first.Code)
            : new FunctionState("free", "", "");
    }

    /// <summary>What speaks against passing anything at all on this host.</summary>
    public static Finding[] AboutTheHost(HostSnapshot snapshot) =>
        [.. Catalogue.Check(snapshot, new Request(Verb.Hide, [], null, [])).Where(finding => finding.Subject == "host")];
}
