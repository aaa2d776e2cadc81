using PciPass.Core;
using Xunit;

namespace PciPass.Tests;

/// <summary>What follows from a journal: which functions are away from the host, what they had, and which risks were accepted for them.</summary>
public class LedgerTests
{
    const string Boot = "1580ff96-42ec-46a8-9487-d30ee1f9f55b", Former = "00000000-0000-4000-8000-000000000000";
    const string Hide9 = "step rebind 0000:09:00.0 e1000e -> -\nstep assignable 0000:09:00.0 no -> yes\n",
        Unhide9 = "step assignable 0000:09:00.0 yes -> no\nstep rebind 0000:09:00.0 - -> e1000e\n",
        Vfio9 = "step rebind 0000:09:00.0 e1000e -> -\nstep rebind 0000:09:00.0 - -> vfio-pci\n",
        Home9 = "step rebind 0000:09:00.0 vfio-pci -> -\nstep rebind 0000:09:00.0 - -> e1000e\n";

    static readonly PciAddress Nine = PciAddress.Parse("0000:09:00.0");

    /// <summary>An operation upon 09:00.0 and 08:00.0 that has ended, as its journal file has it.</summary>
    static Operation Done(int number, string verb, string steps, string accept = "", string boot = Boot, string end = "done") => Operation.Parse($"""
        pcipass journal 1
        operation {number}
        verb {verb}
        time 2026-11-23T09:03:38Z
        user root
        boot {boot}
        {(verb is "attach" or "detach" ? "guest web1\n" : "")}function 0000:09:00.0 0000:00/05.0/00.0,8086:10d3:8086:0000,525400ffff090000
        function 0000:08:00.0 0000:00/04.0/00.0,8086:10d3:8086:0000,525400ffff080000
        {(accept.Length > 0 ? $"accept {accept}\n" : "")}{steps}begin
        end {end} 2026-11-23T09:03:43Z

        """)!;

    static string AcceptedFor(PciAddress function, params Operation[] operations) =>
        Ledger.Accepted(operations, Boot).TryGetValue(function, out var accepted) ? string.Join(' ', accepted) : "-";

    [Fact]
    public void Accepted_risks_add_up_until_the_function_is_back_with_the_host()
    {
        var (hide, attach, detach) = (Done(1, "hide", Hide9, "claimed"), Done(2, "attach", "step plug 0000:09:00.0 - -> web1/1\n", "unconfined-dma"), Done(3, "detach", Unhide9));
        Assert.Equal("claimed", AcceptedFor(Nine, hide));
        Assert.Equal("claimed unconfined-dma", AcceptedFor(Nine, hide, attach));
        Assert.Equal("-", AcceptedFor(Nine, hide, attach, detach));
        // The journal's files come in any order.
        Assert.Equal("-", AcceptedFor(Nine, detach, attach, hide));
        Assert.Equal("claimed", AcceptedFor(Nine, Done(4, "hide", Hide9, "claimed"), hide, detach));
        // Only one of the two went home.
        Assert.Equal("claimed unconfined-dma", AcceptedFor(PciAddress.Parse("0000:08:00.0"), hide, attach, detach));
        // Out of its guest, and still hidden.
        Assert.Equal("claimed unconfined-dma", AcceptedFor(Nine, hide, attach, Done(3, "detach", "step plug 0000:09:00.0 web1/1 -> -\n")));
    }

    [Fact]
    public void Risks_of_another_boot_and_of_what_was_undone_are_accepted_for_nothing()
    {
        Assert.Equal("-", AcceptedFor(Nine, Done(1, "hide", Hide9, "claimed", Former)));
        Assert.Equal("-", AcceptedFor(Nine, Done(1, "hide", Hide9, "claimed", end: "undone")));
        Assert.Equal("claimed", AcceptedFor(Nine, Done(1, "hide", Hide9, "claimed"), Done(2, "unhide", Unhide9, boot: Former), Done(3, "unhide", Unhide9, end: "undone")));
    }

    [Fact]
    public void With_vfio_too_they_end_when_the_function_is_back()
    {
        var hide = Done(1, "hide", Vfio9, "claimed");
        Assert.Equal("claimed", AcceptedFor(Nine, hide));
        Assert.Equal("-", AcceptedFor(Nine, hide, Done(2, "unhide", Home9)));
        Assert.Equal("-", AcceptedFor(Nine, hide, Done(2, "detach", Home9)));
    }

    [Theory]
    [InlineData("hide", Hide9, "unhide", Unhide9, "pciback")]
    [InlineData("hide", Vfio9, "unhide", Home9, "vfio-pci")]
    [InlineData("attach", Vfio9, "detach", Home9, "vfio-pci")]
    public void A_function_is_away_with_what_it_had_from_its_hiding_until_its_return(string verb, string there, string back, string home, string holder)
    {
        var taken = Assert.Single(Ledger.Taken([Done(1, verb, there)], Boot));
        // No step sets an override: it was its holder's before.
        Assert.Equal((Nine, "e1000e", holder, false, 1), (taken.Address, $"{taken.Driver}", $"{taken.DriverOverride}", taken.HadSlot, taken.Operation));
        Assert.Equal(verb == "attach" ? "web1" : "", $"{taken.Guest}");
        Assert.Empty(Ledger.Taken([Done(1, verb, there), Done(2, back, home)], Boot));
        Assert.Empty(Ledger.Taken([Done(2, back, home), Done(1, verb, there)], Boot));
        Assert.Empty(Ledger.Taken([Done(1, verb, there, boot: Former)], Boot));
        Assert.Empty(Ledger.Taken([Done(1, verb, there, end: "undone")], Boot));
        Assert.Single(Ledger.Taken([Done(1, verb, there), Done(2, back, home, end: "undone")], Boot));
    }

    /// <summary>On Xen vfio-pci may have been a function's driver before it was hidden.</summary>
    [Fact]
    public void A_driver_that_comes_back_is_no_holder()
    {
        var hide = Done(1, "hide", "step rebind 0000:09:00.0 vfio-pci -> -\nstep assignable 0000:09:00.0 no -> yes\n");
        Assert.Equal("vfio-pci", $"{Assert.Single(Ledger.Taken([hide], Boot)).Driver}");
        Assert.Empty(Ledger.Taken([hide, Done(2, "unhide", "step assignable 0000:09:00.0 yes -> no\nstep rebind 0000:09:00.0 - -> vfio-pci\n")], Boot));
    }
}
