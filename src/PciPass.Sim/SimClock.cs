namespace PciPass.Sim;

/// <summary>
/// Virtual time. It stands still until somebody waits; then it jumps to the next event or to the end of the wait. So nothing
/// sleeps, and the same calls always give the same order of events.
/// </summary>
public sealed class SimClock : TimeProvider
{
    static readonly DateTimeOffset Start = new(2026, 1, 5, 8, 0, 0, TimeSpan.Zero);

    readonly PriorityQueue<Action, (long Time, long Order)> events = new();
    long now;
    long order;

    /// <summary>The time since the simulation began.</summary>
    public TimeSpan Elapsed => TimeSpan.FromTicks(now);

    public override DateTimeOffset GetUtcNow() => Start.AddTicks(now);

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => now;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        new Timer(this, () => callback(state), dueTime, period);

    /// <summary>Does something once the time has come.</summary>
    public void After(TimeSpan delay, Action action) => events.Enqueue(action, (now + Math.Max(delay.Ticks, 0), order++));

    /// <summary>Lets time pass.</summary>
    public void Advance(TimeSpan time) => WaitFor(static () => false, time);

    /// <summary>Lets time pass until a condition holds.</summary>
    /// <param name="condition">Looked at after every event.</param>
    /// <param name="deadline">The longest wait; <see cref="Timeout.InfiniteTimeSpan"/> for no end.</param>
    /// <returns>False when the deadline came first.</returns>
    /// <exception cref="InvalidOperationException">There is no deadline, and nothing will ever happen any more.</exception>
    public bool WaitFor(Func<bool> condition, TimeSpan deadline)
    {
        var end = deadline == Timeout.InfiniteTimeSpan || deadline.Ticks > long.MaxValue - now ? long.MaxValue : now + Math.Max(deadline.Ticks, 0);
        while (!condition())
        {
            if (!events.TryPeek(out var action, out var at) || at.Time > end)
            {
                if (end == long.MaxValue)
                    throw new InvalidOperationException("waits without a deadline for something that will never happen");
                now = end;
                return false;
            }
            events.Dequeue();
            now = Math.Max(now, at.Time);
            action();
        }
        return true;
    }

    /// <summary>Forgets all that was to happen: the machine was switched off.</summary>
    internal void Clear() => events.Clear();

    sealed class Timer : ITimer
    {
        readonly SimClock clock;
        readonly Action action;
        int round;

        public Timer(SimClock clock, Action action, TimeSpan dueTime, TimeSpan period)
        {
            this.clock = clock;
            this.action = action;
            Change(dueTime, period);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Schedule(dueTime, period, ++round);
            return true;
        }

        void Schedule(TimeSpan dueTime, TimeSpan period, int mine)
        {
            if (dueTime == Timeout.InfiniteTimeSpan)
                return;
            clock.After(dueTime, () =>
            {
                if (mine != round)
                    return;
                if (period > TimeSpan.Zero)
                    Schedule(period, period, mine);
                action();
            });
        }

        public void Dispose() => round++;

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
