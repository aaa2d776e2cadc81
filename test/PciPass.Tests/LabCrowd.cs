using Xunit;

namespace PciPass.Tests;

/// <summary>Many callers at once: one winner for each function, everybody else is told who, and readers do not wait.</summary>
[Collection(LabDemo.Name)]
public sealed class LabCrowd(LabDemo host) : LabTest(host)
{
    [Fact]
    public void Each_function_has_one_winner() => Crowd(12);

    [Fact]
    [Trait("Category", "Nightly")]
    public void Each_function_has_one_winner_among_64() => Crowd(64);

    void Crowd(int callers)
    {
        var outcome = Host.Run($$"""
            mkdir -p /tmp/crowd
            n=0
            while [ $n -lt {{callers}} ]; do
                case $((n % 2)) in 0) guest=web1 ;; *) guest=db1 ;; esac
                case $((n / 2 % 2)) in 0) function=08:00.0 ;; *) function=09:00.0 ;; esac
                { pcipass attach $function $guest >/tmp/crowd/$n.said 2>&1; echo "$function $guest $?" >/tmp/crowd/$n.code; } </dev/null &
                n=$((n + 1))
            done
            # A reader takes no lock: it answers while the others queue.
            timeout 60 pcipass status >/dev/null; echo "reader - $?"
            ls /tmp/crowd/*.code 2>/dev/null | wc -l >&2
            wait
            cat /tmp/crowd/*.code
            grep -hE '^(error|why)' /tmp/crowd/*.said | sort | uniq -c >&2
            rm -r /tmp/crowd
            """).Exits(0);
        var lines = outcome.Stdout.Split('\n').Select(line => line.Split(' ')).Where(words => words.Length == 3).ToArray();
        Assert.True(lines.Any(words => words is ["reader", "-", "0"]), outcome.ToString());
        var calls = lines.Where(words => words[0] != "reader").ToArray();
        Assert.True(calls.Length == callers, outcome.ToString());
        foreach (var function in calls.GroupBy(words => words[0]))
            Assert.True(function.Count(words => words[2] == "0") == 1 && function.All(words => words[2] is "0" or "1"), outcome.ToString());
        // In their order on the bus: the kernel names an interface by the first number that is free.
        foreach (var winner in calls.Where(words => words[2] == "0").OrderBy(words => words[0], StringComparer.Ordinal))
            Host.Pcipass($"detach {winner[0]} {winner[1]}").Exits(0);
    }
}
