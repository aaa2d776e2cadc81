using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>What may cut off whoever asks for it is undone unless it is confirmed in time: with --rollback-after, over every crash.</summary>
public class RollbackTests
{
    const string Accept = "--accept ssh-session --accept in-use-network";
    const string Hide = $"hide --now 09:00.0 --rollback-after 60s {Accept}";

    /// <summary>A machine whose card at 09:00.0 carries the SSH session, with an address of each kind and a default route.</summary>
    static SimHost Connected() => Machines.Make("").WithAddress("eth1", "192.168.7.5", 24, "192.168.7.255").WithAddress("eth1", "192.168.8.5", 30).WithAddress("eth1", "fd00::5", 64).WithDefaultRoute("eth1", "192.168.7.1")
        .WithSshSession("192.168.7.99 51234 192.168.7.5 22");

    static SimHost Bridged() => Connected().WithBridgePort("eth1", "xenbr0");

    [Fact]
    public void Ones_own_SSH_interface_stays_unless_the_way_back_is_kept_open()
    {
        var host = Connected();
        Assert.Contains("--rollback-after 60s --accept ssh-session", Told.By(host, "hide --now 09:00.0").Errors, StringComparison.Ordinal);
        Assert.Contains("[ssh-session]", Told.By(host, $"hide --now 09:00.0 {Accept}").Errors, StringComparison.Ordinal);
        var told = Told.By(host, "hide --now 09:00.0 --rollback-after 60s");
        Assert.Equal(1, told.ExitCode);
        Assert.Contains("go on with --accept ssh-session: all is undone 60 s later unless pcipass confirm is run before", told.Errors, StringComparison.Ordinal);
        Assert.Empty(host.Detached);
    }

    [Theory]
    [InlineData(Hide)]
    [InlineData($"hide 09:00.0 --rollback-after 5m {Accept}")]
    [InlineData($"attach 09:00.0 web1 --rollback-after 1h {Accept}")]
    [InlineData($"attach 09:00.0 08:00.0 hvm1 --rollback-after 90s {Accept}")]
    public void When_nobody_confirms_all_is_as_it_was_addresses_and_routes_too(string command)
    {
        foreach (var make in (Func<SimHost>[])[Connected, Bridged])
        {
            var host = make();
            var before = host.ToText();
            var told = Told.By(host, command);
            Assert.True(told.ExitCode == 0, told.ToString());
            Assert.Contains("unless you run, before that:  pcipass confirm", told.Output, StringComparison.Ordinal);
            Assert.DoesNotContain("192.168.7.5", host.ToText(), StringComparison.Ordinal);
            Assert.Contains("is unconfirmed", Told.By(host, "status").Output, StringComparison.Ordinal);
            Assert.Contains("[busy]", Told.By(host, "unhide 09:00.0").Errors, StringComparison.Ordinal);
            Assert.Equal(0, Watch(host).ExitCode);
            Assert.Equal(before, host.ToText());
            Assert.All(new Journal(host).ReadAll(), operation => Assert.Equal(Ending.Undone, operation.Ending));
            Assert.Contains(host.KernelLog, line => line.Contains("was not confirmed in time and is undone", StringComparison.Ordinal));
            Assert.Contains("[nothing-to-confirm]", Told.By(host, "confirm").Errors, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Confirmed_in_time_it_holds()
    {
        var host = Connected();
        Assert.Equal(0, Told.By(host, Hide).ExitCode);
        host.Clock.Advance(TimeSpan.FromSeconds(50));
        var told = Told.By(host, "confirm");
        Assert.Equal(0, told.ExitCode);
        Assert.Contains("0000:09:00.0 is hidden from the host     (operation 1)", told.Output, StringComparison.Ordinal);
        var after = host.ToText();
        Assert.Equal(0, Watch(host).ExitCode);
        Assert.Equal(after, host.ToText());
        Assert.Equal(Ending.Done, Assert.Single(new Journal(host).ReadAll()).Ending);
        Assert.Equal(0, Told.By(host, "unhide 09:00.0").ExitCode);
    }

    [Fact]
    public void Confirmed_too_late_it_is_undone_whoever_comes_first()
    {
        var host = Connected();
        var before = host.ToText();
        Assert.Equal(0, Told.By(host, Hide).ExitCode);
        host.Clock.Advance(TimeSpan.FromSeconds(61));
        Assert.Equal(1, Told.By(host, "confirm").ExitCode);
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void Recover_leaves_it_alone_before_its_time_is_up_and_undoes_it_after_where_the_one_who_waits_has_died()
    {
        var host = Connected();
        var before = host.ToText();
        Assert.Equal(0, Told.By(host, Hide).ExitCode);
        var after = host.ToText();
        Assert.Equal(5, Told.By(host, "recover").ExitCode);
        Assert.Equal(after, host.ToText());
        host.Clock.Advance(TimeSpan.FromSeconds(61));
        Assert.Equal(0, Told.By(host, "recover").ExitCode);
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void However_early_the_command_dies_the_one_who_waits_undoes_it()
    {
        var n = 0;
        for (; ; n++)
        {
            var host = Bridged();
            var before = host.ToText();
            if (!Told.Dies(host, $"attach 09:00.0 web1 --rollback-after 60s {Accept}", n))
                break;
            // Where it was not started yet, nothing was changed yet.
            if (host.Detached.Count > 0)
                Assert.Equal(0, Watch(host).ExitCode);
            host.Clock.Advance(TimeSpan.FromSeconds(5));
            Assert.Equal(before, host.ToText());
            if (host.Detached.Count > 0)
                Assert.All(new Journal(host).ReadAll(), operation => Assert.NotEqual(Ending.None, operation.Ending));
        }
        Assert.True(n > 30, $"{n} cases");
    }

    [Fact]
    public void Wherever_the_one_who_waits_dies_recover_undoes_the_rest()
    {
        var m = 0;
        for (; ; m++)
        {
            var host = Bridged();
            var before = host.ToText();
            Assert.Equal(0, Told.By(host, $"attach 09:00.0 web1 --rollback-after 60s {Accept}").ExitCode);
            if (!Told.Dies(host, string.Join(' ', host.Detached[0]), m))
                break;
            host.Clock.Advance(TimeSpan.FromSeconds(60));
            Assert.Equal(0, Told.By(host, "recover").ExitCode);
            Assert.Equal(before, host.ToText());
            Assert.All(new Journal(host).ReadAll(), operation => Assert.NotEqual(Ending.None, operation.Ending));
        }
        Assert.True(m > 20, $"{m} cases");
    }

    [Fact]
    public void Wherever_the_confirmation_dies_it_holds_or_is_undone_and_nothing_between()
    {
        HashSet<Ending> endings = [];
        for (var n = 0; ; n++)
        {
            var host = Connected();
            var before = host.ToText();
            Assert.Equal(0, Told.By(host, Hide).ExitCode);
            var after = host.ToText();
            if (!Told.Dies(host, "confirm", n))
                break;
            Assert.Equal(0, Watch(host).ExitCode);
            var ending = Assert.Single(new Journal(host).ReadAll()).Ending;
            Assert.Equal(ending == Ending.Done ? after : before, host.ToText());
            endings.Add(ending);
        }
        Assert.Equal([Ending.Done, Ending.Undone], endings.Order());
    }

    [Fact]
    public void A_restart_in_between_undoes_what_outlives_it_too()
    {
        foreach (var restart in (Action<SimHost>[])[host => host.Reboot(), host => host.PowerLoss()])
        {
            var host = Connected();
            Assert.Equal(0, Told.By(host, $"hide 09:00.0 --rollback-after 60s {Accept}").ExitCode);
            Assert.Contains("0000:09:00.0", host.Files.ReadText("/etc/pcipass/devices"), StringComparison.Ordinal);
            restart(host);
            // The unit that hides late goes by the list as it is then.
            Assert.Equal(0, Told.By(host, "boot apply").ExitCode);
            Assert.Equal("e1000e", host.Function("09:00.0").Driver);
            Assert.DoesNotContain("0000:09:00.0", host.Files.ReadText("/etc/pcipass/devices") ?? "", StringComparison.Ordinal);
            Assert.Equal(Ending.Void, Assert.Single(new Journal(host).ReadAll()).Ending);
        }
    }

    [Fact]
    public void Where_nobody_can_be_started_to_undo_it_nothing_is_done()
    {
        var host = Connected();
        var before = host.ToText();
        host.Faults.Fail("start await-confirmation 1", Errno.EPERM);
        var told = Told.By(host, Hide);
        Assert.Equal(3, told.ExitCode);
        Assert.Contains("could not start what would undo it", told.Errors, StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void A_VLAN_on_the_interface_would_be_gone_for_good_so_it_stays_a_reason()
    {
        var host = HostText.Parse("0000:09:00.0 020000 driver=e1000e names=eth1\nuse 0000:09:00.0 NetworkLower eth1 eth1.5");
        var request = new Request(Verb.Hide, [PciAddress.Parse("09:00.0")], null, ["in-use-network"]) { RollbackAfter = TimeSpan.FromMinutes(1) };
        Assert.Equal(["in-use-network"], Planner.Plan(host, request).Refusals.Select(finding => finding.Code));
    }

    [Fact]
    public void The_way_to_the_root_file_system_is_never_risked()
    {
        var host = HostText.Parse("0000:09:00.0 020000 driver=e1000e names=eth1\nuse 0000:09:00.0 NetworkAddress eth1 10.0.2.15/24\nuse 0000:09:00.0 NetworkStorage eth1 /_(nfs_from_10.0.2.2)");
        var request = new Request(Verb.Hide, [PciAddress.Parse("09:00.0")], null, ["in-use-network"]) { RollbackAfter = TimeSpan.FromMinutes(1) };
        Assert.Contains("over its interface eth1", Assert.Single(Planner.Plan(host, request).Refusals).Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("60")]
    [InlineData("s")]
    [InlineData("-5s")]
    [InlineData("1s")]
    [InlineData("2d")]
    [InlineData("99999999999s")]
    [InlineData("25h")]
    public void A_time_that_cannot_be_meant_is_told(string time) => Assert.Equal(2, Told.By(Connected(), $"hide --now 09:00.0 --rollback-after {time}").ExitCode);

    [Fact]
    public void What_only_the_next_start_does_cannot_be_rolled_back() => Assert.Equal(2, Told.By(Connected(), "hide --boot 09:00.0 --rollback-after 60s").ExitCode);

    [Fact]
    public void Settings_read_back_from_the_journal()
    {
        var settings = new NetworkSettings(true, 9000, "br0", ["10.0.2.15/24 broadcast 10.0.2.255", "10.0.3.1/32", "fd00::5/64"], ["default via 10.0.2.2 metric 100"]);
        Assert.Equal(settings, NetworkSettings.Parse(settings.Text));
        Assert.Throws<FormatException>(() => NetworkSettings.Parse("up now"));
        Assert.Throws<FormatException>(() => Step.Parse("network 0000:09:00.0 ../x 1 -> -"));
    }

    static Told Watch(SimHost host) => Told.By(host, string.Join(' ', Assert.Single(host.Detached)));
}
