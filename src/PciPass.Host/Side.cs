using System.Runtime.ExceptionServices;

namespace PciPass.Host;

/// <summary>Parts of one work side by side.</summary>
static class Side
{
    /// <summary>Does the parts 0 to <paramref name="count"/> - 1, the first by the caller's own thread, and returns when all are done.</summary>
    /// <exception cref="HostFailure">What a part threw; the earliest part's, where several did.</exception>
    public static void BySide(int count, Action<int> part)
    {
        var failures = new ExceptionDispatchInfo?[count];
        var others = new Thread[count - 1];
        for (var number = 1; number < count; number++)
        {
            var mine = number;
            others[number - 1] = new Thread(() => Do(mine));
            others[number - 1].Start();
        }
        Do(0);
        foreach (var other in others)
            other.Join();
        failures.FirstOrDefault(failure => failure is not null)?.Throw();

        void Do(int number)
        {
            try
            {
                part(number);
            }
            catch (HostFailure failure)
            {
                failures[number] = ExceptionDispatchInfo.Capture(failure);
            }
        }
    }
}
