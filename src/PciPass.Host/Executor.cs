using PciPass.Core;

namespace PciPass.Host;

/// <summary>How running a plan came out.</summary>
public enum Result
{
    /// <summary>Every step is done and was read back.</summary>
    Done,

    /// <summary>A step failed; everything before it was undone, and the host is as it was.</summary>
    Undone,

    /// <summary>The host is between two states, and a person or a later <c>recover</c> decides.</summary>
    Stuck,

    /// <summary>The guest has been asked to let go and has not yet.</summary>
    Pending,
}

/// <summary>What came of an operation.</summary>
/// <param name="Result">How it came out.</param>
/// <param name="Operation">The operation as the journal has it now.</param>
/// <param name="Errors">What went wrong: the first error, then those of the undo.</param>
/// <param name="Undone">The steps that were undone, in that order.</param>
public sealed record Outcome(Result Result, Operation Operation, IReadOnlyList<string> Errors, IReadOnlyList<Step> Undone);

/// <summary>
/// Carries out a plan: for each step, see that the host is where the plan thinks, write the intention to disk, act, and read
/// back. On failure, the same steps reversed, in reverse order, journalled as well. Nothing else writes to a host.
/// </summary>
/// <param name="host">The host.</param>
/// <param name="journal">The journal; the caller holds its lock.</param>
/// <param name="tell">Called before each act; the mark says whether it is done or undone.</param>
public sealed class Executor(HostSystem host, Journal journal, Action<Mark, Step>? tell = null)
{
    readonly StepRunner runner = new(host);

    /// <summary>Carries out a plan that was made from this snapshot.</summary>
    public Outcome Run(HostSnapshot snapshot, Plan plan) => GoOn(journal.Begin(snapshot, plan));

    /// <summary>
    /// Brings an operation that has not ended to an end. One that waited for a guest goes on once the guest has let go; anything
    /// else that was interrupted is undone.
    /// </summary>
    /// <param name="operation">The operation.</param>
    /// <param name="bootId">The boot that runs now.</param>
    public Outcome Recover(Operation operation, string bootId)
    {
        var open = journal.Reopen(operation);
        if (operation.BootId != bootId)
        {
            // Drivers, overrides, guests: all of it was the former kernel's. This one has begun anew.
            open.End(Ending.Void);
            return new Outcome(Result.Undone, open.Record, [], []);
        }
        var waited = operation.Marks.LastOrDefault() is { Mark: Mark.Pending };
        return waited && !operation.IsGoingBack ? GoOn(open) : GoBack(open, []);
    }

    Outcome GoOn(OpenOperation open)
    {
        for (var number = 0; number < open.Record.Steps.Length; number++)
        {
            if (open.Record.LastMark(number) == Mark.Done)
                continue;
            var step = open.Record.Steps[number];
            try
            {
                if (Do(open, number, step, Mark.Doing, Mark.Done) is Outcome waiting)
                    return waiting;
            }
            catch (DeadlinePassed late)
            {
                return Stuck(open, number, [late.Message]);
            }
            catch (HostFailure failure)
            {
                var error = $"could not {step.Sentence}: {failure.Message}";
                open.Add(Mark.Failed, number, failure.Message);
                return GoBack(open, [error]);
            }
        }
        open.End(Ending.Done);
        return new Outcome(Result.Done, open.Record, [], []);
    }

    Outcome GoBack(OpenOperation open, List<string> errors)
    {
        List<Step> undone = [];
        for (var number = open.Record.Steps.Length - 1; number >= 0; number--)
        {
            if (open.Record.LastMark(number) is null or Mark.Undone)
                continue;
            var step = open.Record.Steps[number];
            try
            {
                if (step.Reverse() is not Step reverse)
                {
                    // It comes last, so nothing was done after it: when it has happened, all has.
                    if (runner.Observe(step).Position == Position.From)
                        continue;
                    open.End(Ending.Done);
                    return new Outcome(Result.Done, open.Record, errors, undone);
                }
                var before = runner.Observe(step).Position;
                if (Do(open, number, reverse, Mark.Undoing, Mark.Undone) is Outcome waiting)
                    return waiting with { Errors = [.. errors, .. waiting.Errors] };
                if (before != Position.From)
                    undone.Add(reverse);
            }
            catch (HostFailure failure)
            {
                errors.Add($"could not undo \"{step.Sentence}\": {failure.Message}");
                return Stuck(open, number, errors);
            }
        }
        open.End(Ending.Undone);
        return new Outcome(Result.Undone, open.Record, errors, undone);
    }

    /// <summary>One step in one direction.</summary>
    /// <returns>Null when it is done; the outcome when the guest has not let go.</returns>
    Outcome? Do(OpenOperation open, int number, Step step, Mark before, Mark after)
    {
        var found = runner.Observe(step);
        if (found.Position != Position.To)
        {
            // Going on, anything but From means that somebody else changes the host. Going back, a half-done step is what is to be undone.
            if (found.Position == Position.Between && before == Mark.Doing && open.Record.LastMark(number) != Mark.Pending)
                throw new HostFailure($"the host is not as it was when this was planned: {step.Address} has {found.Seen}");
            open.Add(before, number);
            tell?.Invoke(before, step);
            try
            {
                runner.Act(step);
            }
            catch (GuestHolds holds)
            {
                open.Add(Mark.Pending, number, holds.Message);
                return new Outcome(Result.Pending, open.Record, [holds.Message], []);
            }
            found = runner.Observe(step);
            if (found.Position != Position.To)
                throw new HostFailure($"the host took it without an error, and yet {step.Address} has {found.Seen}");
        }
        open.Add(after, number);
        return null;
    }

    static Outcome Stuck(OpenOperation open, int number, IReadOnlyList<string> errors)
    {
        open.Add(Mark.Stuck, number, errors[^1]);
        return new Outcome(Result.Stuck, open.Record, errors, []);
    }
}
