using System.Text.RegularExpressions;

namespace PciPass.Lab;

/// <summary>The demonstration's transcript in the README: put there by the demonstration, and compared with it by a test.</summary>
public static partial class Transcript
{
    const string Begin = "<!-- transcript: written by ./build demo --readme -->\n```\n",
        End = "```\n<!-- end of transcript -->";

    /// <summary>The transcript in a README.</summary>
    /// <exception cref="LabException">It has none.</exception>
    public static string In(string readme)
    {
        var (from, to) = Find(readme);
        return readme[from..to];
    }

    /// <summary>The README with another transcript.</summary>
    /// <exception cref="LabException">It has none to replace.</exception>
    public static string Replace(string readme, string transcript)
    {
        var (from, to) = Find(readme);
        return readme[..from] + transcript.TrimEnd('\n') + "\n" + readme[to..];
    }

    /// <summary>The transcript without what differs from run to run: the time of day, and how long a ping took.</summary>
    public static string WithoutTimes(string transcript) =>
        RoundTrips().Replace(TimesOfDay().Replace(transcript, "(time of day)"), "(ms)").TrimEnd('\n');

    static (int From, int To) Find(string readme)
    {
        var from = readme.IndexOf(Begin, StringComparison.Ordinal);
        var to = from < 0 ? -1 : readme.IndexOf(End, from, StringComparison.Ordinal);
        return to >= 0 ? (from + Begin.Length, to) : throw new LabException("README.md has no place for the transcript");
    }

    [GeneratedRegex(@"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex TimesOfDay();

    [GeneratedRegex(@"[\d.]+(/[\d.]+)* ms", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex RoundTrips();
}
