using System.Text;

namespace PciPass.Cli;

/// <summary>
/// Columns that line up; the last one is as wide as it likes. (A table library draws frames, measures the terminal and wraps: in
/// a pipe none of that is wanted.)
/// </summary>
sealed class TextTable(params string[] head)
{
    const int Batch = 32 * 1024;

    readonly List<string[]> rows = [head];

    /// <summary>Adds a row. What goes beyond the last column is printed right behind it.</summary>
    public void Add(params string[] row) => rows.Add(row);

    public void WriteTo(TextWriter output)
    {
        var widths = Enumerable.Range(0, head.Length - 1).Select(column => rows.Max(row => row[column].Length)).ToArray();
        // Many lines for each write: thousands of small ones would cost more than all the rest.
        var text = new StringBuilder();
        foreach (var row in rows)
        {
            for (var column = 0; column < widths.Length; column++)
                text.Append(row[column]).Append(' ', widths[column] + 2 - row[column].Length);
            foreach (var piece in row.AsSpan(widths.Length))
                text.Append(piece);
            while (text.Length > 0 && text[^1] == ' ')
                text.Length--;
            text.Append('\n');
            if (text.Length > Batch)
            {
                output.Write(text.ToString());
                text.Clear();
            }
        }
        // Not the builder itself: each of its chunks would be a write of its own.
        output.Write(text.ToString());
    }
}
