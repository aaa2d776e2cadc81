namespace PciPass.Cli;

/// <summary>Where a command writes: its result to one stream, progress and errors to the other.</summary>
/// <param name="Output">The result.</param>
/// <param name="Errors">Progress, warnings and errors.</param>
/// <param name="HasColour">Whether <paramref name="Errors"/> may be coloured.</param>
public sealed record Terminal(TextWriter Output, TextWriter Errors, bool HasColour)
{
    /// <summary>This process' streams (.NET's own writer for the output hands on 256 characters at a time); colour only on a terminal, and never where NO_COLOR is set (no-color.org).</summary>
    public static Terminal OfThisProcess() => new(new PatientWriter(new StreamWriter(Console.OpenStandardOutput(), bufferSize: 64 * 1024) { AutoFlush = true }), new PatientWriter(Console.Error),
        !Console.IsErrorRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) && Environment.GetEnvironmentVariable("TERM") is not (null or "dumb"));

    public string Red(string text) => HasColour ? $"\e[1;31m{text}\e[0m" : text;

    public string Yellow(string text) => HasColour ? $"\e[1;33m{text}\e[0m" : text;
}
