using PciPass.Core;

namespace PciPass.Cli;

/// <summary>Errors in their three lines: what, why, and what to do.</summary>
static class Messages
{
    public static void Write(Terminal terminal, string what, string code, string why, string remedy)
    {
        terminal.Errors.WriteLine($"{terminal.Red("error:")} {what}{(code.Length > 0 ? $"     [{code}]" : "")}");
        terminal.Errors.WriteLine($"why:   {why}");
        if (remedy.Length > 0)
            terminal.Errors.WriteLine($"do:    {remedy}");
    }

    /// <summary>A refused plan: every reason, each with its code.</summary>
    public static void WriteRefusals(Terminal terminal, Plan plan)
    {
        foreach (var finding in plan.Refusals)
            Write(terminal, finding);
    }

    public static void Write(Terminal terminal, Finding finding) => Write(terminal, finding.What, finding.Code, finding.Why, finding.Remedy);

    /// <summary>What is told but refuses nothing: warnings, and risks that were accepted by name; notes where somebody asks for all.</summary>
    public static void WriteWarnings(Terminal terminal, Plan plan, bool withNotes = false)
    {
        foreach (var finding in plan.Findings.Except(plan.Refusals).Where(finding => withNotes || finding.Severity != Severity.Note))
        {
            var word = finding.Severity == Severity.RefuseUnlessAccepted ? "accepted:" : finding.Severity == Severity.Warn ? "warning:" : "note:";
            terminal.Errors.WriteLine($"{terminal.Yellow(word)} {finding.What}: {finding.Why}     [{finding.Code}]");
        }
    }
}
