using PciPass.Core;

namespace PciPass.Host;

/// <summary>
/// HVM guests of Xen that xl moves to another host while they run. The two xl see to it that the guest runs on one of the two: here it is renamed,
/// and the other told that it may let it go on, when all of it is there; and ended when the other says that it runs (tools/xl/xl_migrate.c). xl goes on
/// with that when the process that asked for it dies.
/// </summary>
sealed class XenMove(HostSystem host, GuestMover mover, Action<string>? note = null)
{
    /// <summary>A large guest over a slow line.</summary>
    static readonly TimeSpan MoveDeadline = TimeSpan.FromHours(24);

    readonly Xl xl = new(host);

    public Observation Observe(Transfer step)
    {
        var (here, there) = step.Moved ? (Position.From, Position.To) : (Position.To, Position.From);
        return StateOf(step) switch
        {
            [_, _, _, not 's', ..] => new Observation(here, "a guest that runs here"),
            null => mover.Runs(step.Host, step.Guest, Toolstack.Xen) ? new Observation(there, $"moved to {step.Host}")
                : new Observation(step.Moved ? Position.Elsewhere : Position.To, $"ended here, and does not run on {step.Host}"),
            // The xl that moved it has died, or lost the other host, when all of it was over there: whether it goes on there, that host says.
            _ => mover.Runs(step.Host, step.Guest, Toolstack.Xen) ? new Observation(there, $"moved to {step.Host}, and what is left of it here is suspended")
                : new Observation(Position.Elsewhere, $"a guest that is suspended for good, since the xl that moved it did not come to its end, and does not run on {step.Host}; xl destroy {step.Start.Number} ends it"),
        };
    }

    /// <summary>Whether a guest that another host's xl moves here has come. Until all of it has, it is named otherwise, and paused (tools/xl/xl_migrate.c).</summary>
    public static bool RunsHere(HostSystem host, GuestName guest)
    {
        using var store = new Xl(host).OpenXenstore();
        return store.Consistent(transaction =>
        {
            var names = store.List("/local/domain", transaction).Select(id => store.Read($"/local/domain/{id}/name", transaction)).ToHashSet();
            return names.Contains($"{guest}") || (names.Contains($"{guest}--incoming") ? throw new HostFailure($"{guest} is on its way") : false);
        });
    }

    public void Act(Transfer step)
    {
        if (StateOf(step) is not [_, _, _, not 's', ..])
            throw new HostFailure($"{step.Guest} runs on {step.Host}");
        if (!step.Moved)
            return;
        note?.Invoke($"{step.Guest} runs on meanwhile, until its last pages go");
        xl.Run(MoveDeadline, "migrate", "-s", $"ssh {string.Join(' ', GuestMover.SshOptions)} --", $"{step.Start.Number}", $"{step.Host}");
    }

    /// <summary>As xl tells it, also once xl has renamed it for its last way; null when it is gone.</summary>
    string? StateOf(Transfer step) => xl.StateOf(step.Guest, step.Start.Number);
}
