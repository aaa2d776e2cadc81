using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>What tests demand of a command's end; what fails shows the command with all that it printed.</summary>
static class LabResult
{
    public static Result Exits(this Result result, int code)
    {
        Assert.True(result.ExitCode == code, $"expected exit code {code}:\n{result}");
        return result;
    }

    /// <summary>Its stdout or stderr holds these words.</summary>
    public static Result Says(this Result result, params string[] words)
    {
        foreach (var word in words)
            Assert.True(result.Stdout.Contains(word, StringComparison.Ordinal) || result.Stderr.Contains(word, StringComparison.Ordinal), $"expected \"{word}\":\n{result}");
        return result;
    }

    public static Result SaysNot(this Result result, string word)
    {
        Assert.False(result.Stdout.Contains(word, StringComparison.Ordinal) || result.Stderr.Contains(word, StringComparison.Ordinal), $"unexpected \"{word}\":\n{result}");
        return result;
    }
}
