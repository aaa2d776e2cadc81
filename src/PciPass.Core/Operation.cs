using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace PciPass.Core;

/// <summary>What the journal says of a step.</summary>
public enum Mark
{
    /// <summary>The step is about to be done; on disk before the act.</summary>
    Doing,

    /// <summary>It was done, and read back.</summary>
    Done,

    /// <summary>It failed; the text says how.</summary>
    Failed,

    /// <summary>It is about to be undone; on disk before the act.</summary>
    Undoing,

    /// <summary>It was undone, and read back.</summary>
    Undone,

    /// <summary>The kernel has not answered, or the host is neither at From nor at To.</summary>
    Stuck,

    /// <summary>The guest has not let go yet.</summary>
    Pending,
}

/// <summary>How an operation ended.</summary>
public enum Ending
{
    /// <summary>It has not.</summary>
    None,
    Done,
    Undone,

    /// <summary>The host restarted in the middle: what it had done to the running kernel is gone.</summary>
    Void,
}

/// <summary>One line of the journal behind <c>begin</c>.</summary>
/// <param name="Mark">What happened.</param>
/// <param name="Step">To which step, from 0.</param>
/// <param name="Text">For failures: what the host said.</param>
public sealed record JournalMark(Mark Mark, int Step, string Text);

/// <summary>
/// One operation as the journal holds it: what was asked for, by whom, the whole plan with every former value, and how far it came.
/// Its text is a file that an administrator can read, and that is only ever added to.
/// </summary>
public sealed record Operation
{
    const string FirstLine = "pcipass journal 1";

    /// <summary>What closes a line that was torn by a power loss, so that the next one stands on its own; such a line is passed over.</summary>
    public const char TornLineEnd = '~';

    public required int Number { get; init; }
    public required Request Request { get; init; }
    public required string BootId { get; init; }
    public required DateTimeOffset Began { get; init; }

    /// <summary>Who asked for it: <c>root</c>, or <c>root (for alice)</c> under sudo.</summary>
    public required string User { get; init; }
    public required ImmutableArray<Step> Steps { get; init; }

    /// <summary>What each function was when the plan was made.</summary>
    public required ImmutableSortedDictionary<PciAddress, PciIdentity> Identities { get; init; }
    /// <summary>The kernel's names of what hung on the functions: with the host's driver they go away, and people still use them.</summary>
    public ImmutableSortedDictionary<string, PciAddress> Names { get; init; } = ImmutableSortedDictionary<string, PciAddress>.Empty;

    /// <summary>When it is undone unless it is confirmed before; null where it holds by itself.</summary>
    public DateTimeOffset? UndoAt => Request.RollbackAfter is TimeSpan time ? Began + time : null;

    public ImmutableArray<JournalMark> Marks { get; init; } = [];
    public Ending Ending { get; init; }
    public DateTimeOffset? Ended { get; init; }

    /// <summary>The last mark of a step; null when it was never begun.</summary>
    public Mark? LastMark(int step) => Marks.LastOrDefault(mark => mark.Step == step && mark.Mark != Mark.Failed)?.Mark;

    /// <summary>Whether a step was begun, in either direction, and never seen to be through.</summary>
    public bool IsUnderWay(int step) => LastMark(step) is not (null or Mark.Done or Mark.Undone);

    /// <summary>Whether it has turned round: from here on it goes back, not on.</summary>
    public bool IsGoingBack => Marks.Any(mark => mark.Mark is Mark.Failed or Mark.Undoing or Mark.Undone);

    /// <summary>Whether all is done, and it waits for its confirmation.</summary>
    public bool IsUnconfirmed => UndoAt is not null && Ending == Ending.None && !IsGoingBack && Enumerable.Range(0, Steps.Length).All(step => LastMark(step) == Mark.Done);

    /// <summary>In one word, for people: <c>done</c>, <c>undone</c>, <c>void</c>, <c>stuck</c>, <c>pending</c>, <c>unconfirmed</c> or <c>interrupted</c>.</summary>
    public string State => Ending != Ending.None
        ? Ending.ToString().ToLowerInvariant()
        : Marks.LastOrDefault()?.Mark switch { Mark.Stuck => "stuck", Mark.Pending => "pending", _ => IsUnconfirmed ? "unconfirmed" : "interrupted" };

    /// <summary>Everything up to and with <c>begin</c>: what must be on disk before the first act.</summary>
    public string Head()
    {
        var text = new StringBuilder();
        text.Append(FirstLine).Append('\n');
        text.Append("operation ").Append(Number).Append('\n');
        text.Append("verb ").Append(Request.VerbName).Append('\n');
        text.Append("time ").Append(Stamp(Began)).Append('\n');
        text.Append("user ").Append(OneLine(User)).Append('\n');
        text.Append("boot ").Append(OneLine(BootId)).Append('\n');
        if (Request.Guest is GuestReference guest)
            text.Append("guest ").Append(guest).Append('\n');
        foreach (var function in Request.Functions)
            text.Append("function ").Append(function).Append(' ').Append(Identities[function]).Append('\n');
        foreach (var (name, function) in Names)
            text.Append("name ").Append(function).Append(' ').Append(OneLine(name)).Append('\n');
        foreach (var code in Request.Accepted)
            text.Append("accept ").Append(code).Append('\n');
        if (Request.RollbackAfter is TimeSpan time)
            text.Append(CultureInfo.InvariantCulture, $"rollback-after {(long)time.TotalSeconds}\n");
        foreach (var content in Steps.SelectMany(step => step.Contents).Distinct())
            text.Append("content ").Append(content.Name).Append(' ').Append(content.Escaped()).Append('\n');
        foreach (var step in Steps)
            text.Append("step ").Append(step.Text).Append('\n');
        return text.Append("begin\n").ToString();
    }

    /// <summary>A mark's line; steps are counted from 1 for people.</summary>
    public static string Line(Mark mark, int step, string text = "") =>
        $"{mark.ToString().ToLowerInvariant()} {step + 1}{(text.Length > 0 ? " " : "")}{OneLine(text)}\n";

    public static string EndLine(Ending ending, DateTimeOffset time) => $"end {ending.ToString().ToLowerInvariant()} {Stamp(time)}\n";

    /// <summary>
    /// Reads a journal file. A last line without its end was being written when the power went: it never happened. Without
    /// <c>begin</c> nothing was ever done.
    /// </summary>
    /// <returns>Null when the file ends before <c>begin</c>.</returns>
    /// <exception cref="FormatException">The file is damaged, or of a newer version; the message says where.</exception>
    public static Operation? Parse(string text)
    {
        var whole = text.AsSpan(0, text.LastIndexOf('\n') + 1).ToString();
        var lines = whole.Split('\n', StringSplitOptions.None)[..^1];
        if (lines.Length == 0)
            return null;
        if (lines[0] != FirstLine)
            throw new FormatException($"line 1: expected \"{FirstLine}\", found \"{lines[0]}\": a newer version of pcipass wrote it, or it is no journal");
        if (!lines.Contains("begin", StringComparer.Ordinal))
            return null;

        var steps = ImmutableArray.CreateBuilder<Step>();
        var marks = ImmutableArray.CreateBuilder<JournalMark>();
        var functions = ImmutableArray.CreateBuilder<PciAddress>();
        var identities = ImmutableSortedDictionary.CreateBuilder<PciAddress, PciIdentity>();
        Dictionary<string, FileContent> contents = [];
        var names = ImmutableSortedDictionary.CreateBuilder<string, PciAddress>(StringComparer.Ordinal);
        var accepted = ImmutableSortedSet.CreateBuilder<string>(StringComparer.Ordinal);
        int? number = null;
        Verb? verb = null;
        GuestReference? guest = null;
        string? boot = null, user = null;
        DateTimeOffset? began = null, ended = null;
        TimeSpan? rollbackAfter = null;
        var ending = Ending.None;
        var begun = false;
        for (var at = 1; at < lines.Length; at++)
        {
            try
            {
                var space = lines[at].IndexOf(' ');
                var (word, rest) = space < 0 ? (lines[at], "") : (lines[at][..space], lines[at][(space + 1)..]);
                switch (word)
                {
                    case var _ when lines[at].EndsWith(TornLineEnd): break;
                    case "operation" when !begun: number = int.Parse(rest, NumberStyles.None, CultureInfo.InvariantCulture); break;
                    case "verb" when !begun: verb = ParseWord<Verb>(rest); break;
                    case "time" when !begun: began = Time(rest); break;
                    case "user" when !begun: user = rest; break;
                    case "boot" when !begun: boot = rest; break;
                    case "guest" when !begun: guest = GuestReference.Parse(rest); break;
                    case "accept" when !begun: accepted.Add(rest); break;
                    case "rollback-after" when !begun: rollbackAfter = TimeSpan.FromSeconds(int.Parse(rest, NumberStyles.None, CultureInfo.InvariantCulture)); break;
                    case "step" when !begun: steps.Add(Step.Parse(rest, contents)); break;
                    case "content" when !begun && rest.Split(' ', 2) is [var called, var escaped]:
                        contents[called] = FileContent.Parse(escaped) is var content && content.Name == called ? content : throw new FormatException($"the content {called} is not what it was");
                        break;
                    case "function" when !begun && rest.Split(' ') is [var address, var identity]:
                        functions.Add(PciAddress.Parse(address));
                        identities[functions[^1]] = PciIdentity.Parse(identity);
                        break;
                    case "name" when !begun && rest.Split(' ', 2) is [var named, var name]: names[name] = PciAddress.Parse(named); break;
                    case "begin" when !begun: begun = true; break;
                    case "end" when begun && rest.Split(' ') is [var how, var when]:
                        ending = ParseWord<Ending>(how);
                        ended = Time(when);
                        break;
                    case "doing" or "done" or "failed" or "undoing" or "undone" or "stuck" or "pending" when begun:
                        var end = rest.IndexOf(' ');
                        var step = int.Parse(end < 0 ? rest : rest[..end], NumberStyles.None, CultureInfo.InvariantCulture) - 1;
                        if (step < 0 || step >= steps.Count)
                            throw new FormatException($"there is no step {step + 1}");
                        marks.Add(new JournalMark(ParseWord<Mark>(word), step, end < 0 ? "" : rest[(end + 1)..]));
                        // An end that could not be flushed was taken back: what follows it says that it went on.
                        (ending, ended) = (Ending.None, null);
                        break;
                    default: throw new FormatException($"\"{lines[at]}\" has no meaning here");
                }
            }
            catch (Exception error) when (error is FormatException or OverflowException)
            {
                throw new FormatException($"line {at + 1}: {error.Message}", error);
            }
        }
        if (number is null || verb is null || boot is null || user is null || began is null
            || (functions.Count == 0 && verb is not (Verb.Install or Verb.Uninstall or Verb.Setup or Verb.Undo or Verb.Save or Verb.Restore or Verb.Migrate)))
            throw new FormatException("a line is missing before \"begin\"");
        return new Operation
        {
            Number = number.Value,
            Request = new Request(verb.Value, functions.ToImmutable(), guest, accepted.ToImmutable()) { RollbackAfter = rollbackAfter },
            BootId = boot,
            User = user,
            Began = began.Value,
            Steps = steps.ToImmutable(),
            Identities = identities.ToImmutable(),
            Names = names.ToImmutable(),
            Marks = marks.ToImmutable(),
            Ending = ending,
            Ended = ended,
        };
    }

    static T ParseWord<T>(string word)
        where T : struct, Enum =>
        word.All(char.IsAsciiLetterLower) && Enum.TryParse<T>(word, ignoreCase: true, out var value) ? value : throw new FormatException($"\"{word}\" is not known");

    static string Stamp(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    static DateTimeOffset Time(string text) => DateTimeOffset.ParseExact(text, "yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    static string OneLine(string text) => text.Replace('\n', ' ').Replace('\r', ' ').TrimEnd(TornLineEnd).Trim();
}
