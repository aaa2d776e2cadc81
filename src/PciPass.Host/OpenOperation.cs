using PciPass.Core;

namespace PciPass.Host;

/// <summary>An operation that is being written: each mark goes to the journal's file and to the record in memory alike.</summary>
public sealed class OpenOperation
{
    readonly Journal journal;
    bool torn;

    internal OpenOperation(Journal journal, Operation operation)
    {
        this.journal = journal;
        Record = operation;
    }

    public Operation Record { get; private set; }

    /// <summary>Why a note could not be written; null while all were.</summary>
    public string? Unwritten { get; private set; }

    /// <summary>Announces an act: returns once the line is on disk, and the act must not begin otherwise.</summary>
    /// <exception cref="HostFailure">It could not be written.</exception>
    public void Announce(Mark mark, int step) => Add(mark, step, "", flush: true);

    /// <summary>Reports an act. It need not be on disk: without it, recovery looks at the host and finds the same.</summary>
    /// <exception cref="HostFailure">It could not be written.</exception>
    public void Report(Mark mark, int step) => Add(mark, step, "", flush: false);

    /// <summary>
    /// Notes what happens on the way back, or how it stopped. When it cannot be written, it goes on without: the host comes first, and
    /// recovery works from what is on disk by looking at the host.
    /// </summary>
    public void Note(Mark mark, int step, string text = "")
    {
        try
        {
            Add(mark, step, text, flush: mark != Mark.Undone);
        }
        catch (HostFailure failure)
        {
            Unwritten ??= failure.Message;
            Remember(mark, step, text);
        }
    }

    /// <summary>Closes it.</summary>
    /// <exception cref="HostFailure">It could not be written, and stays open.</exception>
    public void End(Ending ending)
    {
        var now = journal.Now;
        Write(Operation.EndLine(ending, now), flush: true);
        Record = Record with { Ending = ending, Ended = now };
    }

    /// <summary>Closes it as undone; where that cannot be written, it stays open.</summary>
    public void EndUndone()
    {
        try
        {
            End(Ending.Undone);
        }
        catch (HostFailure failure)
        {
            Unwritten ??= failure.Message;
        }
    }

    void Add(Mark mark, int step, string text, bool flush)
    {
        Write(Operation.Line(mark, step, text), flush);
        Remember(mark, step, text);
    }

    void Remember(Mark mark, int step, string text) => Record = Record with { Marks = Record.Marks.Add(new JournalMark(mark, step, text)) };

    void Write(string line, bool flush)
    {
        try
        {
            // A full disk takes the beginning of a line: what follows must stand on its own.
            journal.Append(Record.Number, torn ? $"{Operation.TornLineEnd}\n{line}" : line, flush);
            torn = false;
        }
        catch (HostFailure)
        {
            torn = true;
            throw;
        }
    }
}
