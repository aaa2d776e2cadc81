using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>What xl really does when it moves a guest that runs to another host, as far as pcipass depends on it. hvm1 and web1 run here; box2 is the other host.</summary>
public abstract class MoveContract
{
    protected abstract HostSystem Here { get; }
    protected abstract HostSystem There { get; }

    static ProgramResult Xl(HostSystem host, params string[] arguments) => host.Run("xl", arguments, TimeSpan.FromMinutes(5));

    ProgramResult Move(string guest, string to) => Xl(Here, "migrate", "-s", "ssh -o BatchMode=yes -o ConnectTimeout=15 --", DomainOf(Here, guest)!, to);

    static string? DomainOf(HostSystem host, string guest) => Xl(host, "domid", guest) is { ExitCode: 0 } result ? result.Output.Trim() : null;

    static string Store(HostSystem host, string path) => host.Run("xenstore-read", [path], TimeSpan.FromSeconds(30)).Output.Trim();

    static string Uuid(HostSystem host, string guest) => Store(host, $"/local/domain/{DomainOf(host, guest)}/vm");

    static string State(HostSystem host, string guest) => Xl(host, "list", guest).Output.TrimEnd('\n').Split('\n')[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries)[^1].Split('\t')[0];

    [Fact]
    public void An_HVM_guest_that_is_moved_while_it_runs_is_there_with_its_name_and_its_uuid_and_is_gone_here()
    {
        var uuid = Uuid(Here, "hvm1");
        var result = Move("hvm1", "box2");
        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Null(DomainOf(Here, "hvm1"));
        Assert.Equal(uuid, Uuid(There, "hvm1"));
        Assert.Equal("hvm1", Store(There, $"/local/domain/{DomainOf(There, "hvm1")}/name"));
    }

    [Fact]
    public void A_PV_guest_is_not_moved_while_it_runs_and_runs_on_here()
    {
        var result = Move("web1", "box2");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("Failed to enable logdirty", result.Errors, StringComparison.Ordinal);
        Assert.NotNull(DomainOf(Here, "web1"));
        Assert.Null(DomainOf(There, "web1"));
        Assert.DoesNotContain("s", State(Here, "web1"), StringComparison.Ordinal);
    }

    [Fact]
    public void To_a_host_that_nobody_knows_nothing_is_moved()
    {
        var result = Move("web1", "nobody");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("truncated reading banner from migration receiver stream", result.Errors, StringComparison.Ordinal);
        Assert.NotNull(DomainOf(Here, "web1"));
    }
}
