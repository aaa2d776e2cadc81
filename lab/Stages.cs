using System.Diagnostics;

namespace PciPass.Lab;

/// <summary>
/// Shows the stages of a longer wait with their seconds: on a terminal as one line with a bar, which is renewed as time passes and ends as a
/// summary; elsewhere, and with NO_COLOR, as one plain line a finished stage.
/// </summary>
public sealed class Stages : IDisposable
{
    const int BarWidth = 24;

    readonly Lock _gate = new();
    readonly TextWriter _writer;
    readonly bool _live;
    readonly IReadOnlyList<Stage> _plan;
    readonly Stopwatch _clock = Stopwatch.StartNew();
    readonly Timer? _timer;
    readonly List<(string Name, TimeSpan Took)> _finished = [];
    string? _current;
    TimeSpan _begun;

    /// <summary>Begins the wait.</summary>
    /// <param name="writer">Where it is shown.</param>
    /// <param name="live">Whether that is a terminal that can renew a line.</param>
    /// <param name="plan">The stages that are to come.</param>
    public Stages(TextWriter writer, bool live, IReadOnlyList<Stage> plan)
    {
        _writer = writer;
        _live = live;
        _plan = plan;
        if (live)
        {
            _timer = new Timer(_ => Draw(), null, TimeSpan.Zero, TimeSpan.FromMilliseconds(100));
        }
    }

    /// <summary>On stderr, so that stdout holds nothing but what the command is about.</summary>
    public static Stages OnConsole(IReadOnlyList<Stage> plan) =>
        new(Console.Error, !Console.IsErrorRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")), plan);

    /// <summary>The finished stages with what they took.</summary>
    public IReadOnlyList<(string Name, TimeSpan Took)> Finished
    {
        get
        {
            lock (_gate)
            {
                return [.. _finished];
            }
        }
    }

    /// <summary>Ends the stage before and begins this one.</summary>
    public void Begin(string name)
    {
        lock (_gate)
        {
            End();
            _current = name;
            _begun = _clock.Elapsed;
        }
    }

    /// <summary>Ends the last stage, and the line.</summary>
    public void Dispose()
    {
        _timer?.Dispose();
        lock (_gate)
        {
            End();
            if (_live)
            {
                _writer.Write($"\r\e[K{string.Join(", ", _finished.Select(stage => $"{stage.Name} {stage.Took.TotalSeconds:0.0} s"))}\n");
            }
        }
    }

    void End()
    {
        if (_current is null)
        {
            return;
        }
        var took = _clock.Elapsed - _begun;
        _finished.Add((_current, took));
        if (!_live)
        {
            _writer.WriteLine($"{_current, -20} {took.TotalSeconds, 5:0.0} s");
        }
        _current = null;
    }

    void Draw()
    {
        lock (_gate)
        {
            if (_current is null)
            {
                return;
            }
            var total = _plan.Sum(stage => stage.Typical.TotalSeconds);
            var passed = _plan.Where(stage => _finished.Any(done => done.Name == stage.Name)).Sum(stage => stage.Typical.TotalSeconds);
            var typical = _plan.FirstOrDefault(stage => stage.Name == _current)?.Typical.TotalSeconds ?? 0;
            passed += Math.Min(typical, (_clock.Elapsed - _begun).TotalSeconds);
            var filled = total > 0 ? (int)(passed / total * BarWidth) : 0;
            var bar = new string('#', filled) + new string('.', BarWidth - filled);
            _writer.Write($"\r\e[K[{bar}] {_clock.Elapsed.TotalSeconds, 5:0.0} s  {_current}");
            _writer.Flush();
        }
    }
}
