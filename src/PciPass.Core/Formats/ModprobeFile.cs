using System.Collections.Immutable;
using System.Text;

namespace PciPass.Core.Formats;

/// <summary>
/// A file of modprobe's configuration: /etc/modprobe.d/*.conf, or /etc/modprobe.conf of older systems. One command a line; a backslash at
/// a line's end continues it, any other vanishes; <c>#</c> begins a comment at a line's start only (modprobe.d(5); kmod's freadline_wrapped
/// and kmod_config_parse). Words end at blanks and tabs, and at nothing else. What is not changed stays byte by byte.
/// </summary>
public sealed class ModprobeFile
{
    /// <summary>One word, as modprobe reads it.</summary>
    /// <param name="Text">Without what continues lines.</param>
    /// <param name="At">Where it begins in the file's text.</param>
    /// <param name="Length">Its length there.</param>
    public readonly record struct Word(string Text, int At, int Length);

    /// <summary>One command.</summary>
    /// <param name="Path">The file that it stands in.</param>
    /// <param name="Spelled">Its words with their places: the command, its module or wildcard, the rest.</param>
    /// <param name="Line">The number of its first line, from 1.</param>
    /// <param name="At">Where it begins in the text.</param>
    /// <param name="Length">Its length with its line's end.</param>
    public sealed record Command(string Path, ImmutableArray<Word> Spelled, int Line, int At, int Length)
    {
        public ImmutableArray<string> Words { get; } = [.. Spelled.Select(word => word.Text)];

        public string Name => Words[0];

        /// <summary>Its module, with underscores: a dash means the same (modprobe.d(5)).</summary>
        public string Module => Words.Length > 1 ? Normal(Words[1]) : "";

        /// <summary>All behind the module, with single blanks between.</summary>
        public string Rest => string.Join(' ', Words.Skip(2));

        /// <summary>
        /// What <c>options</c> gives the module, as the kernel splits it: blanks within double quotes part nothing. Blanks are single here.
        /// </summary>
        public IEnumerable<Word> Options
        {
            get
            {
                for (var at = 2; at < Spelled.Length; at++)
                {
                    var first = at;
                    while (Spelled[first..(at + 1)].Sum(word => word.Text.Count(letter => letter == '"')) % 2 == 1 && at + 1 < Spelled.Length)
                        at++;
                    yield return new Word(string.Join(' ', Words[first..(at + 1)]), Spelled[first].At, Spelled[at].At + Spelled[at].Length - Spelled[first].At);
                }
            }
        }

        /// <summary>The file and the line.</summary>
        public string Place => $"{Path}, line {Line}";

        public override string ToString() => string.Join(' ', Words).TrimEnd('\r');
    }

    static readonly ImmutableHashSet<string> Known = ["alias", "blacklist", "install", "options", "remove", "softdep", "weakdep", "include", "config"];

    readonly string text;

    ModprobeFile(string path, string text)
    {
        Path = path;
        this.text = text;
        Read();
    }

    public string Path { get; }
    public ImmutableArray<Command> Commands { get; private set; } = [];
    public ImmutableArray<FileError> Errors { get; private set; } = [];

    public static ModprobeFile Parse(string path, string text) => new(path, text);

    /// <summary>A module's name as the kernel compares it.</summary>
    public static string Normal(string module) => module.Replace('-', '_');

    /// <summary>The text without a command; no other line changes.</summary>
    public string Without(Command command) => text.Remove(command.At, command.Length);

    /// <summary>The text with another word in place of one; an empty one takes it out, with the blank before it.</summary>
    public string Replace(Word word, string with)
    {
        var start = word.At;
        if (with.Length == 0 && start > 0 && text[start - 1] is ' ' or '\t')
            start--;
        return string.Concat(text.AsSpan(0, start), with, text.AsSpan(word.At + word.Length));
    }

    /// <summary>The text with something more at a word's end, within its quote where it ends in one.</summary>
    public string Insert(Word word, string more) => text.Insert(word.At + word.Length - (text[word.At + word.Length - 1] == '"' ? 1 : 0), more);

    /// <summary>The text without a part of a word, as long as that stands there once and in one piece; null where it does not.</summary>
    public string? Without(Word word, string part)
    {
        var at = text.IndexOf(part, word.At, word.Length, StringComparison.Ordinal);
        return at < 0 || part.Length == 0 || text.IndexOf(part, at + 1, word.At + word.Length - at - 1, StringComparison.Ordinal) >= 0 ? null : text.Remove(at, part.Length);
    }

    /// <summary>The text with another command behind all others.</summary>
    public string With(string line)
    {
        // A backslash at the end would take the new line for a part of the last one.
        var end = text.EndsWith('\\') ? "\n\n" : text.Length == 0 || (text.EndsWith('\n') && !text.EndsWith("\\\n", StringComparison.Ordinal)) ? "" : "\n";
        return $"{text}{end}{line}\n";
    }

    /// <summary>Where a place in the text is, for people.</summary>
    public FileError ErrorAt(int at, string what) => new(Path, text.AsSpan(0, at).Count('\n') + 1, at - (at == 0 ? -1 : text.LastIndexOf('\n', at - 1)), what);

    void Read()
    {
        var commands = ImmutableArray.CreateBuilder<Command>();
        var errors = ImmutableArray.CreateBuilder<FileError>();
        var number = 1;
        for (var at = 0; at < text.Length;)
        {
            var (start, first) = (at, number);
            List<Word> words = [];
            var word = new StringBuilder();
            var (from, to) = (-1, -1);
            // kmod joins what a backslash continues before it looks at anything, comments too.
            for (; at < text.Length && text[at] != '\n'; at++)
            {
                if (text[at] == '\\')
                {
                    if (++at >= text.Length)
                        break;
                    if (text[at] == '\n')
                    {
                        number++;
                        continue;
                    }
                }
                if (text[at] is ' ' or '\t')
                {
                    EndWord();
                    continue;
                }
                if (from < 0)
                    from = at > start && text[at - 1] == '\\' ? at - 1 : at;
                to = at + 1;
                word.Append(text[at]);
            }
            EndWord();
            if (at < text.Length)
                at++;
            number++;
            if (words.Count == 0 || words[0].Text.StartsWith('#') || words[0].Text == "\r")
                continue;
            var name = words[0].Text.TrimEnd('\r');
            if (!Known.Contains(name))
                errors.Add(ErrorAt(words[0].At, $"\"{Plain(name)}\" is no command of modprobe's: it passes over the line"));
            else if (words.Count < (name is "blacklist" or "include" or "config" ? 2 : 3))
                errors.Add(ErrorAt(words[^1].At + words[^1].Length, $"\"{Plain(string.Join(' ', words.Select(each => each.Text)))}\" ends too early: modprobe passes over the line"));
            else
                commands.Add(new Command(Path, [.. words], first, start, at - start));

            void EndWord()
            {
                if (from >= 0)
                    words.Add(new Word(word.ToString(), from, to - from));
                word.Clear();
                (from, to) = (-1, -1);
            }
        }
        Commands = commands.ToImmutable();
        Errors = errors.ToImmutable();
    }

    /// <summary>What a message quotes: its first characters, and nothing that would move the terminal's cursor.</summary>
    static string Plain(string text) => string.Concat(text.Take(60).Select(letter => letter is < ' ' or (>= '\x7f' and < '\xa0') ? '?' : letter)) + (text.Length > 60 ? "..." : "");
}
