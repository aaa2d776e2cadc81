using System.Globalization;
using System.Text;

namespace PciPass.Core;

/// <summary>
/// A whole file's bytes, as an edit has them before and after. The text is Latin-1, in which every byte is one character, so that what
/// nobody understands comes out as it went in.
/// </summary>
public sealed record FileContent
{
    readonly byte[] bytes;

    public FileContent(ReadOnlySpan<byte> bytes)
    {
        this.bytes = bytes.ToArray();
        Text = Encoding.Latin1.GetString(bytes);
        Name = NameOf(bytes);
    }

    public FileContent(string text)
        : this(Encoding.Latin1.GetBytes(text))
    {
    }

    public ReadOnlySpan<byte> Bytes => bytes;
    public string Text { get; }

    /// <summary>16 hexadecimal digits that tell contents apart in the journal, where the content itself stands as well: a check, no proof (FNV-1a, 64 bits).</summary>
    public string Name { get; }

    public bool Equals(FileContent? other) => other is not null && bytes.AsSpan().SequenceEqual(other.bytes);

    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);

    /// <summary>One line for the journal: printable ASCII as it is, <c>\n</c>, <c>\t</c>, <c>\\</c>, and all else as <c>\xNN</c>.</summary>
    public string Escaped()
    {
        var text = new StringBuilder(Text.Length + 16);
        foreach (var letter in Text)
        {
            _ = letter switch
            {
                '\n' => text.Append("\\n"),
                '\t' => text.Append("\\t"),
                '\\' => text.Append("\\\\"),
                // A tilde at the end of a journal's line means that the line was torn.
                >= ' ' and < '~' => text.Append(letter),
                _ => text.Append(CultureInfo.InvariantCulture, $"\\x{(int)letter:x2}"),
            };
        }
        // Blanks at a line's end are easily lost.
        if (text.Length > 0 && text[^1] == ' ')
            text.Remove(text.Length - 1, 1).Append("\\x20");
        return text.ToString();
    }

    /// <exception cref="FormatException">The text is not of that form.</exception>
    public static FileContent Parse(string escaped)
    {
        var text = new StringBuilder(escaped.Length);
        for (var at = 0; at < escaped.Length; at++)
        {
            if (escaped[at] != '\\')
            {
                text.Append(escaped[at] is >= ' ' and < '~' ? escaped[at] : throw new FormatException("a file's content holds a character that is not written so"));
                continue;
            }
            switch (++at < escaped.Length ? escaped[at] : '\0')
            {
                case 'n': text.Append('\n'); break;
                case 't': text.Append('\t'); break;
                case '\\': text.Append('\\'); break;
                case 'x' when at + 2 < escaped.Length && byte.TryParse(escaped.AsSpan(at + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value):
                    text.Append((char)value);
                    at += 2;
                    break;
                default: throw new FormatException("a backslash in a file's content is followed by neither n, t, x and two digits, nor another");
            }
        }
        return new FileContent(text.ToString());
    }

    static string NameOf(ReadOnlySpan<byte> bytes)
    {
        var hash = 0xcbf29ce484222325;
        foreach (var each in bytes)
            hash = (hash ^ each) * 0x100000001b3;
        return hash.ToString("x16", CultureInfo.InvariantCulture);
    }

    public override string ToString() => Name;
}
