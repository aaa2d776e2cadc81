using System.Text;

namespace PciPass.Lab;

/// <summary>How a command ended.</summary>
/// <param name="Command">The shell script.</param>
/// <param name="ExitCode">Its exit code, 0 to 255.</param>
/// <param name="Output">The bytes of its stdout.</param>
/// <param name="Errors">The bytes of its stderr; of a guest's command they are in the output, as on its console.</param>
/// <param name="Elapsed">The time from sending it to its whole answer.</param>
public sealed record Result(string Command, int ExitCode, ReadOnlyMemory<byte> Output, ReadOnlyMemory<byte> Errors, TimeSpan Elapsed)
{
    /// <summary>Its stdout as text.</summary>
    public string Stdout => Encoding.UTF8.GetString(Output.Span);

    /// <summary>Its stderr as text.</summary>
    public string Stderr => Encoding.UTF8.GetString(Errors.Span);

    /// <summary>The time it took, in seconds.</summary>
    public double Seconds => Elapsed.TotalSeconds;

    /// <summary>This result, of a command that must not fail.</summary>
    /// <exception cref="LabException">It failed; the message holds the command and all it printed.</exception>
    public Result Ok() => ExitCode == 0 ? this : throw new LabException(ToString());

    /// <summary>The command with all it printed.</summary>
    public override string ToString() => $"$ {Command}\n{Stdout}{Stderr}(exit {ExitCode}, {Seconds:0.0} s)";
}
