using System.Collections.Immutable;
using System.Text;

namespace PciPass.Core.Formats;

/// <summary>
/// A file of modprobe's configuration: /etc/modprobe.d/*.conf, or /etc/modprobe.conf of older systems. One command a line; a backslash at
/// a line's end continues it; <c>#</c> begins a comment at a line's start only (modprobe.d(5)). What is not changed stays byte by byte.
/// </summary>
public sealed class ModprobeFile
{
    /// <summary>One command.</summary>
    /// <param name="Words">Its words: the command, its module or wildcard, the rest.</param>
    /// <param name="Line">The number of its first line, from 1.</param>
    /// <param name="At">Where it begins in the text.</param>
    /// <param name="Length">Its length with its line's end.</param>
    public sealed record Command(ImmutableArray<string> Words, int Line, int At, int Length)
    {
        public string Name => Words[0];

        /// <summary>Its module, with underscores: a dash means the same (modprobe.d(5)).</summary>
        public string Module => Words.Length > 1 ? Normal(Words[1]) : "";

        /// <summary>All behind the module, with single blanks between.</summary>
        public string Rest => string.Join(' ', Words.Skip(2));
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

    /// <summary>The text with another command in place of one; its own lines and no others change. An empty text takes it out.</summary>
    public string Replace(Command command, string line) => string.Concat(text.AsSpan(0, command.At), line.Length == 0 ? "" : line + "\n", text.AsSpan(command.At + command.Length));

    /// <summary>The text with another command behind all others.</summary>
    public string With(string line) => $"{text}{(text.Length == 0 || text.EndsWith('\n') ? "" : "\n")}{line}\n";

    void Read()
    {
        var commands = ImmutableArray.CreateBuilder<Command>();
        var errors = ImmutableArray.CreateBuilder<FileError>();
        var number = 1;
        for (var at = 0; at < text.Length;)
        {
            var (start, first) = (at, number);
            var line = new StringBuilder();
            // kmod joins what a backslash continues before it looks at anything, comments too.
            for (; at < text.Length; at++)
            {
                if (text[at] == '\\' && at + 1 < text.Length && text[at + 1] == '\n')
                {
                    at++;
                    number++;
                    continue;
                }
                if (text[at] == '\n')
                    break;
                line.Append(text[at]);
            }
            if (at < text.Length)
                at++;
            number++;
            var words = line.ToString().Split([' ', '\t', '\r', '\v', '\f'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0 || words[0].StartsWith('#'))
                continue;
            if (!Known.Contains(words[0]))
                errors.Add(new FileError(Path, first, line.ToString().IndexOf(words[0], StringComparison.Ordinal) + 1, $"\"{words[0]}\" is no command of modprobe's: it passes over the line"));
            else if (words.Length < (words[0] is "blacklist" or "include" or "config" ? 2 : 3))
                errors.Add(new FileError(Path, first, line.Length + 1, $"\"{string.Join(' ', words)}\" ends too early: modprobe passes over the line"));
            else
                commands.Add(new Command([.. words], first, start, at - start));
        }
        Commands = commands.ToImmutable();
        Errors = errors.ToImmutable();
    }
}
