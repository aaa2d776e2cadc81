using System.Text;
using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>
/// What ssh really does with a command for another host, as far as the move of a guest depends on it. The other host, <c>other</c>, has a
/// program <c>lab-words</c>: it prints each of its words in brackets and its input in base64, says "told" among its errors, and ends with 3.
/// </summary>
public abstract class SshContract
{
    protected const string Input = "/tmp/ssh-input";

    /// <summary>All that could be lost on the way: a NUL, line ends of another system, ssh's own escape, an end of file, no end of line.</summary>
    protected const string Content = "\0\u0001\u00e9\r\n~.\n\u0004\u007f";

    protected abstract HostSystem Host { get; }

    ProgramResult Ssh(string? input, params string[] words) => Host.Run("ssh", ["-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "--", .. words], TimeSpan.FromMinutes(2), input);

    [Fact]
    public void Words_are_joined_by_blanks_and_taken_apart_again_by_a_shell_there() =>
        Assert.Equal("[one][two][three][four/5-6_7.8:9,0]\n\n", Ssh(null, "other", "lab-words", "one two", "three", "four/5-6_7.8:9,0").Output);

    [Fact]
    public void The_commands_end_is_that_of_ssh_and_its_errors_come_apart_from_its_output() =>
        Assert.Equal((3, "[x]\n\n", "told\n"), Ssh(null, "other", "lab-words", "x") is var result ? (result.ExitCode, result.Output, result.Errors) : default);

    [Fact]
    public void A_file_comes_as_the_commands_input_byte_for_byte() =>
        Assert.Equal($"[x]\n{Convert.ToBase64String(Encoding.UTF8.GetBytes(Content))}\n", Ssh(Input, "other", "lab-words", "x").Output);

    [Fact]
    public void A_host_that_nobody_knows_is_255_with_a_reason()
    {
        var result = Ssh(null, "nobody", "lab-words");
        Assert.Equal(255, result.ExitCode);
        Assert.StartsWith("ssh: Could not resolve hostname nobody: ", result.Errors, StringComparison.Ordinal);
    }

    /// <summary>So what is sent must be words that no shell reads anything into: the simulated one refuses all others.</summary>
    [Fact]
    public void What_means_something_to_a_shell_is_no_word()
    {
        var result = Ssh(null, "other", "lab-words", "a;b");
        Assert.DoesNotContain("[a;b]", result.Output, StringComparison.Ordinal);
        // A shell was reached, and it is not the program that had the last word.
        Assert.False(result.ExitCode is 0 or 3 or 255, $"exit {result.ExitCode}");
    }
}
