using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>Letting go nicely: the agent in a guest has the driver unbound before the function goes. A help, never a condition.</summary>
public class GuestAgentTests
{
    static SimHost WithAgent(AgentHabit habit)
    {
        var host = Machines.Make("");
        host.WithGuest(new GuestPlan("web2") { Agent = habit });
        host.Reboot();
        Assert.Equal(0, Told.By(host, "attach 09:00.0 web2").ExitCode);
        return host;
    }

    [Fact]
    public void The_driver_in_the_guest_is_unbound_before_xl_takes_the_function_away()
    {
        var host = WithAgent(AgentHabit.Prompt);
        var guest = host.FindGuest("web2")!;
        host.Faults.FailProgram($"xl pci-detach {guest.DomId} 0000:09:00.0", 1, "libxl: error: libxl_pci.c:1: not now\n", times: 1);
        var failed = Told.By(host, "detach 09:00.0 web2");
        // It failed right after the driver had gone: the agent is told, and gives it back.
        Assert.Equal(3, failed.ExitCode);
        Assert.Contains("note:  the agent in web2 says that its driver has let go of 0000:00:00.0", failed.Errors, StringComparison.Ordinal);
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.False(guest.IsUnbound("0000:00:00.0"));

        var from = host.Changes;
        var told = Told.By(host, "detach 09:00.0 web2");
        Assert.Equal(0, told.ExitCode);
        Assert.Contains("has let go of 0000:00:00.0", told.Errors, StringComparison.Ordinal);
        var home = $"/local/domain/{guest.DomId}/data/pcipass";
        Assert.Equal([$"xenstore Write {home}/ask", $"run xl pci-detach {guest.DomId} 0000:09:00.0", $"xenstore Remove {home}/ask"],
            host.Trace.Skip(from).Where(act => act.Contains(home, StringComparison.Ordinal) || act.Contains("pci-detach", StringComparison.Ordinal)));
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.DoesNotContain("data/pcipass/a", host.ToText().Replace(GuestAsk.Agent, "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(AgentHabit.None, null)]
    [InlineData(AgentHabit.Silent, "the agent in web2 has not answered within 10 s")]
    [InlineData(AgentHabit.Babbles, "the agent in web2 has not answered within 10 s")]
    [InlineData(AgentHabit.Lies, "the agent in web2 says that its driver has let go of 0000:00:00.0")]
    public void Whatever_the_guest_says_or_does_not_say_the_function_comes_back(AgentHabit habit, string? note)
    {
        var host = WithAgent(habit);
        var start = host.Clock.Elapsed;
        var told = Told.By(host, "detach 09:00.0 web2");
        Assert.True(told.ExitCode == 0, told.ToString());
        Assert.Contains("the host has 0000:09:00.0, with driver e1000e", told.Output, StringComparison.Ordinal);
        Assert.Equal(note is not null, told.Errors.Contains("note:  the agent", StringComparison.Ordinal));
        Assert.Contains(note ?? "", told.Errors, StringComparison.Ordinal);
        Assert.InRange((host.Clock.Elapsed - start).TotalSeconds, 0, 15);
        Assert.Null(StoreOf(host).Read($"/local/domain/{host.FindGuest("web2")!.DomId}/{GuestAsk.Ask}"));
    }

    [Fact]
    public void A_detach_without_an_agent_says_what_that_means_where_all_is_told()
    {
        Assert.Contains("\"guest-agent\"", Told.By(WithAgent(AgentHabit.None), "detach 09:00.0 web2 --dry-run --json").Output, StringComparison.Ordinal);
        Assert.DoesNotContain("\"guest-agent\"", Told.By(WithAgent(AgentHabit.Prompt), "detach 09:00.0 web2 --dry-run --json").Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("7 let-go 0000:00:00.0", true)]
    [InlineData("7 let-go 00:00.0", true)]
    [InlineData("7 let-go", false)]
    [InlineData("-7 let-go 0000:00:00.0", false)]
    [InlineData("99999999999 let-go 0000:00:00.0", false)]
    [InlineData("7 let-go 0000:00:00.0 now", false)]
    [InlineData("7 let-go ../../etc", false)]
    [InlineData("7 take-up 0000:00:00.0", false)]
    [InlineData("", false)]
    public void Only_an_ask_is_an_ask(string text, bool isOne) => Assert.Equal(isOne, GuestAsk.Parse(text) is not null);

    [Fact]
    public void An_answer_counts_for_its_own_ask_alone()
    {
        var ask = new GuestAsk(7, PciAddress.Parse("00:00.0"));
        Assert.Equal(GuestAnswer.Done, ask.ReadAnswer("7 done"));
        Assert.Equal(GuestAnswer.Busy, ask.ReadAnswer("7 busy"));
        Assert.All((string?[])[null, "", "8 done", "7 done ", "7 Done", "7", "7 0"], text => Assert.Null(ask.ReadAnswer(text)));
    }

    // ---- the agent itself, on a machine whose own functions stand for the guest's ------------------------------------------------------

    const string Card = "0000:09:00.0", Backend = "/local/domain/0/backend/pci/77/0";

    static (SimHost Host, Xenstore Store, GuestAgent Agent) InGuest()
    {
        var host = Machines.Make("");
        var store = StoreOf(host);
        // What libxl writes for a guest; this one has 09:00.0 and nothing else.
        store.Write("device/pci/0/backend", Backend);
        store.Write($"{Backend}/num_devs", "1");
        store.Write($"{Backend}/vdev-0", "0000:09:00.00");
        var agent = new GuestAgent(host, StoreOf(host));
        agent.Begin();
        Turn(agent);
        return (host, store, agent);
    }

    static Xenstore StoreOf(SimHost host) => new(host.ConnectXenstore()!, host.Clock);

    static string? Turn(GuestAgent agent) => agent.Turn(TimeSpan.FromSeconds(2));

    static string DriverOf(SimHost host, string function) => host.Files.ReadLink($"/sys/bus/pci/devices/{function}/driver") is string link ? link[(link.LastIndexOf('/') + 1)..] : "-";

    [Fact]
    public void The_agent_unbinds_what_its_host_asks_for_and_binds_it_again_when_it_stays()
    {
        var (host, store, agent) = InGuest();
        Assert.Equal("1", store.Read(GuestAsk.Agent));
        store.Write(GuestAsk.Ask, $"7 let-go {Card}");
        Assert.Equal($"{Card}: done", Turn(agent));
        Assert.Equal(("-", "7 done"), (DriverOf(host, Card), store.Read(GuestAsk.Answer)));
        // The same ask again is no new one; another finds no driver.
        store.Write(GuestAsk.Ask, $"7 let-go {Card}");
        Assert.Null(Turn(agent));
        store.Write(GuestAsk.Ask, $"8 let-go {Card}");
        Assert.Equal($"{Card}: free", Turn(agent));

        store.Remove(GuestAsk.Ask);
        Assert.Equal($"{Card}: stays, and has its driver e1000e again", Turn(agent));
        Assert.Equal(("e1000e", null), (DriverOf(host, Card), store.Read(GuestAsk.Answer)));

        store.Write(GuestAsk.Ask, $"9 let-go {Card}");
        Turn(agent);
        agent.End();
        Assert.Equal(("e1000e", null), (DriverOf(host, Card), store.Read(GuestAsk.Agent)));
    }

    [Fact]
    public void A_function_that_stays_for_two_minutes_gets_its_driver_back_though_its_host_says_nothing()
    {
        var (host, store, agent) = InGuest();
        store.Write(GuestAsk.Ask, $"7 let-go {Card}");
        Turn(agent);
        for (var n = 0; n < 59; n++)
            Assert.Null(Turn(agent));
        Assert.Equal("-", DriverOf(host, Card));
        Turn(agent);
        Turn(agent);
        Assert.Equal("e1000e", DriverOf(host, Card));
    }

    [Fact]
    public void The_agent_acts_on_nothing_that_its_host_has_not_given_it()
    {
        var (host, store, agent) = InGuest();
        var before = host.ToText();
        foreach (var (number, slot) in ((string[])["0000:08:00.0", "0000:07:00.0", "0000:00:1f.2", "0000:0a:00.0"]).Index())
        {
            store.Write(GuestAsk.Ask, $"{number} let-go {slot}");
            Assert.Equal($"{slot}: refused", Turn(agent));
            Assert.Equal($"{number} refused", store.Read(GuestAsk.Answer));
        }
        foreach (var rubbish in (string[])["", "let-go", new string('x', 3000), $"20 let-go {Card} 1", "21 reboot 0000:09:00.0"])
        {
            store.Write(GuestAsk.Ask, rubbish);
            Assert.Null(Turn(agent));
        }
        store.Remove(GuestAsk.Ask);
        Turn(agent);
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void A_driver_that_does_not_let_go_is_told_as_busy_in_time()
    {
        var (host, store, agent) = InGuest();
        host.Faults.Hang("/sys/bus/pci/drivers/e1000e/unbind");
        store.Write(GuestAsk.Ask, $"7 let-go {Card}");
        Assert.Equal($"{Card}: busy", Turn(agent));
        Assert.Equal("7 busy", store.Read(GuestAsk.Answer));
        host.Faults.Release("/sys/bus/pci/drivers/e1000e/unbind");
    }
}
