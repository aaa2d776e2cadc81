using PciPass.Core;

namespace PciPass.Host;

/// <summary>An operation that is being written: each mark goes to the journal's file and to the record in memory alike.</summary>
public sealed class OpenOperation
{
    readonly Journal journal;

    internal OpenOperation(Journal journal, Operation operation)
    {
        this.journal = journal;
        Record = operation;
    }

    public Operation Record { get; private set; }

    /// <summary>
    /// Adds a mark. What announces an act is flushed to disk before the act. What reports one need not be: without it, recovery
    /// looks at the host and finds the same.
    /// </summary>
    public void Add(Mark mark, int step, string text = "")
    {
        journal.Append(Record.Number, Operation.Line(mark, step, text), flush: mark is not (Mark.Done or Mark.Undone));
        Record = Record with { Marks = Record.Marks.Add(new JournalMark(mark, step, text)) };
    }

    public void End(Ending ending)
    {
        var now = journal.Now;
        journal.Append(Record.Number, Operation.EndLine(ending, now), flush: true);
        Record = Record with { Ending = ending, Ended = now };
    }
}
