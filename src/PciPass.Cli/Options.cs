using System.CommandLine;
using System.Globalization;

namespace PciPass.Cli;

/// <summary>Arguments and options that several commands share.</summary>
static class Options
{
    public static Option<bool> Json() => new("--json") { Description = "Print one JSON object instead of text (described in docs/json.md)." };

    /// <summary>The commands that can be meant for a system that does not run.</summary>
    public static readonly string[] ForImages = ["hide", "unhide", "status", "install", "uninstall", "verify", "recover", "history"];

    public static Option<string> Root() => new("--root")
    {
        Description = "For hide --boot, unhide --boot, status, boot, recover and history: the system mounted there, not the running host.",
        HelpName = "DIR",
        Recursive = true,
    };

    public static Option<bool> DryRun() => new("--dry-run") { Description = "Print exactly the steps that would be done, and do nothing." };

    public static Option<bool> WithCompanions() => new("--with-companions") { Description = "Take along what cannot be kept apart from the functions named: their neighbours past the IOMMU that the host drives." };

    public static Option<string[]> Accept() => new("--accept")
    {
        Description = "Accept a risk by its code, such as unconfined-dma; once for each. \"pcipass rules\" lists the codes.",
        HelpName = "CODE",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    static readonly TimeSpan LeastRollback = TimeSpan.FromSeconds(5), MostRollback = TimeSpan.FromDays(1);

    public static Option<string> RollbackAfter() => new("--rollback-after")
    {
        Description = "Undo all of it after this time (60s, 5m, 1h) unless \"pcipass confirm\" is run before: for what may cut you off yourself. The settings of network interfaces come back too.",
        HelpName = "TIME",
    };

    /// <exception cref="UsageError">It is no time, or one that cannot be meant.</exception>
    public static TimeSpan? Time(string? word)
    {
        if (word is null)
            return null;
        var seconds = word.Length == 0 ? 0 : word[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, _ => 0 };
        if (seconds == 0 || !int.TryParse(word.AsSpan(0, word.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var count))
            throw new UsageError($"\"{word}\" is no time", "a time is a number with s, m or h: 60s, 5m, 1h", "the same with --rollback-after 60s");
        var time = TimeSpan.FromSeconds((double)count * seconds);
        return time >= LeastRollback && time <= MostRollback
            ? time
            : throw new UsageError($"{word} is {(time < LeastRollback ? "too short" : "too long")} a time", "from 5 seconds to a day can be waited for", "the same with --rollback-after 60s");
    }

    public static Argument<string> Guest() => new("GUEST") { Description = "The guest's name." };

    public static Argument<string> Image() => new("FILE") { Description = "The guest's image; FILE.pcipass, beside it, says which functions belong to it." };

    /// <summary>Paths go into the journal, where no folder is the current one.</summary>
    public static string AbsolutePath(string path) => path.StartsWith('/') ? path : Path.GetFullPath(path);

    public static Argument<string> Device() => new("DEV") { Description = "A function: 09:00.0, eth1, nvme0n1, pci_0000_09_00_0." };

    public static Argument<string[]> Devices() => new("DEV") { Description = "Functions: 09:00.0, eth1, nvme0n1, pci_0000_09_00_0.", Arity = ArgumentArity.OneOrMore };
}
