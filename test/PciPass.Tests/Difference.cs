namespace PciPass.Tests;

/// <summary>The lines in which two texts differ.</summary>
static class Difference
{
    public static string Of(string expected, string actual)
    {
        string[] before = expected.Split('\n'), now = actual.Split('\n');
        return string.Join('\n', before.Except(now).Select(line => $"- {line}").Concat(now.Except(before).Select(line => $"+ {line}")));
    }
}
