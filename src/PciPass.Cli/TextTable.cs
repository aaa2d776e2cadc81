namespace PciPass.Cli;

/// <summary>
/// Columns that line up; the last one is as wide as it likes. (A table library draws frames, measures the terminal and wraps: in
/// a pipe none of that is wanted.)
/// </summary>
sealed class TextTable(params string[] head)
{
    readonly List<string[]> rows = [head];

    public void Add(params string[] row) => rows.Add(row);

    public void WriteTo(TextWriter output)
    {
        var widths = Enumerable.Range(0, head.Length - 1).Select(column => rows.Max(row => row[column].Length)).ToArray();
        foreach (var row in rows)
            output.WriteLine((string.Concat(widths.Select((width, column) => row[column].PadRight(width + 2))) + row[^1]).TrimEnd());
    }
}
