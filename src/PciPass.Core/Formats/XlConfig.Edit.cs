namespace PciPass.Core.Formats;

// The list of functions, changed in the text: the bytes around it stay as they are.
public sealed partial class XlConfig
{
    /// <summary>The file with one more entry, behind the others, written as they are.</summary>
    /// <exception cref="FormatException">The list cannot be changed without guessing; the message says where and why.</exception>
    public string With(PciAddress address)
    {
        Demand();
        var quote = QuoteNear();
        var after = Added($"{quote}{address}{quote}");
        return Proven(after, [.. Entries.Select(entry => entry.Text), $"{address}"]);
    }

    string Added(string entry)
    {
        if (Lists.IsEmpty)
        {
            var ends = text.Length == 0 || text.EndsWith('\n');
            return $"{text}{(ends ? "" : LineEnd)}pci = [ {entry} ]{(ends ? LineEnd : "")}";
        }
        var list = Lists[^1];
        if (!list.IsWritten)
            throw new FormatException($"line {LineOf(list.Open)}: the list stands in a variable of another name");
        if (list.Items.IsEmpty)
            return AddFirst(list, entry);
        var (last, comma) = (list.Items[^1], list.Commas[^1]);
        var end = comma < 0 ? last.End : comma + 1;
        string between;
        if (!StandsAlone(list, list.Items.Length - 1))
        {
            // In one line with others: behind it, with what stands between the last two, or a blank.
            between = list.Items.Length > 1 ? text[(list.Commas[^2] + 1)..last.Start] : " ";
            if (between.AsSpan().ContainsAny('\n', '#', '\\'))
                between = " ";
        }
        else
        {
            // In a line of its own, like the last one.
            between = $"{LineEnd}{text[LineStart(last.Start)..last.Start]}";
            if (EndOfLine(end) is var lineEnd && lineEnd < list.Close)
            {
                // Behind that line's comment.
                var line = text[last.End..lineEnd];
                return comma < 0
                    ? $"{text[..last.End]},{line}{between}{entry}{text[lineEnd..]}"
                    : $"{text[..lineEnd]}{between}{entry},{text[lineEnd..]}";
            }
        }
        return comma < 0 ? text.Insert(end, $",{between}{entry}") : text.Insert(end, $"{between}{entry},");
    }

    /// <summary>The file without a function; the same text where it is not in it.</summary>
    /// <exception cref="FormatException">The list cannot be changed without guessing; the message says where and why.</exception>
    public string Without(PciAddress address)
    {
        Demand();
        var now = this;
        // More than one entry may name it; each leaves a text whose places are others.
        for (var round = 0; round < Most; round++)
        {
            if (now.FindEntry(address) is not var (list, number, entry))
                return now.text;
            if (!list.IsWritten)
                throw new FormatException($"line {now.LineOf(list.Items[number].Start)}: the list stands in a variable of another name");
            now = Parse(now.Proven(now.Remove(list, number, entry, address), [.. now.Texts(list, number, entry.Without(address.Function))]), names);
        }
        throw new FormatException($"{address} stands in it too often");
    }

    /// <summary>The file without several functions: an entry that names all functions of a device goes when none of them is to stay.</summary>
    /// <param name="addresses">The functions.</param>
    /// <param name="exists">Whether the host has a function.</param>
    /// <exception cref="FormatException">The list cannot be changed without guessing; the message says where and why.</exception>
    public string Without(IReadOnlyCollection<PciAddress> addresses, Func<PciAddress, bool> exists)
    {
        var now = this;
        foreach (var address in addresses)
        {
            if (now.FindEntry(address) is var (list, number, entry) && entry.IsEvery && list.IsWritten && entry.Functions.Where(exists).All(addresses.Contains))
            {
                now.Demand();
                now = Parse(now.Proven(now.Cut(list, number), [.. now.Texts(list, number, null)]), names);
            }
            now = Parse(now.Without(address), names);
        }
        return now.text;
    }

    void Demand()
    {
        if (Problem is ConfigProblem problem)
            throw new FormatException(problem.ToString());
    }

    (ConfigList List, int Number, PciSpecification Entry)? FindEntry(PciAddress address)
    {
        foreach (var list in Lists)
        {
            for (var number = 0; number < list.Items.Length; number++)
            {
                if (list.Items[number].Text is string written && Entry(written) is var entry && entry.Functions.Contains(address))
                    return (list, number, entry);
            }
        }
        return null;
    }

    /// <summary>The entries with one of them changed, or gone.</summary>
    IEnumerable<string> Texts(ConfigList changed, int number, string? left) =>
        from list in Lists
        from item in list.Items.Index()
        let isIt = list == changed && item.Index == number
        where !isIt || left is not null
        select isIt ? left : item.Item.Text;

    /// <summary>A text is only what it should be when it reads so: the entries that are wished, and every comment that was there.</summary>
    string Proven(string after, string[] entries)
    {
        var read = new XlConfig(after, names);
        return read.Problem is null && read.Entries.Select(entry => entry.Text).SequenceEqual(entries) && Comments(this).SequenceEqual(Comments(read))
            ? after
            : throw new FormatException($"{(Lists.IsEmpty ? "" : $"line {LineOf(Lists[^1].Open)}: ")}the list cannot be changed without touching more than it");

        static IEnumerable<string> Comments(XlConfig config) => config.lexer.Tokens.Where(token => token.Kind == PythonTokenKind.Comment).Select(token => token.Value);
    }

    string Remove(ConfigList list, int number, PciSpecification entry, PciAddress address)
    {
        var item = list.Items[number];
        string? left;
        try
        {
            left = entry.Without(address.Function);
        }
        catch (FormatException problem)
        {
            throw new FormatException($"line {LineOf(item.Start)}: {problem.Message}", problem);
        }
        if (left is null)
            return Cut(list, number);
        // Only where the string stands as it is meant can a part of it be replaced.
        var at = text.IndexOf(entry.Text, item.Start, item.End - item.Start, StringComparison.Ordinal);
        return at < 0
            ? throw new FormatException($"line {LineOf(item.Start)}: the entry '{entry.Text}' names it together with others")
            : text.Remove(at, entry.Text.Length).Insert(at, left);
    }

    /// <summary>The text without an item of a list.</summary>
    string Cut(ConfigList list, int number)
    {
        var (item, comma) = (list.Items[number], list.Commas[number]);
        // The line that adding an only entry makes goes again whole.
        var own = $"pci = [ {text[item.Start..item.End]} ]{(text.EndsWith('\n') ? LineEnd : "")}";
        if (Lists.Length == 1 && list.Items.Length == 1 && PciAddress.TryParse(item.Text, out var only) && item.End - item.Start == $"{only}".Length + 2 && text.EndsWith(own, StringComparison.Ordinal) && LineStart(item.Start) == text.Length - own.Length)
        {
            var before = text[..^own.Length];
            return text.EndsWith('\n') ? before : before.EndsWith("\r\n", StringComparison.Ordinal) ? before[..^2] : before.Length > 0 ? before[..^1] : before;
        }
        if (comma >= 0 && text.AsSpan(item.End, comma - item.End).ContainsAny('\n', '#'))
            return text.Remove(comma, 1).Remove(item.Start, item.End - item.Start);
        var end = comma < 0 ? item.End : comma + 1;
        if (list.Items.Length == 1 && !text.AsSpan(list.Open, list.Close - list.Open).ContainsAny('\n', '#'))
            return $"{text[..(list.Open + 1)]}{(text[list.Open + 1] == ' ' ? " " : "")}{text[list.Close..]}";
        if (StandsAlone(list, number))
        {
            // Its line goes whole; a comment stays, in a line of its own.
            var lineEnd = EndOfLine(end);
            var rest = text[end..lineEnd].Trim();
            if (rest.StartsWith('#'))
                return text.Remove(item.Start, text.IndexOf('#', end) - item.Start);
            if (rest.Length == 0 && lineEnd < text.Length)
                return text.Remove(LineStart(item.Start), text.IndexOf('\n', lineEnd) + 1 - LineStart(item.Start));
        }
        // With the blanks up to the next; or, where it is the last, with the comma before it.
        if (number + 1 < list.Items.Length)
        {
            var next = list.Items[number + 1].Start;
            return text.Remove(item.Start, (text.AsSpan(end, next - end).ContainsAny('\n', '#', '\\') ? end : next) - item.Start);
        }
        var from = item.Start;
        if (number > 0 && !text.AsSpan(list.Items[number - 1].End, item.Start - list.Items[number - 1].End).ContainsAny('\n', '#', '\\'))
            from = comma < 0 ? list.Items[number - 1].End : list.Commas[number - 1] + 1;
        return text.Remove(from, end - from);
    }

    string AddFirst(ConfigList list, string entry)
    {
        var inside = text[(list.Open + 1)..list.Close];
        if (!inside.Contains('\n'))
            return text.Insert(list.Open + 1, inside.Length == 0 ? entry : $" {entry}");
        // Over several lines: in one of its own before the closing bracket.
        var closing = LineStart(list.Close);
        var indentation = text[closing..list.Close];
        return indentation.Trim().Length == 0
            ? text.Insert(closing, $"{indentation}    {entry}{LineEnd}")
            : text.Insert(list.Close, $"{entry} ");
    }

    /// <summary>Whether an item begins its line, and no other item of the list is in that line.</summary>
    bool StandsAlone(ConfigList list, int number)
    {
        var item = list.Items[number];
        return text[LineStart(item.Start)..item.Start].Trim().Length == 0
            && (number + 1 == list.Items.Length || text.IndexOf('\n', item.End, list.Items[number + 1].Start - item.End) >= 0);
    }

    int LineStart(int position) => text.LastIndexOf('\n', Math.Max(position - 1, 0), Math.Max(position, 0)) + 1;

    /// <summary>Where a line's end begins; the end of the text for the last.</summary>
    int EndOfLine(int position)
    {
        var end = text.IndexOf('\n', position);
        return end < 0 ? text.Length : end > position && text[end - 1] == '\r' ? end - 1 : end;
    }

    string LineEnd => text.IndexOf('\n') is var first && first > 0 && text[first - 1] == '\r' ? "\r\n" : "\n";

    /// <summary>The quote of the last entry; without one, that of the first string in the file.</summary>
    char QuoteNear()
    {
        var near = Items.LastOrDefault(item => item.Start < text.Length && text[item.Start] is '"' or '\'');
        if (near is not null)
            return text[near.Start];
        var any = tokens.FirstOrDefault(token => token.Kind == PythonTokenKind.String && text[token.Start] is '"' or '\'');
        return any.End > 0 ? text[any.Start] : '\'';
    }
}
