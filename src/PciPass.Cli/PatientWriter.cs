using System.Text;

namespace PciPass.Cli;

/// <summary>
/// Writes to where writing may fail: a file on a full disk, a terminal that is gone. Nobody reading is no reason to leave an operation in
/// its middle, so what cannot be written is dropped, and so is all that follows it.
/// </summary>
public sealed class PatientWriter(TextWriter inner) : TextWriter
{
    /// <summary>Why something could not be written; null while everything was.</summary>
    public string? Failure { get; private set; }

    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => Try(() => inner.Write(value));

    public override void Write(char[] buffer, int index, int count) => Try(() => inner.Write(buffer, index, count));

    public override void Write(string? value) => Try(() => inner.Write(value));

    public override void WriteLine(string? value) => Try(() => inner.WriteLine(value));

    public override void Flush() => Try(inner.Flush);

    void Try(Action write)
    {
        if (Failure is not null)
            return;
        try
        {
            write();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Failure = error.Message;
        }
    }
}
