using System.Collections.Immutable;

namespace PciPass.Core.Formats;

/// <summary>
/// What an xl or xm configuration file says of a guest and its functions, and the same file with a function more or less. Both kinds are
/// assignments in Python's syntax: xl takes strings, numbers and lists of them (xl.cfg(5), libxlu_cfg_y.y), xm ran the file as a Python
/// program. Of that, strings, lists, tuples, sums of them and variables that hold them are followed; what may set a value in another way is told, and
/// the value then counts as not known. Nothing but the list of functions is ever changed, and every other byte stays.
/// </summary>
public sealed partial class XlConfig
{
    /// <summary>What opens a block in Python.</summary>
    static readonly string[] Openers = ["if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class"];

    /// <summary>The settings that concern functions, besides <c>pci</c> itself.</summary>
    static readonly string[] Watched = ["pci", "name", "type", "builder", "e820_host", "passthrough", "pci_permissive", "pci_msitranslate", "pci_seize", "pci_power_mgmt", "gfx_passthru", "rdm"];

    /// <summary>No guest needs more; what goes beyond is not understood, so that a hostile file takes no time.</summary>
    const int Most = 4096, Deepest = 32;

    readonly string text;
    readonly IReadOnlyDictionary<string, PciAddress> names;
    readonly PythonLexer lexer;
    readonly ImmutableArray<PythonToken> tokens;
    readonly Dictionary<string, ConfigValue> values = new(StringComparer.Ordinal);
    readonly Dictionary<string, ConfigProblem> unknown = new(StringComparer.Ordinal);
    readonly List<PciSpecification> mayMean = [];
    ConfigProblem? grammarProblem;

    XlConfig(string text, IReadOnlyDictionary<string, PciAddress> names)
    {
        this.text = text;
        this.names = names;
        lexer = PythonLexer.Read(text);
        tokens = [.. lexer.Tokens.Where(token => token.Kind != PythonTokenKind.Comment)];
        ReadStatements();
        if (lexer.OpenBracketLine is int open)
            Unknown("pci", new ConfigProblem(open, "a bracket is opened that nothing closes"));
        Entries = [.. Items.Where(item => item.Text is not null).Select(item => Entry(item.Text!))];
    }

    /// <param name="text">The file.</param>
    /// <param name="names">The functions that have names (<c>xl pci-assignable-add -n</c>).</param>
    public static XlConfig Parse(string text, IReadOnlyDictionary<string, PciAddress>? names = null) => new(text, names ?? ImmutableDictionary<string, PciAddress>.Empty);

    /// <summary>The file as it was read.</summary>
    public string Text => text;

    /// <summary>The guest's name; null where the file has none, or works it out.</summary>
    public string? Name => Setting("name");

    /// <summary>The entries of its <c>pci</c> list that count in the end.</summary>
    public ImmutableArray<PciSpecification> Entries { get; }

    /// <summary>The functions that the file gives to its guest, or may give to it where it decides only as it runs.</summary>
    public IEnumerable<PciAddress> Functions => Entries.Concat(mayMean).SelectMany(entry => entry.Functions).Distinct();

    /// <summary>Entries of the list that are no PCI specification.</summary>
    public IEnumerable<string> NotUnderstood => Entries.Where(entry => entry.IsUnclear).Select(entry => entry.Text);

    /// <summary>Why the list of functions cannot be known or changed; null where it can.</summary>
    public ConfigProblem? Problem =>
        unknown.GetValueOrDefault("pci")
        ?? (values.TryGetValue("pci", out var value) && value.Lists.IsDefault ? new ConfigProblem(LineOf(value.Start), "pci is a single value, where a list is wanted") : null)
        ?? (Items.FirstOrDefault(item => item.Text is null) is ConfigValue odd ? new ConfigProblem(LineOf(odd.Start), $"the entry {text[odd.Start..odd.End]} is worked out") : null);

    /// <summary>The first place that xl does not take: it then reads nothing of the file. xm took all of Python. Null where xl takes all.</summary>
    public ConfigProblem? XlProblem =>
        grammarProblem is null || lexer.XlProblem is ConfigProblem lexical && lexical.Line <= grammarProblem.Line ? lexer.XlProblem : grammarProblem;

    /// <summary>The value of a setting that concerns functions, as text; null where the file does not say, or works it out.</summary>
    public string? Setting(string name) => values.GetValueOrDefault(name)?.Text;

    /// <summary>An option of an entry: its own, or the one for all (<c>pci_permissive</c> and the like); null where neither is given.</summary>
    public string? Option(PciSpecification entry, string key) => entry.Option(key) ?? Setting($"pci_{key}");

    /// <summary>The lists that make up <c>pci</c>; none where it is not set, or to no list.</summary>
    ImmutableArray<ConfigList> Lists => values.GetValueOrDefault("pci") is { Lists.IsDefault: false } value ? value.Lists : [];

    IEnumerable<ConfigValue> Items => Lists.SelectMany(list => list.Items);

    PciSpecification Entry(string written) => PciSpecification.Parse(written) is { Name: string name } entry && names.TryGetValue(name, out var address)
        ? entry.NamedAs(address)
        : PciSpecification.Parse(written);

    // ---- statements -----------------------------------------------------------------------------------------------------------------

    void ReadStatements()
    {
        // The indentation and keyword of the block that a line is in; none outside of all.
        (int Indentation, string Keyword, int Line)? block = null;
        for (var at = 0; at < tokens.Length;)
        {
            var end = at;
            while (end < tokens.Length && tokens[end].Kind != PythonTokenKind.Newline)
                end++;
            if (end > at)
            {
                var indentation = IndentationOf(tokens[at].Start);
                if (block is var (depth, _, _) && indentation <= depth)
                    block = null;
                if (block is null && tokens[at].Kind == PythonTokenKind.Name && Openers.Contains(tokens[at].Value) && !IsAssignment(at, end))
                    block = (indentation, tokens[at].Value, tokens[at].Line);
                if (block is var (_, keyword, line))
                    InBlock(at, end, keyword, line);
                else
                    ReadLine(at, end);
            }
            at = end + 1;
        }
    }

    /// <summary>One line, or several that brackets join; semicolons separate statements in it.</summary>
    void ReadLine(int from, int to)
    {
        var depth = 0;
        for (var (at, start) = (from, from); at <= to; at++)
        {
            if (at < to && tokens[at].Kind == PythonTokenKind.Operator)
                depth += tokens[at].Value is "[" or "(" or "{" ? 1 : tokens[at].Value is "]" or ")" or "}" ? -1 : 0;
            if (at == to || (depth == 0 && tokens[at].Is(";")))
            {
                if (at > start)
                    ReadStatement(start, at);
                start = at + 1;
            }
        }
    }

    bool IsAssignment(int at, int end) => at + 1 < end && tokens[at].Kind == PythonTokenKind.Name && tokens[at + 1].Is("=");

    void ReadStatement(int from, int to)
    {
        var first = tokens[from];
        var adds = from + 1 < to && tokens[from + 1].Is("+=");
        if (!adds && !IsAssignment(from, to))
        {
            NotXls(first, $"{first.Value} begins no assignment");
            MayChange(from, to);
            return;
        }
        var at = from + 2;
        var value = ReadValue(ref at, to, 0);
        if (value is null || at < to || value.IsUnclear)
        {
            NotXls(first, $"the value of {first.Value} is none that xl knows");
            // a = b = [...] sets both.
            foreach (var name in tokens[from..to].Where(token => token.Kind == PythonTokenKind.Name && (token.Value == first.Value || (token.End < text.Length && IsTarget(token)))).Select(token => token.Value).Distinct(StringComparer.Ordinal))
                Unknown(name, new ConfigProblem(first.Line, $"{name} is worked out"), from, to);
            return;
        }
        if (adds && unknown.TryGetValue(first.Value, out var why))
        {
            Unknown(first.Value, why, from, to);
            return;
        }
        if (adds && values.TryGetValue(first.Value, out var before))
        {
            value = Join(before, value);
            if (value.IsUnclear)
            {
                Unknown(first.Value, new ConfigProblem(first.Line, $"a list and a string are joined in {first.Value}"), from, to);
                return;
            }
        }
        values[first.Value] = value;
        unknown.Remove(first.Value);
        if (first.Value == "pci")
            mayMean.Clear();

        bool IsTarget(PythonToken token) => text.AsSpan(token.End).TrimStart(' ') is ['=', not '=', ..];
    }

    /// <summary>A line in a block runs or does not, once or many times.</summary>
    void InBlock(int from, int to, string keyword, int line)
    {
        NotXls(tokens[from], "Python's blocks are none of xl's");
        // What a function assigns is its own, unless it says otherwise.
        if (keyword is "def" or "class" && !tokens[from..to].Any(token => token.Is("global")))
            return;
        foreach (var name in Names(from, to))
            Unknown(name, new ConfigProblem(tokens[from].Line, $"{name} is set or used within the \"{keyword}\" of line {line}"), from, to);
    }

    /// <summary>A statement that is no assignment: one that names a variable may change it, and one that runs another text may change all.</summary>
    void MayChange(int from, int to)
    {
        var first = tokens[from].Value;
        if (first is "execfile" or "exec" || (first == "from" && tokens[from..to].Any(token => token.Is("*"))))
        {
            foreach (var name in Watched)
                Unknown(name, new ConfigProblem(tokens[from].Line, $"{first} may set {name}"), from, to);
            return;
        }
        foreach (var name in Names(from, to))
            Unknown(name, new ConfigProblem(tokens[from].Line, $"{first} may change {name}"), from, to);
    }

    /// <summary>The variables that some tokens name, <c>pci.append</c> and the like among them.</summary>
    IEnumerable<string> Names(int from, int to) => tokens[from..to]
        .Where(token => token.Kind == PythonTokenKind.Name)
        .Select(token => token.Value.Split('.')[0])
        .Where(name => Watched.Contains(name) || values.ContainsKey(name))
        .Distinct(StringComparer.Ordinal);

    /// <summary>From here on the variable's value is not known. What strings stand there may be meant.</summary>
    void Unknown(string name, ConfigProblem why, int from = 0, int to = 0)
    {
        if (name == "pci")
        {
            foreach (var token in tokens[from..to].Where(token => token.Kind == PythonTokenKind.String))
                mayMean.Add(Entry(token.Value));
            // What it held before may still be in it, or not.
            mayMean.AddRange(Items.Where(item => item.Text is not null).Select(item => Entry(item.Text!)));
        }
        values.Remove(name);
        unknown[name] = why;
    }

    void NotXls(PythonToken token, string what) => grammarProblem ??= new ConfigProblem(token.Line, what);

    // ---- values ---------------------------------------------------------------------------------------------------------------------

    /// <summary>A string, number, list or variable, or a sum of such.</summary>
    /// <returns>Null where there is none.</returns>
    ConfigValue? ReadValue(ref int at, int to, int depth)
    {
        var value = ReadTerm(ref at, to, depth);
        while (value is not null && at < to && tokens[at].Is("+"))
        {
            at++;
            value = ReadTerm(ref at, to, depth) is ConfigValue more ? Join(value, more) with { End = more.End } : null;
        }
        return value;
    }

    static ConfigValue Join(ConfigValue first, ConfigValue second) =>
        first.Text is not null && second.Text is not null && first.Text.Length + second.Text.Length <= Most ? first with { Text = first.Text + second.Text }
            : !first.Lists.IsDefault && !second.Lists.IsDefault && first.Lists.Length + second.Lists.Length <= Most ? first with { Lists = [.. first.Lists, .. second.Lists] }
            : new ConfigValue(first.Start, first.End, null);

    ConfigValue? ReadTerm(ref int at, int to, int depth)
    {
        if (at >= to)
            return null;
        var first = tokens[at];
        switch (first.Kind)
        {
            case PythonTokenKind.String:
                // Strings side by side are one.
                var start = at;
                while (at < to && tokens[at].Kind == PythonTokenKind.String)
                    at++;
                if (at > start + 1)
                    NotXls(tokens[start + 1], "xl takes no two strings side by side");
                return new ConfigValue(first.Start, tokens[at - 1].End, string.Concat(tokens[start..at].Select(token => token.Value)));
            case PythonTokenKind.Number:
                at++;
                return new ConfigValue(first.Start, first.End, first.Value);
            case PythonTokenKind.Name:
                NotXls(first, $"xl takes no variable as a value, as {first.Value} is");
                at++;
                return first.Value is "True" or "False" or "None" ? new ConfigValue(first.Start, first.End, first.Value)
                    : values.TryGetValue(first.Value, out var known) ? known with { Start = first.Start, End = first.End, Lists = known.Lists.IsDefault ? default : [.. known.Lists.Select(list => list with { IsWritten = false })] }
                    : new ConfigValue(first.Start, first.End, null);
            case PythonTokenKind.Operator when first.Value is "[" or "(":
                return depth > Deepest ? null : ReadList(ref at, to, depth + 1);
            default:
                return null;
        }
    }

    ConfigValue? ReadList(ref int at, int to, int depth)
    {
        var open = tokens[at];
        var close = open.Value == "[" ? "]" : ")";
        var items = ImmutableArray.CreateBuilder<ConfigValue>();
        var commas = ImmutableArray.CreateBuilder<int>();
        for (at++; at < to && !tokens[at].Is(close);)
        {
            var start = at;
            var item = ReadValue(ref at, to, depth);
            if (item is null || (at < to && !tokens[at].Is(",") && !tokens[at].Is(close)))
            {
                // Passed over, up to the comma or bracket that ends it.
                var inner = 0;
                for (at = start; at < to; at++)
                {
                    if (inner == 0 && (tokens[at].Is(",") || tokens[at].Is(close)))
                        break;
                    inner += tokens[at].Is("[") || tokens[at].Is("(") || tokens[at].Is("{") ? 1 : tokens[at].Is("]") || tokens[at].Is(")") || tokens[at].Is("}") ? -1 : 0;
                }
                if (at == start)
                    return null;
                NotXls(tokens[start], "a list holds strings and numbers");
                item = new ConfigValue(tokens[start].Start, tokens[at - 1].End, null);
            }
            items.Add(item);
            var hasComma = at < to && tokens[at].Is(",");
            commas.Add(hasComma ? tokens[at].Start : -1);
            at += hasComma ? 1 : 0;
        }
        if (at >= to)
            return null;
        var end = tokens[at++];
        // Brackets alone make no tuple: ('a') is a string.
        return open.Value == "(" && items.Count == 1 && commas[0] < 0
            ? items[0] with { Start = open.Start, End = end.End }
            : new ConfigValue(open.Start, end.End, null, [new ConfigList(items.ToImmutable(), open.Start, end.Start, commas.ToImmutable())]);
    }

    int IndentationOf(int position)
    {
        var start = position;
        while (start > 0 && text[start - 1] is ' ' or '\t')
            start--;
        return position - start;
    }

    int LineOf(int position) => 1 + text.AsSpan(0, position).Count('\n');
}
