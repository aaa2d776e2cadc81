using System.Collections.Immutable;

namespace PciPass.Core.Formats;

/// <summary>
/// A file of shell assignments, as /etc/default/grub is: <c>NAME=value</c>, <c>NAME="value"</c> or <c>NAME='value'</c>, one a line or with
/// semicolons between. What the shell would work out (variables) stays as it is written; what is no plain value is never changed. All else
/// stays byte by byte.
/// </summary>
public sealed class ShellAssignments
{
    /// <summary>One assignment.</summary>
    /// <param name="Name">The variable.</param>
    /// <param name="Value">Its value; null where the shell works it out.</param>
    /// <param name="Written">What stands between the quotes, which may name variables; null where it is more than one plain word of the shell's.</param>
    /// <param name="IsAppended">Whether it is joined on what was there before (<c>+=</c>).</param>
    /// <param name="IsConditional">Whether it stands within a condition, a loop or a function.</param>
    /// <param name="Line">From 1.</param>
    /// <param name="At">Where the value begins in the text, with its quote.</param>
    /// <param name="Length">The value's length, with its quotes.</param>
    public sealed record Assignment(string Name, string? Value, string? Written, bool IsAppended, bool IsConditional, int Line, int At, int Length)
    {
        /// <summary>Whether what the variable held before is a part of it.</summary>
        public bool GoesOn => IsAppended || Written?.Contains($"${Name}", StringComparison.Ordinal) == true || Written?.Contains($"${{{Name}}}", StringComparison.Ordinal) == true;
    }

    readonly string text;

    ShellAssignments(string path, string text)
    {
        Path = path;
        this.text = text;
        Read();
    }

    public string Path { get; }
    public ImmutableArray<Assignment> Assignments { get; private set; } = [];
    public ImmutableArray<FileError> Errors { get; private set; } = [];

    public static ShellAssignments Parse(string path, string text) => new(path, text);

    /// <summary>The one that counts: the last.</summary>
    public Assignment? Find(string name) => Assignments.LastOrDefault(assignment => assignment.Name == name);

    /// <summary>The text with something else written in an assignment, in the quotes that are there, else in double ones.</summary>
    /// <exception cref="FormatException">What is written holds what means something there.</exception>
    public string Replace(Assignment assignment, string written)
    {
        var quote = assignment.Length > 0 && text[assignment.At] is '"' or '\'' ? text[assignment.At] : '\0';
        var value = quote == '\0' ? Quote(written)
            : written.Contains('\n', StringComparison.Ordinal) && !text.AsSpan(assignment.At, assignment.Length).Contains('\n') ? throw new FormatException($"the value {written} cannot be quoted plainly")
            : $"{quote}{written}{quote}";
        return string.Concat(text.AsSpan(0, assignment.At), value, text.AsSpan(assignment.At + assignment.Length));
    }

    const string Mark = "  # added by pcipass";

    /// <summary>The text with another assignment behind all others, with a mark by which it is known again.</summary>
    public string With(string name, string value) => $"{text}{(text.Length == 0 || text.EndsWith('\n') ? "" : "\n")}{name}={Quote(value)}{Mark}\n";

    /// <summary>The text without an assignment that <see cref="With"/> made; null where it did not.</summary>
    public string? Without(Assignment assignment)
    {
        var start = assignment.At - assignment.Name.Length - 1;
        return start >= 0 && (start == 0 || text[start - 1] == '\n') && text.AsSpan(assignment.At + assignment.Length).StartsWith($"{Mark}\n")
            ? text.Remove(start, assignment.At + assignment.Length + Mark.Length + 1 - start) : null;
    }

    static string Quote(string value) => !value.AsSpan().ContainsAny('$', '`', '\\') && !value.AsSpan().ContainsAny('"', '\n')
        ? $"\"{value}\""
        : !value.AsSpan().ContainsAny('\'', '\n') ? $"'{value}'" : throw new FormatException($"the value {value} cannot be quoted plainly");

    void Read()
    {
        var found = ImmutableArray.CreateBuilder<Assignment>();
        var errors = ImmutableArray.CreateBuilder<FileError>();
        var (number, depth, lineStart) = (1, 0, 0);
        for (var at = 0; at < text.Length;)
        {
            var start = at;
            while (start < text.Length && text[start] is ' ' or '\t')
                start++;
            if (text.AsSpan(start).StartsWith("export ", StringComparison.Ordinal))
                start += 7;
            var end = text.IndexOf('\n', start);
            end = end < 0 ? text.Length : end;
            var name = NameAt(start);
            var isAppended = name > 0 && start + name + 1 < end && text[start + name] == '+' && text[start + name + 1] == '=';
            if (name == 0 || !(isAppended || (start + name < end && text[start + name] == '=')))
            {
                // The rest of a shell's language is passed over, but for what it says about where blocks begin and end.
                depth = Math.Max(0, depth + Depth(text.AsSpan(start, end - start)));
                Next(end);
                continue;
            }
            var value = start + name + (isAppended ? 2 : 1);
            var (plain, written, length, problem) = Value(value);
            var after = value + length;
            while (after < text.Length && text[after] is ' ' or '\t' or '\r')
                after++;
            var isWhole = after >= text.Length || text[after] is '\n' or ';' || (text[after] == '#' && after > value + length);
            found.Add(new Assignment(text.Substring(start, name), isWhole && !isAppended ? plain : null, isWhole ? written : null, isAppended, depth > 0, number, value, length));
            if (problem is not null)
                errors.Add(new FileError(Path, number, value + 1 - lineStart, $"{text.Substring(start, name)} {problem}"));
            number += text.AsSpan(at, Math.Min(after, text.Length) - at).Count('\n');
            if (text.AsSpan(at, value + length - at).LastIndexOf('\n') is >= 0 and var last)
                lineStart = at + last + 1;
            at = after;
            if (at < text.Length && text[at] == ';')
            {
                at++;
                continue;
            }
            end = at < text.Length ? text.IndexOf('\n', at) : -1;
            Next(end < 0 ? text.Length : end);

            void Next(int lineEnd)
            {
                at = lineEnd + 1;
                number++;
                lineStart = at;
            }
        }
        Assignments = found.ToImmutable();
        Errors = errors.ToImmutable();
    }

    /// <summary>By how much deeper a line leaves the shell: <c>if</c> to <c>fi</c>, <c>for</c> and <c>while</c> to <c>done</c>, <c>case</c> to <c>esac</c>, braces.</summary>
    static int Depth(ReadOnlySpan<char> line)
    {
        var depth = 0;
        foreach (var range in line.SplitAny(' ', '\t', ';', '\r'))
        {
            var word = line[range];
            if (word.StartsWith("#"))
                break;
            depth += word is "if" or "for" or "while" or "until" or "case" or "{" or "select" ? 1 : word is "fi" or "done" or "esac" or "}" ? -1 : 0;
        }
        return depth;
    }

    (string? Value, string? Written, int Length, string? Problem) Value(int start)
    {
        if (start >= text.Length || text[start] is '\n' or ' ' or '\t' or ';' or '\r')
            return ("", "", 0, null);
        if (text[start] is '"' or '\'')
        {
            var quote = text[start];
            var at = start + 1;
            while (at < text.Length && text[at] != quote)
                at += quote == '"' && text[at] == '\\' ? 2 : 1;
            if (at >= text.Length)
                return (null, null, text.Length - start, "begins with a quote that nothing closes");
            var length = at + 1 - start;
            // What follows without a blank belongs to the value as well.
            if (at + 1 < text.Length && text[at + 1] is not ('\n' or ' ' or '\t' or ';' or '\r'))
                return (null, null, length, null);
            var inner = text[(start + 1)..at];
            var isPlain = quote == '\'' || !inner.AsSpan().ContainsAny('$', '`', '\\');
            return (isPlain ? inner : null, isPlain || NamesVariablesAlone(inner) ? inner : null, length, null);
        }
        var end = start;
        while (end < text.Length && text[end] is not ('\n' or ' ' or '\t' or ';' or '\r'))
            end++;
        var word = text[start..end];
        var isWord = !word.Any(letter => letter is '$' or '`' or '\\' or '"' or '\'' or '(' or ')' or '&' or '|' or '<' or '>');
        return (isWord ? word : null, isWord ? word : null, end - start, null);
    }

    /// <summary>Whether what the shell works out is the values of variables and nothing else: no command, no other expansion, no backslash.</summary>
    static bool NamesVariablesAlone(string inner)
    {
        if (inner.AsSpan().ContainsAny('`', '\\'))
            return false;
        for (var at = inner.IndexOf('$'); at >= 0; at = inner.IndexOf('$', at + 1))
        {
            var isBraced = at + 1 < inner.Length && inner[at + 1] == '{';
            var end = at + (isBraced ? 2 : 1);
            var from = end;
            while (end < inner.Length && (char.IsAsciiLetterOrDigit(inner[end]) || inner[end] == '_'))
                end++;
            if (end == from || char.IsAsciiDigit(inner[from]) || (isBraced && (end >= inner.Length || inner[end] != '}')))
                return false;
        }
        return true;
    }

    /// <summary>How long the name is that begins there; 0 when none does.</summary>
    int NameAt(int start)
    {
        var end = start;
        while (end < text.Length && (char.IsAsciiLetter(text[end]) || text[end] == '_' || (end > start && char.IsAsciiDigit(text[end]))))
            end++;
        return end - start;
    }
}
