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

    /// <summary>Every step is done, and all of it will be undone unless it is confirmed in time.</summary>
    Unconfirmed,
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
/// <param name="note">Gets what else is worth knowing, in words.</param>
/// <param name="givenUp">See <see cref="GuestMover"/>.</param>
public sealed class Executor(HostSystem host, Journal journal, Action<Mark, Step>? tell = null, Action<string>? note = null, RemoteHost? givenUp = null)
{
    /// <summary>The command that waits until an operation is confirmed, and undoes it when its time is up.</summary>
    public const string AwaitConfirmation = "await-confirmation";

    readonly StepRunner runner = new(host, note: note, givenUp: givenUp);

    /// <summary>Carries out a plan that was made from this snapshot.</summary>
    public Outcome Run(HostSnapshot snapshot, Plan plan)
    {
        var open = journal.Begin(snapshot, plan);
        // Before the first act, all that will be changed is looked at once more: what somebody changed since the snapshot may stand
        // in the way of undoing what comes before it.
        foreach (var (number, step) in open.Record.Steps.Index().DistinctBy(step => (step.Item.Target, Kind(step.Item))))
        {
            try
            {
                if (!MayBeOnItsWay(step) && runner.Observe(step) is { Position: Position.Elsewhere or Position.To } found)
                    throw NotAsPlanned(step, found);
            }
            catch (HostFailure failure)
            {
                open.Note(Mark.Failed, number, failure.Message);
                return GoBack(open, [$"could not {step.Sentence}: {failure.Message}"]);
            }
        }
        try
        {
            // Who undoes it must be there before there is anything to undo: the first act may cut this process off.
            if (plan.Request.RollbackAfter is not null)
                host.StartDetached(AwaitConfirmation, $"{open.Record.Number}");
        }
        catch (HostFailure failure)
        {
            return GoBack(open, [$"could not start what would undo it: {failure.Message}"]);
        }
        return GoOn(open);
    }

    /// <summary>
    /// Brings an operation that has not ended to an end. One that has begun to take a function out of a guest goes on, since the guest
    /// has lost by then what it had on it; anything else that was interrupted is undone
    /// (docs/decisions/0012-what-recovery-finishes.md).
    /// </summary>
    /// <param name="operation">The operation.</param>
    /// <param name="bootId">The boot that runs now.</param>
    public Outcome Recover(Operation operation, string bootId)
    {
        // Whichever way it ends: where a file is as it should be, nothing acts on it once more, and what lies beside it would stay.
        foreach (var edit in operation.Steps.OfType<EditFile>())
            runner.RemoveUnfinished(edit);
        if (operation.BootId != bootId)
        {
            // Drivers, overrides, guests: all of it was the former kernel's, and this one has begun anew. Files are as they were left. A
            // guest whose image was whole has ended with its host, and is saved.
            var former = journal.Reopen(operation);
            return SettleMove(former) is Outcome unsettled ? unsettled
                : IsSaved(operation) ? Close(former, former: true) : GoBack(former, [], former: true);
        }
        // What the dead process started may still be at work, and would go on changing what is undone here.
        try
        {
            if (runner.WaitForTools(operation) is string atWork)
                return new Outcome(Result.Stuck, operation, [atWork], []);
        }
        catch (HostFailure failure)
        {
            // As from a libvirt that does not run at the moment.
            return new Outcome(Result.Stuck, operation, [$"could not see what is still at work for it: {failure.Message}"], []);
        }
        var open = journal.Reopen(operation);
        try
        {
            if (IsPastReturn(operation))
                return GoOn(open, ReturnOf(operation));
        }
        catch (HostFailure failure)
        {
            return Stuck(open, ReturnOf(operation), [NotSeen(operation, failure)]);
        }
        return GoesOn(operation) ? GoOn(open) : GoBack(open, []);
    }

    /// <summary>Whether an operation that waits for a guest need not wait any more: the guest has let go, or has taken what it is to have, or has ended.</summary>
    public bool HasAnswered(Operation operation)
    {
        try
        {
            return operation.Marks is [.., { Mark: Mark.Pending, Step: var number }] && operation.Steps[number] is Plug plug
                && (runner.Observe(plug with { Plugged = false }).Position == Position.To || (!operation.IsGoingBack && runner.Observe(plug).Position == Position.To));
        }
        catch (HostFailure)
        {
            return false;
        }
    }

    /// <summary>
    /// Whether an interrupted operation goes on: a guest is waited for, or has begun to let go, and the host is where the journal says. It is
    /// not there where the operation had turned round and the journal could not be written any more, as on a full disk: going on would
    /// then take a function from pciback that a guest has again.
    /// </summary>
    bool GoesOn(Operation operation)
    {
        try
        {
            var begun = operation.Steps.Index().Where(step => operation.LastMark(step.Index) is not null).ToArray();
            // What was to be undone by itself is undone.
            return !operation.IsGoingBack && operation.Request.RollbackAfter is null
                && (operation.State == "pending" || (operation.Request.Verb == Verb.Detach && begun.Any(step => step.Item is Plug { Plugged: false } && runner.Observe(step.Item).Position != Position.From)))
                && begun.GroupBy(step => (step.Item.Target, Kind(step.Item)), step => step.Index).Select(steps => steps.Last()).All(last => operation.IsUnderWay(last)
                    ? !IsFurtherBack(operation, last)
                    : runner.Observe(operation.Steps[last]).Position == Position.To);
        }
        catch (HostFailure)
        {
            return false;
        }
    }

    /// <summary>Closes an operation that waits for its confirmation: it holds from here on.</summary>
    public Outcome Confirm(Operation operation)
    {
        var open = journal.Reopen(operation);
        open.End(Ending.Done);
        return new Outcome(Result.Done, open.Record, [], []);
    }

    /// <param name="open">The operation.</param>
    /// <param name="from">With which step to begin: the first, or, where it is through, the one that nothing undoes.</param>
    Outcome GoOn(OpenOperation open, int from = 0)
    {
        for (var number = from; number < open.Record.Steps.Length; number++)
        {
            if (open.Record.LastMark(number) == Mark.Done)
                continue;
            var step = open.Record.Steps[number];
            var isPastReturn = from > 0 || number > ReturnOf(open.Record);
            try
            {
                if (!isPastReturn && host.IsInterrupted)
                    throw new HostFailure("this program was asked to end");
                if (step.IsFinal && open.Record.IsUnderWay(number) && runner.Observe(step).Position == Position.To)
                    open.Report(Mark.Done, number);
                else if (Do(open, number, step) is Outcome waiting)
                    return waiting;
            }
            catch (DeadlinePassed late) when (open.Record.IsUnderWay(number))
            {
                return Stuck(open, number, [$"could not {step.Sentence}: {late.Message}"]);
            }
            catch (HostFailure failure)
            {
                open.Note(Mark.Failed, number, failure.Message);
                List<string> errors = [$"could not {step.Sentence}: {failure.Message}"];
                return isPastReturn ? Stuck(open, number, errors) : GoBack(open, errors);
            }
        }
        if (open.Record.UndoAt is not null)
            return new Outcome(Result.Unconfirmed, open.Record, [], []);
        return Close(open);
    }

    /// <summary>All is done, and the journal says so. Where it cannot, what can be undone is undone: recover would do that, and it must be no surprise later.</summary>
    Outcome Close(OpenOperation open, bool former = false)
    {
        try
        {
            open.End(Ending.Done);
            return new Outcome(Result.Done, open.Record, [], []);
        }
        catch (HostFailure failure)
        {
            List<string> errors = [$"all was done, but the journal could not be closed: {failure.Message}"];
            return former ? new Outcome(Result.Done, open.Record, errors, []) : GoBack(open, errors);
        }
    }

    /// <summary>The first step that nothing undoes; beyond the last one where there is none.</summary>
    static int ReturnOf(Operation operation) => operation.Steps.Index().Where(step => step.Item.IsFinal).Select(step => step.Index).FirstOrDefault(operation.Steps.Length);

    /// <summary>Whether the first step that nothing undoes has been begun and is through: then all before it is, too.</summary>
    /// <param name="operation">The operation.</param>
    /// <param name="former">Whether the host has restarted since: what is here now is another guest, whatever its name and domid.</param>
    bool IsPastReturn(Operation operation, bool former = false)
    {
        var number = ReturnOf(operation);
        return number < operation.Steps.Length && operation.LastMark(number) switch
        {
            Mark.Done => true,
            // Undoing: what it was to take back had come about by itself meanwhile.
            Mark.Doing or Mark.Stuck or Mark.Undoing => former && operation.Steps[number] is Transfer move ? runner.HasArrived(move) : runner.Observe(operation.Steps[number]).Position == Position.To,
            _ => false,
        };
    }

    static string NotSeen(Operation operation, HostFailure failure) => $"could not see whether it has come to pass (\"{operation.Steps[ReturnOf(operation)].Sentence}\"): {failure.Message}";

    /// <summary>
    /// This host has restarted while a guest was on its way to another: that one says whether it has started the guest, and does not any
    /// more if it has not.
    /// </summary>
    /// <returns>Null when the guest is nowhere but in its image here, if that is whole; else how it came out.</returns>
    Outcome? SettleMove(OpenOperation open)
    {
        foreach (var (number, step) in open.Record.Steps.Index().Reverse().Where(step => open.Record.LastMark(step.Index) is not (null or Mark.Undone)))
        {
            try
            {
                if (step is IDeparture && IsPastReturn(open.Record, former: true))
                {
                    foreach (var last in open.Record.Steps.Where(step => step is DropImage or Equip))
                        runner.Act(last);
                    return Close(open, former: true);
                }
                if (step is HandOver or SendGuest)
                    Undo(open, number, step.Reverse()!, []);
            }
            catch (HostFailure failure)
            {
                return Stuck(open, number, [$"could not undo \"{step.Sentence}\": {failure.Message}"]);
            }
        }
        return null;
    }

    /// <summary>Whether a guest's image is whole: its record is written behind it.</summary>
    bool IsSaved(Operation operation) =>
        operation.Steps.Any(step => step is SaveGuest || (step is Shelve shelve && runner.IsWhole(shelve))) && operation.Steps.OfType<EditFile>().All(edit => runner.Observe(edit).Position == Position.To);

    /// <param name="open">The operation.</param>
    /// <param name="errors">What went wrong so far.</param>
    /// <param name="former">Whether the host has restarted since: only files are left to be put back.</param>
    Outcome GoBack(OpenOperation open, List<string> errors, bool former = false)
    {
        List<Step> undone = [];
        try
        {
            if (!former && IsPastReturn(open.Record))
                return runner.Observe(open.Record.Steps[^1]).Position == Position.To ? new Outcome(Result.Done, open.Record, errors, []) : GoOn(open, ReturnOf(open.Record));
        }
        catch (HostFailure failure)
        {
            return Stuck(open, ReturnOf(open.Record), [.. errors, NotSeen(open.Record, failure)]);
        }
        for (var number = open.Record.Steps.Length - 1; number >= 0; number--)
        {
            var step = open.Record.Steps[number];
            if (open.Record.LastMark(number) is null or Mark.Undone || (former && step is not (EditFile or SaveGuest or Shelve or Configure)))
                continue;
            try
            {
                if (former && (step switch { SaveGuest save => save.Path, Shelve shelve => shelve.Path, _ => null }) is string cut)
                {
                    runner.RemoveImage(cut);
                    open.Note(Mark.Undone, number);
                }
                else if (Reverse(open.Record, number) is not Step reverse)
                    open.Note(Mark.Undone, number);
                else if (Undo(open, number, reverse, undone) is GuestHolds holds)
                {
                    open.Note(Mark.Pending, number, holds.Message);
                    return new Outcome(Result.Pending, open.Record, [.. errors, holds.Message], undone);
                }
            }
            catch (HostFailure failure)
            {
                return Stuck(open, number, [.. errors, $"could not undo \"{step.Sentence}\": {failure.Message}"], undone);
            }
        }
        if (former)
        {
            open.End(Ending.Void);
            return new Outcome(Result.Undone, open.Record, errors, undone);
        }
        open.EndUndone();
        if (open.Unwritten is string unwritten)
            errors.Add($"the journal of operation {open.Record.Number} could not be written: {unwritten}; pcipass recover closes it once it can be");
        return new Outcome(Result.Undone, open.Record, errors, undone);
    }

    /// <summary>One step forward.</summary>
    /// <returns>Null when it is done; the outcome when the guest has not let go.</returns>
    Outcome? Do(OpenOperation open, int number, Step step)
    {
        var found = runner.Observe(step);
        // A step that was interrupted, or waited for its guest, stands where it has come to. Else somebody else changes the host, and what
        // he did is not for this operation to undo.
        var underWay = open.Record.IsUnderWay(number);
        var asPlanned = found.Position switch
        {
            Position.From => true,
            Position.To or Position.HalfWay => underWay || MayBeOnItsWay(step),
            _ => false,
        };
        if (!asPlanned)
            throw NotAsPlanned(step, found);
        // As in Undo: its own act may still wait in the kernel, and quarantine cannot be seen.
        var actsAnyway = found.Position == Position.To && step is not Plug && (underWay || step is SetAssignable);
        if (found.Position != Position.To || actsAnyway)
        {
            open.Announce(Mark.Doing, number);
            tell?.Invoke(Mark.Doing, step);
            try
            {
                runner.Act(step);
            }
            catch (GuestHolds holds)
            {
                open.Note(Mark.Pending, number, holds.Message);
                // What a guest lets go of later must not find it half saved.
                if (open.Record.Request.Verb is Verb.Save or Verb.Migrate)
                    throw;
                return new Outcome(Result.Pending, open.Record, [holds.Message], []);
            }
            catch (HostFailure failure) when (actsAnyway && failure is not DeadlinePassed)
            {
                // It was done already; reading back decides.
            }
            ReadBack(step);
        }
        open.Report(Mark.Done, number);
        return null;
    }

    /// <summary>One step back; on the way back the journal is written where it can be, and never in the way.</summary>
    /// <returns>Null when it is undone; else why the guest has not let go.</returns>
    GuestHolds? Undo(OpenOperation open, int number, Step reverse, List<Step> undone)
    {
        if (IsFurtherBack(open.Record, number))
        {
            open.Note(Mark.Undone, number);
            return null;
        }
        // Asked to let go of what it keeps now: its agent gives it its driver back.
        if (reverse is Plug { Plugged: true } back && open.Record.IsUnderWay(number))
            runner.CallOff(back);
        var found = runner.Observe(reverse);
        // It was asked for sure, and may still let go.
        if (reverse is Plug { Plugged: true, Start.Toolstack: not Toolstack.Xen } kept && found.Position == Position.To && open.Record.LastMark(number) == Mark.Pending)
            return new GuestHolds($"guest {kept.Guest} was asked for {kept.Address}, and has neither let go nor refused");
        // The step that was under way is reversed by acting, even where nothing is left to be seen of it: its own act may still wait
        // in the kernel, behind which this one waits too, and Xen's quarantine cannot be seen at all.
        var actsAnyway = found.Position == Position.To && open.Record.IsUnderWay(number) && reverse is not Plug;
        if (found.Position == Position.Elsewhere)
            throw new HostFailure($"somebody else has changed it meanwhile: {reverse.Target} has {found.Seen}");
        if (found.Position is Position.From or Position.HalfWay || actsAnyway)
        {
            open.Note(Mark.Undoing, number);
            if (!actsAnyway)
                tell?.Invoke(Mark.Undoing, reverse);
            try
            {
                runner.Act(reverse);
            }
            catch (GuestHolds holds)
            {
                return holds;
            }
            catch (HostFailure failure) when (actsAnyway && failure is not DeadlinePassed)
            {
                // It was undone already, so an error like "it has that driver" is as it should be; reading back decides.
            }
            ReadBack(reverse);
            if (!actsAnyway)
                undone.Add(reverse);
        }
        open.Note(Mark.Undone, number);
        return null;
    }

    /// <summary>
    /// A guest may let go unasked, or end, or somebody else may have asked it. And a function that was unbound from pciback by hand looks given back, while Xen's quarantine, which
    /// cannot be seen, still has it.
    /// </summary>
    static bool MayBeOnItsWay(Step step) => step is Plug { Plugged: false } or SetAssignable { Assignable: false } or EndGuest;

    static HostFailure NotAsPlanned(Step step, Observation found) =>
        new($"the host is not as it was when this was planned: {step.Target} has {found.Seen}");

    void ReadBack(Step step)
    {
        if (runner.Observe(step) is { Position: not Position.To } found)
            throw new HostFailure($"the host took it without an error, and yet {step.Target} has {found.Seen}");
    }

    /// <summary>What undoes a step now; null when there is nothing to undo any more.</summary>
    Step? Reverse(Operation operation, int number)
    {
        var step = operation.Steps[number];
        // The guest that should get it back has ended, and all that it had with it.
        if (step is Plug { Plugged: false } unplug && runner.IsGone(unplug))
            return null;
        if (step.Reverse() is Step reverse)
            return reverse;
        if (step.IsFinal)
            return null;
        // Which driver a probe has found is known only now, and one that was under way may still find one: a second waits behind it.
        if (IsFurtherBack(operation, number))
            return null;
        if (operation.IsUnderWay(number))
            runner.Act(step);
        return runner.Undriven(((Probe)step).Address);
    }

    /// <summary>
    /// Whether the function already stands before an earlier step of its kind: it was taken back without the journal being written, as
    /// on a full disk, or by somebody else. No plan passes through the same driver or override twice.
    /// </summary>
    bool IsFurtherBack(Operation operation, int number)
    {
        var step = operation.Steps[number];
        return operation.Steps.Take(number).Any(earlier => earlier is not (SetSlot or SetNetwork) && earlier.Target == step.Target && Kind(earlier) == Kind(step)
            && runner.Observe(earlier).Position == Position.From);
    }

    /// <summary>The steps of one kind change the same thing, one after the other. Binding to pciback enters a slot as well.</summary>
    static Type Kind(Step step) => step is SetAssignable or SetSlot or Probe ? typeof(Rebind) : step is DropImage ? typeof(SaveGuest) : step.GetType();

    static Outcome Stuck(OpenOperation open, int number, IReadOnlyList<string> errors, IReadOnlyList<Step>? undone = null)
    {
        open.Note(Mark.Stuck, number, errors[^1]);
        return new Outcome(Result.Stuck, open.Record, errors, undone ?? []);
    }
}
