using System.Collections.Immutable;
using System.Text;

namespace PciPass.Core.Formats;

/// <summary>
/// What an xl or xm configuration file says of a guest's name and its functions. Both are assignments of strings and lists in
/// Python's syntax (xl.cfg(5)); what is neither <c>name</c> nor <c>pci</c> is passed over.
/// </summary>
/// <param name="Name">The guest's name; null where the file has none.</param>
/// <param name="Functions">The functions of its <c>pci</c> list, with <c>*</c> and ranges spelled out as all that may be meant.</param>
/// <param name="NotUnderstood">Entries of the list that are no PCI specification.</param>
public sealed record XlConfig(string? Name, ImmutableArray<PciAddress> Functions, ImmutableArray<string> NotUnderstood)
{
    public static XlConfig Parse(string text)
    {
        string? name = null;
        var functions = ImmutableArray.CreateBuilder<PciAddress>();
        var notUnderstood = ImmutableArray.CreateBuilder<string>();
        foreach (var (key, values) in Assignments(text))
        {
            if (key == "name" && values.Count > 0)
            {
                name = values[0];
            }
            else if (key == "pci")
            {
                // A later assignment replaces an earlier one, as in Python.
                functions.Clear();
                notUnderstood.Clear();
                foreach (var value in values)
                {
                    var found = Specification(value);
                    if (found.Count == 0)
                        notUnderstood.Add(value);
                    functions.AddRange(found);
                }
            }
        }
        return new XlConfig(name, functions.ToImmutable(), notUnderstood.ToImmutable());
    }

    /// <summary>
    /// The functions that a PCI specification names (xl-pci-configuration(5)): <c>[DDDD:]BB:SS.F[@VSLOT][,KEY=VALUE]*</c>, or
    /// <c>bdf=</c> among the keys; F may be <c>*</c>, and in xm's files a list or range such as <c>0-3</c>.
    /// </summary>
    static List<PciAddress> Specification(string text)
    {
        List<PciAddress> found = [];
        foreach (var part in text.Split(','))
        {
            var bdf = part.Trim();
            if (bdf.StartsWith("bdf=", StringComparison.Ordinal))
                bdf = bdf[4..];
            var at = bdf.IndexOf('@');
            if (at >= 0)
                bdf = bdf[..at];
            var dot = bdf.LastIndexOf('.');
            if (dot < 0)
                continue;
            if (PciAddress.TryParse(bdf, out var one))
            {
                found.Add(one);
            }
            else if (PciAddress.TryParse($"{bdf[..dot]}.0", out var first))
            {
                var (from, to) = bdf[(dot + 1)..] switch
                {
                    "*" => (0, 7),
                    [>= '0' and <= '7' and var low, '-', >= '0' and <= '7' and var high] => (low - '0', high - '0'),
                    _ => (0, -1),
                };
                for (var function = from; function <= to; function++)
                    found.Add(new PciAddress(first.Segment, first.Bus, first.Device, function));
            }
        }
        return found;
    }

    static IEnumerable<(string Key, List<string> Values)> Assignments(string text)
    {
        var at = 0;
        while (at < text.Length)
        {
            var lineEnd = text.IndexOf('\n', at);
            if (lineEnd < 0)
                lineEnd = text.Length;
            var equals = text.IndexOf('=', at, lineEnd - at);
            var key = equals < 0 ? "" : text[at..equals].Trim().TrimEnd('+').Trim();
            if (key.Length == 0 || !key.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '_'))
            {
                at = lineEnd + 1;
                continue;
            }
            at = equals + 1;
            yield return (key, Values(text, ref at));
        }
    }

    /// <summary>The strings of a value, up to the end of its line or, in a list, up to the closing bracket.</summary>
    static List<string> Values(string text, ref int at)
    {
        List<string> values = [];
        var depth = 0;
        for (; at < text.Length; at++)
        {
            switch (text[at])
            {
                case '#':
                    while (at < text.Length && text[at] != '\n')
                        at++;
                    at--;
                    break;
                case '[' or '(':
                    depth++;
                    break;
                case ']' or ')':
                    depth--;
                    break;
                case '\n' when depth <= 0:
                    at++;
                    return values;
                case '"' or '\'':
                    values.Add(Quoted(text, ref at));
                    break;
            }
        }
        return values;
    }

    static string Quoted(string text, ref int at)
    {
        var quote = text[at];
        var value = new StringBuilder();
        for (at++; at < text.Length && text[at] != quote && text[at] != '\n'; at++)
        {
            if (text[at] == '\\' && at + 1 < text.Length)
                at++;
            value.Append(text[at]);
        }
        // An unclosed string ends with its line, which is left for the caller to see.
        if (at < text.Length && text[at] == '\n')
            at--;
        return value.ToString();
    }
}
