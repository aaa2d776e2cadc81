namespace PciPass.Core.Formats;

/// <summary>What a token of a configuration file in Python's syntax is.</summary>
enum PythonTokenKind
{
    Name,
    Number,
    String,
    Operator,

    /// <summary>The end of a line that no bracket or backslash carries on.</summary>
    Newline,
    Comment,

    /// <summary>A string that nothing closes.</summary>
    Unclosed,
}

/// <summary>A token, with its place in the text.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Start">Where it begins.</param>
/// <param name="End">Behind its end.</param>
/// <param name="Line">The line that it begins in, from 1.</param>
/// <param name="Value">A string's value; else the text itself.</param>
readonly record struct PythonToken(PythonTokenKind Kind, int Start, int End, int Line, string Value)
{
    public bool Is(string value) => Kind is PythonTokenKind.Operator or PythonTokenKind.Name && Value == value;
}
