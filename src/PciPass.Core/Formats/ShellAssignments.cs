using System.Collections.Immutable;

namespace PciPass.Core.Formats;

/// <summary>
/// A file of shell assignments, as /etc/default/grub is: one a line, <c>NAME=value</c>, <c>NAME="value"</c> or <c>NAME='value'</c>. A
/// value that the shell would work out (a variable, a command) is not understood, and never changed. All else stays byte by byte.
/// </summary>
public sealed class ShellAssignments
{
    /// <summary>One assignment.</summary>
    /// <param name="Name">The variable.</param>
    /// <param name="Value">Its value; null where the shell works it out.</param>
    /// <param name="Line">From 1.</param>
    /// <param name="At">Where the value begins in the text, with its quote.</param>
    /// <param name="Length">The value's length, with its quotes.</param>
    public sealed record Assignment(string Name, string? Value, int Line, int At, int Length);

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

    /// <summary>The text with another value for an assignment, in double quotes.</summary>
    /// <exception cref="FormatException">The value holds what means something within double quotes.</exception>
    public string Replace(Assignment assignment, string value) => string.Concat(text.AsSpan(0, assignment.At), Quote(value), text.AsSpan(assignment.At + assignment.Length));

    /// <summary>The text with another assignment behind all others.</summary>
    public string With(string name, string value) => $"{text}{(text.Length == 0 || text.EndsWith('\n') ? "" : "\n")}{name}={Quote(value)}\n";

    static string Quote(string value) => !value.AsSpan().ContainsAny('$', '`', '\\') && !value.AsSpan().ContainsAny('"', '\n')
        ? $"\"{value}\""
        : !value.AsSpan().ContainsAny('\'', '\n') ? $"'{value}'" : throw new FormatException($"the value {value} cannot be quoted plainly");

    void Read()
    {
        var found = ImmutableArray.CreateBuilder<Assignment>();
        var errors = ImmutableArray.CreateBuilder<FileError>();
        var number = 1;
        for (var at = 0; at < text.Length;)
        {
            var end = text.IndexOf('\n', at);
            if (end < 0)
                end = text.Length;
            var start = at;
            while (start < end && text[start] is ' ' or '\t')
                start++;
            if (start + 7 < end && text.AsSpan(start).StartsWith("export ", StringComparison.Ordinal))
                start += 7;
            var equals = start < end ? text.IndexOf('=', start, end - start) : -1;
            if (start == end || text[start] == '#' || equals < 0 || !IsName(text.AsSpan(start, equals - start)))
            {
                // An append joins on what was before; the rest of a shell's language is passed over, but a value must not begin in it.
                if (equals > start && text[equals - 1] == '+' && IsName(text.AsSpan(start, equals - 1 - start)))
                    found.Add(new Assignment(text[start..(equals - 1)], null, number, equals + 1, 0));
                at = end + 1;
                number++;
                continue;
            }
            var name = text[start..equals];
            var (value, length, problem) = Value(equals + 1);
            found.Add(new Assignment(name, value, number, equals + 1, length));
            if (problem is not null)
                errors.Add(new FileError(Path, number, equals + 2 - at, $"{name} {problem}"));
            // A quoted value may go on over lines.
            var next = text.IndexOf('\n', equals + 1 + length);
            next = next < 0 ? text.Length : next;
            number += text.AsSpan(at, next - at).Count('\n') + 1;
            at = next + 1;
        }
        Assignments = found.ToImmutable();
        Errors = errors.ToImmutable();
    }

    (string? Value, int Length, string? Problem) Value(int start)
    {
        if (start >= text.Length || text[start] is '\n' or ' ' or '\t' or '#')
            return ("", 0, null);
        if (text[start] is '"' or '\'')
        {
            var quote = text[start];
            var at = start + 1;
            while (at < text.Length && text[at] != quote)
                at += quote == '"' && text[at] == '\\' ? 2 : 1;
            if (at >= text.Length)
                return (null, text.Length - start, "begins with a quote that nothing closes");
            var length = at + 1 - start;
            // What follows without a blank belongs to the value as well.
            if (at + 1 < text.Length && text[at + 1] is not ('\n' or ' ' or '\t' or ';' or '\r'))
                return (null, length, null);
            var inner = text[(start + 1)..at];
            return (quote == '\'' || !inner.AsSpan().ContainsAny('$', '`', '\\') ? inner : null, length, null);
        }
        var end = start;
        while (end < text.Length && text[end] is not ('\n' or ' ' or '\t' or ';' or '\r'))
            end++;
        var word = text[start..end];
        return (word.Any(letter => letter is '$' or '`' or '\\' or '"' or '\'' or '(' or ')') ? null : word, end - start, null);
    }

    static bool IsName(ReadOnlySpan<char> name)
    {
        if (name.IsEmpty || char.IsAsciiDigit(name[0]))
            return false;
        foreach (var letter in name)
        {
            if (!char.IsAsciiLetterOrDigit(letter) && letter != '_')
                return false;
        }
        return true;
    }
}
