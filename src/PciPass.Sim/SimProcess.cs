using System.Text;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>
/// A running program of the host: it takes virtual time, and goes on when nobody waits for it any more. Its body yields how long it
/// waits before the next act.
/// </summary>
sealed class SimProcess
{
    readonly StringBuilder output = new();
    readonly StringBuilder errors = new();
    IEnumerator<TimeSpan>? body;
    SimClock? clock;
    Action? ended;

    public SimProcess(Func<SimProcess, IEnumerable<TimeSpan>> program, bool changesSomething)
    {
        body = program(this).GetEnumerator();
        ChangesSomething = changesSomething;
    }

    public static SimProcess Ended(ProgramResult result)
    {
        var process = new SimProcess(static _ => [], changesSomething: false) { ExitCode = result.ExitCode };
        process.output.Append(result.Output);
        process.errors.Append(result.Errors);
        return process;
    }

    public bool ChangesSomething { get; }
    public bool HasEnded => body is null;
    public int ExitCode { get; set; }
    public ProgramResult Result => new(ExitCode, output.ToString(), errors.ToString());

    public void Out(string line) => output.Append(line).Append('\n');

    public void Error(string line) => errors.Append(line).Append('\n');

    /// <param name="runsOn">The clock that its time passes on.</param>
    /// <param name="whenEnded">What follows from its end, whoever waits for it.</param>
    public void Begin(SimClock runsOn, Action? whenEnded = null)
    {
        (clock, ended) = (runsOn, whenEnded);
        GoOn();
    }

    void GoOn()
    {
        if (body!.MoveNext())
        {
            clock!.After(body.Current, GoOn);
            return;
        }
        body.Dispose();
        body = null;
        ended?.Invoke();
    }
}
