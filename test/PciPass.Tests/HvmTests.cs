using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>Functions of HVM guests, which have them through their device model, on the simulated host.</summary>
public class HvmTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_the_guest_lets_go_of_too_late_comes_back_at_the_next_try(bool asksAgain)
    {
        var host = Machines.Make("");
        Told.By(host, "attach 09:00.0 hvm1").Says(0);
        var guest = host.FindGuest("hvm1")!;
        guest.Habit = FrontendHabit.NeverLetsGo;
        var told = Told.By(host, "detach 09:00.0 hvm1").Says(5);
        Assert.Contains("guest hvm1 has not let go of 0000:09:00.0 in the ten seconds that xl waits", told, StringComparison.Ordinal);
        Told.By(host, "recover").Says(5);
        Assert.Single(guest.Functions);
        guest.Habit = FrontendHabit.Prompt;
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Empty(guest.Functions);
        // Until then, xenstore says that the guest has it, and so does pcipass.
        if (asksAgain)
            Assert.Contains("[busy]", Told.By(host, "attach 09:00.0 hvm1").Says(1), StringComparison.Ordinal);
        Told.By(host, "recover").Says(0);
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
        Told.By(host, "attach 09:00.0 hvm1").Says(0);
        Assert.Single(guest.Functions);
    }

    /// <summary>What its next start has by its configuration is that one's.</summary>
    [Theory]
    [InlineData("hvm1")]
    [InlineData("web1")]
    public void A_guest_that_ends_before_it_lets_go_and_starts_again_with_the_function_keeps_it(string name)
    {
        var host = Machines.Make("");
        Told.By(host, $"attach 09:00.0 {name}").Says(0);
        host.FindGuest(name)!.Habit = FrontendHabit.NeverLetsGo;
        Told.By(host, $"detach 09:00.0 {name}").Says(5);
        host.DestroyGuest(name);
        host.StartGuest(name);
        host.Clock.Advance(TimeSpan.FromSeconds(5));
        var text = host.ToText();
        Assert.Contains($"guest {name} (domain 4) has it", Told.By(host, "recover").Says(0), StringComparison.Ordinal);
        Assert.Single(host.FindGuest(name)!.Functions);
        Assert.Equal(text, host.ToText());
    }
}
