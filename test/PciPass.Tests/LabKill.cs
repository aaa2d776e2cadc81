using Xunit;

namespace PciPass.Tests;

/// <summary>pcipass is killed in the middle; the next one brings the host back and closes the journal.</summary>
[Collection(LabFaults.Name)]
public sealed class LabKill(LabFaults host) : LabTest(host)
{
    /// <summary>Every mark that the journal gets on the way, but for the last: "end" follows it at once.</summary>
    public static TheoryData<string> Moments => ["begin", "doing 1", "done 1", "doing 2", "doing 3", "done 3", "doing 4"];

    [Theory]
    [MemberData(nameof(Moments))]
    public void An_attach_killed_at_any_moment_is_undone_by_recover(string moment)
    {
        KillAt("attach 09:00.0 web1", moment, back: "detach 09:00.0 web1");
        Host.Pcipass("recover").Exits(0).Says("(attach) was interrupted", "is undone");
        Assert.Equal(("e1000e", "(null)", "d0"), (Host.DriverOf(Card), Host.OverrideOf(Card), Host.OwnerOf(Card)));
        Host.RunIn("web1", "show-pci").SaysNot(":");
        Host.Pcipass("recover").Exits(0).Says("every operation has ended");
    }

    [Theory]
    [InlineData("doing 1")]
    [InlineData("doing 2")]
    [InlineData("doing 3")]
    [InlineData("doing 4")]
    public void A_detach_killed_at_any_moment_is_finished_by_recover_once_the_guest_has_lost_the_function(string moment)
    {
        Host.Pcipass("attach 09:00.0 web1").Exits(0);
        KillAt("detach 09:00.0 web1", moment, back: "attach 09:00.0 web1");
        var recovered = Host.Pcipass("recover").Exits(0).Says("(detach) was interrupted");
        // Killed before xl had begun, nothing has happened yet, and nothing does.
        if (moment == "doing 1" && recovered.Stderr.Contains("is undone", StringComparison.Ordinal))
            Host.Pcipass("detach 09:00.0 web1").Exits(0);
        else
            recovered.Says($"the host has {Card}, with driver e1000e");
        Assert.Equal(("e1000e", "(null)", "d0"), (Host.DriverOf(Card), Host.OverrideOf(Card), Host.OwnerOf(Card)));
        Host.RunIn("web1", "show-pci").SaysNot(":");
        Host.Pcipass("recover").Exits(0).Says("every operation has ended");
    }

    [Fact]
    public void The_next_command_that_changes_the_host_recovers_first()
    {
        KillAt("attach 09:00.0 web1", "doing 3", back: "detach 09:00.0 web1");
        Host.Pcipass("attach 09:00.0 web1").Exits(0).Says("(attach) was interrupted", $"web1 has {Card} as 0000:00:00.0");
        Host.Pcipass("detach 09:00.0 web1").Exits(0);
    }

    /// <summary>
    /// Kills the command as soon as its journal holds the line: no signal handler can do anything then. A last step may have ended before the
    /// kill; then all is taken back, and tried again.
    /// </summary>
    void KillAt(string command, string line, string back)
    {
        for (var attempt = 0; attempt < 8; attempt++)
        {
            var killed = Host.Run($"""
                cd /var/lib/pcipass/journal 2>/dev/null; before=$(ls | wc -l)
                pcipass {command} & victim=$!
                until [ -d /var/lib/pcipass/journal ] && cd /var/lib/pcipass/journal && [ $(ls | wc -l) -gt $before ] && grep -q '^{line}$' $(ls | tail -n 1); do
                    kill -0 $victim || break
                done
                kill -9 $victim
                wait $victim
                if grep -q '^end ' $(ls | tail -n 1); then echo "too late"; fi
                """).Exits(0);
            if (!killed.Stdout.Contains("too late", StringComparison.Ordinal))
                return;
            Host.Pcipass(back).Exits(0);
        }
        Assert.Fail($"{command} always ended before it could be killed at \"{line}\"");
    }
}
