using System.Buffers;
using System.Collections.Immutable;
using System.Text;

namespace PciPass.Core.Formats;

/// <summary>
/// Takes apart a text in Python's syntax, as far as configuration files use it, and notes where xl's own smaller syntax
/// (libxlu_cfg_l.l) would stop.
/// </summary>
sealed class PythonLexer
{
    static readonly SearchValues<char> XlNumber = SearchValues.Create("0123456789abcdefx"), Prefix = SearchValues.Create("rRuUbB");

    readonly string text;
    readonly ImmutableArray<PythonToken>.Builder tokens = ImmutableArray.CreateBuilder<PythonToken>();
    readonly Stack<int> brackets = new();
    int at;
    int line = 1;

    PythonLexer(string text) => this.text = text;

    /// <summary>The first place that xl's lexer does not take; null where it takes all.</summary>
    public ConfigProblem? XlProblem { get; private set; }

    /// <summary>The line of a bracket that nothing closes; null where there is none.</summary>
    public int? OpenBracketLine => brackets.Count > 0 ? brackets.Last() : null;

    public ImmutableArray<PythonToken> Tokens { get; private set; }

    public static PythonLexer Read(string text)
    {
        var lexer = new PythonLexer(text);
        lexer.ReadAll();
        lexer.Tokens = lexer.tokens.ToImmutable();
        return lexer;
    }

    void ReadAll()
    {
        while (at < text.Length)
        {
            var letter = text[at];
            switch (letter)
            {
                case '\n':
                    if (brackets.Count == 0)
                        Add(PythonTokenKind.Newline, at + 1);
                    else
                        at++;
                    line++;
                    break;
                case ' ' or '\t':
                    at++;
                    break;
                case '\r' or '\f':
                    NotForXl(letter == '\r' ? "carriage return" : "form feed");
                    at++;
                    break;
                case '\\' when IsLineEnd(at + 1):
                    NotForXl("backslash at a line's end");
                    at = text.IndexOf('\n', at) + 1;
                    line++;
                    break;
                case '#':
                    Comment();
                    break;
                case '"' or '\'':
                    String(at);
                    break;
                case var _ when char.IsAsciiDigit(letter):
                    Word(PythonTokenKind.Number);
                    break;
                case var _ when char.IsAsciiLetter(letter) || letter == '_':
                    Name();
                    break;
                default:
                    Operator(letter);
                    break;
            }
        }
    }

    bool IsLineEnd(int from) => text.AsSpan(from).StartsWith("\n", StringComparison.Ordinal) || text.AsSpan(from).StartsWith("\r\n", StringComparison.Ordinal);

    void Add(PythonTokenKind kind, int end, string? value = null, int? from = null, int? fromLine = null)
    {
        var start = from ?? at;
        tokens.Add(new PythonToken(kind, start, end, fromLine ?? line, value ?? text[start..end]));
        at = end;
    }

    void NotForXl(string what) => XlProblem ??= new ConfigProblem(line, $"xl takes no {what} here");

    void Comment()
    {
        var end = text.IndexOf('\n', at);
        if (end < 0)
            NotForXl("comment without a line's end");
        else if (text[end - 1] == '\r')
            end--;
        Add(PythonTokenKind.Comment, end < 0 ? text.Length : end);
        // xl's comment takes the carriage return along.
        if (at < text.Length && text[at] == '\r')
            at++;
    }

    void Word(PythonTokenKind kind)
    {
        var end = at;
        while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] is '_' or '.'))
            end++;
        if (kind == PythonTokenKind.Number ? text.AsSpan(at, end - at).ContainsAnyExcept(XlNumber) : !char.IsAsciiLetterLower(text[at]) || text.AsSpan(at, end - at).ContainsAnyInRange('A', 'Z'))
            NotForXl($"{text[at..end]}");
        Add(kind, end);
    }

    void Name()
    {
        var end = at;
        while (end < text.Length && char.IsAsciiLetter(text[end]))
            end++;
        // r'...', u'...', b'...', and two of them together.
        if (end - at <= 2 && end < text.Length && text[end] is '"' or '\'' && !text.AsSpan(at, end - at).ContainsAnyExcept(Prefix))
        {
            NotForXl($"{text[at..end]} before a string");
            String(end, isRaw: text.AsSpan(at, end - at).ContainsAny('r', 'R'));
        }
        else
        {
            Word(PythonTokenKind.Name);
        }
    }

    void Operator(char letter)
    {
        if (letter is '[' or '(' or '{')
            brackets.Push(line);
        else if (letter is ']' or ')' or '}' && brackets.Count > 0)
            brackets.Pop();
        var two = at + 1 < text.Length && text[at + 1] == '=' && letter is '+' or '-' or '*' or '/' or '%' or '&' or '|' or '^' or '<' or '>' or '!' or '=';
        if (two ? letter != '+' : letter is not ('[' or ']' or ',' or '=' or ';'))
            NotForXl($"{(letter is > ' ' and <= '~' ? letter : $"byte {(int)letter:x2}")}");
        Add(PythonTokenKind.Operator, at + (two ? 2 : 1));
    }

    /// <param name="quoteAt">Where its quote is, behind a prefix.</param>
    /// <param name="isRaw">Whether backslashes mean themselves.</param>
    void String(int quoteAt, bool isRaw = false)
    {
        var (start, firstLine) = (at, line);
        var quote = text[quoteAt];
        var isLong = quoteAt + 2 < text.Length && text[quoteAt + 1] == quote && text[quoteAt + 2] == quote;
        if (isLong)
            NotForXl("triple quote");
        var value = new StringBuilder();
        var end = quoteAt + (isLong ? 3 : 1);
        while (end < text.Length && (isLong || text[end] != '\n'))
        {
            if (text[end] == quote && (!isLong || (end + 2 < text.Length && text[end + 1] == quote && text[end + 2] == quote)))
            {
                Add(PythonTokenKind.String, end + (isLong ? 3 : 1), value.ToString(), start, firstLine);
                return;
            }
            if (text[end] == '\\' && end + 1 < text.Length)
                end += isRaw ? Raw(end, value) : Escape(end, value);
            else
                value.Append(text[end++]);
            if (text[end - 1] == '\n')
                line++;
        }
        // Its line's end stays for the others to see.
        NotForXl("string that nothing closes");
        Add(PythonTokenKind.Unclosed, end, value.ToString(), start, firstLine);
    }

    int Raw(int from, StringBuilder value)
    {
        value.Append(text, from, 2);
        return 2;
    }

    /// <returns>How many characters it takes.</returns>
    int Escape(int from, StringBuilder value)
    {
        var letter = text[from + 1];
        switch (letter)
        {
            case '\\' or '\'' or '"': value.Append(letter); return 2;
            case 'a': value.Append('\a'); return 2;
            case 'b': value.Append('\b'); return 2;
            case 'f': value.Append('\f'); return 2;
            case 'n': value.Append('\n'); return 2;
            case 'r': value.Append('\r'); return 2;
            case 't': value.Append('\t'); return 2;
            case 'v': value.Append('\v'); return 2;
            case '\n':
                NotForXl("backslash at a line's end");
                return 2;
            case 'x' when from + 3 < text.Length && char.IsAsciiHexDigit(text[from + 2]) && char.IsAsciiHexDigit(text[from + 3]):
                // xl reads such escapes, and forgets the character (libxlu_cfg.c): what is meant is told by Python alone.
                NotForXl("number behind a backslash");
                value.Append((char)Convert.ToByte(text.Substring(from + 2, 2), 16));
                return 4;
            case >= '0' and <= '7':
                NotForXl("number behind a backslash");
                var (number, digits) = (0, 0);
                for (; digits < 3 && from + 1 + digits < text.Length && text[from + 1 + digits] is >= '0' and <= '7'; digits++)
                    number = (number * 8) + text[from + 1 + digits] - '0';
                value.Append((char)(number & 0xff));
                return 1 + digits;
            default:
                NotForXl($"{(letter is > ' ' and <= '~' ? letter : '?')} behind a backslash");
                value.Append('\\');
                return 1;
        }
    }
}
