using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>Many callers at once: one winner for each function, everybody else is told, and readers do not wait.</summary>
[Collection(LabDemo.Name)]
[Trait("Category", "Lab")]
public sealed class LabCrowd(LabDemo host) : LabTest(host)
{
    [Theory]
    [InlineData(12)]
    public void Each_function_has_one_winner(int callers) => Crowd(callers);

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
                case $((n / 2 % 3)) in 0) function=07:00.0 ;; 1) function=08:00.0 ;; *) function=09:00.0 ;; esac
                { pcipass attach $function $guest >/tmp/crowd/$n.out 2>&1; echo "$function $guest $?" >/tmp/crowd/$n.code; } &
                n=$((n + 1))
            done
            # A reader takes no lock: it answers while the others queue.
            timeout 60 pcipass list >/dev/null; echo "reader - $?"
            wait
            cat /tmp/crowd/*.code
            grep -h '^why:' /tmp/crowd/*.out | sort | uniq -c
            rm -r /tmp/crowd
            """);
        var lines = outcome.Ok().Stdout.Split('\n').Select(line => line.Split(' ')).Where(words => words.Length == 3).ToArray();
        Assert.Contains(lines, words => words is ["reader", "-", "0"]);
        var calls = lines.Where(words => words[0] != "reader").ToArray();
        Assert.True(calls.Length == callers, outcome.ToString());
        foreach (var function in calls.GroupBy(words => words[0]))
            Assert.True(function.Count(words => words[2] == "0") == 1 && function.All(words => words[2] is "0" or "1"), outcome.ToString());
        foreach (var winner in calls.Where(words => words[2] == "0"))
            Assert.Equal(0, Host.Pcipass($"detach {winner[0]} {winner[1]}").ExitCode);
    }
}
