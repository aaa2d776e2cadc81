using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>Guests that libvirt runs by Xen, on the simulated host: found in xenstore, and given functions through libvirt, whose list of them stays true.</summary>
public class LibvirtXenTests
{
    const string Card = "0000:09:00.0";
    const string Managed = "<hostdev mode='subsystem' type='pci' managed='yes'><source><address bus='0x09' slot='0' function='0'/></source></hostdev>";

    /// <summary>xl runs web1, libvirt runs virt1 and has virt2 defined.</summary>
    static SimHost Host(GuestPlan? virt1 = null) => SimHost.Xen().WithDrivers("e1000e", "nvme")
        .WithRootPort("00:04.1", 8).WithRootPort("00:04.2", 9).WithNetworkCard("08:00.0", "52:54:00:08:00:00").WithNetworkCard("09:00.0", "52:54:00:09:00:00")
        .WithLibvirt("virt1", "virt2").WithGuest(new GuestPlan("web1")).WithGuest((virt1 ?? new GuestPlan("virt1")) with { IsLibvirts = true }).Boot();

    static string Squeezed(string text) => string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    static IEnumerable<string> Has(SimHost host, string guest = "virt1") => host.FindGuest(guest)!.Functions.Values.Select(function => $"{function.Address}");

    [Fact]
    public void A_card_goes_to_a_running_guest_and_into_its_definition_by_libvirt_and_comes_back_as_it_was()
    {
        var host = Host();
        var before = host.ToText();
        Assert.Contains("done: virt1 has 0000:09:00.0 as 0000:00:00.0", Told.By(host, "attach 09:00.0 virt1").Says(0), StringComparison.Ordinal);
        Assert.Equal([Card], Has(host));
        Assert.Equal([PciAddress.Parse(Card)], host.Libvirt!.Listed("virt1"));
        Assert.Equal([PciAddress.Parse(Card)], DomainXml.Parse(host.Libvirt.Definition("virt1")!).Functions);
        Assert.DoesNotContain(host.Trace, act => act.StartsWith("run xl pci-attach", StringComparison.Ordinal));
        Assert.Contains("virt1 libvirt pv domain 2 0000:09:00.0 0000:09:00.0", Squeezed(Told.By(host, "guests").Says(0)), StringComparison.Ordinal);
        Assert.Contains("[still-attached]", Told.By(host, "unhide 09:00.0").Says(1), StringComparison.Ordinal);
        Assert.Contains("done: the host has 0000:09:00.0, with driver e1000e (eth1)", Told.By(host, "detach 09:00.0 libvirt:virt1").Says(0), StringComparison.Ordinal);
        Assert.DoesNotContain(host.Trace, act => act.StartsWith("run xl pci-detach", StringComparison.Ordinal));
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void A_guest_of_xl_beside_it_is_xls_and_each_has_its_own_prefix()
    {
        var host = Host();
        var before = host.ToText();
        Told.By(host, "attach 09:00.0 xen:web1 --live").Says(0);
        Assert.Contains(host.Trace, act => act.StartsWith("run xl pci-attach", StringComparison.Ordinal));
        Told.By(host, "detach 09:00.0 web1 --live").Says(0);
        Assert.Equal(before, host.ToText());
        Assert.Contains("[guest-unknown]", Told.By(host, "attach 09:00.0 xen:virt1 --live").Says(1), StringComparison.Ordinal);
        Assert.Contains("[guest-unknown]", Told.By(host, "attach 09:00.0 libvirt:web1 --live").Says(1), StringComparison.Ordinal);
    }

    [Fact]
    public void A_stopped_guest_is_given_a_card_by_its_definition_and_starts_with_it()
    {
        var host = Host();
        Told.By(host, "attach 09:00.0 virt2").Says(0);
        Assert.Contains("virt2 libvirt pv stopped - 0000:09:00.0", Squeezed(Told.By(host, "guests").Says(0)), StringComparison.Ordinal);
        Assert.Contains("[claimed]", Told.By(host, "attach 09:00.0 web1 --live").Says(1), StringComparison.Ordinal);
        host.WithGuest(new GuestPlan("virt2") { IsLibvirts = true, Autostart = false });
        host.StartGuest("virt2");
        Assert.Equal([Card], Has(host, "virt2"));
        Assert.Contains("attached  virt2", Told.By(host, "status").Says(0), StringComparison.Ordinal);
        Told.By(host, "detach 09:00.0 virt2").Says(0);
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
        Assert.Empty(DomainXml.Parse(host.Libvirt!.Definition("virt2")!).Functions);
    }

    [Fact]
    public void What_xl_gave_is_told_as_not_listed_and_taken_through_xl()
    {
        var host = Host();
        var before = host.ToText();
        Told.By(host, "hide --now 09:00.0").Says(0);
        host.Run("xl", ["pci-attach", "virt1", Card], TimeSpan.FromMinutes(1));
        host.Clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Contains("virt1 has 0000:09:00.0, which libvirt did not give it and does not list", Told.By(host, "guests").Says(0), StringComparison.Ordinal);
        Told.By(host, "detach 09:00.0 virt1").Says(0);
        Told.By(host, "unhide --now 09:00.0").Says(0);
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void What_virsh_gave_is_seen_and_what_xl_took_from_it_is_told()
    {
        var host = Host();
        Told.By(host, "hide --now 09:00.0").Says(0);
        host.Libvirt!.AttachByHand("virt1", DomainXml.Element(PciAddress.Parse(Card), managed: false));
        Assert.Contains("attached  virt1", Told.By(host, "status").Says(0), StringComparison.Ordinal);
        host.Run("xl", ["pci-detach", "virt1", Card], TimeSpan.FromMinutes(1));
        host.Clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Contains("libvirt lists 0000:09:00.0 for virt1, which does not have it", Told.By(host, "guests").Says(0), StringComparison.Ordinal);
        Assert.Contains("target pci device 0000:09:00.0 already exists", Told.By(host, "attach 09:00.0 virt1 --live").Says(3), StringComparison.Ordinal);
    }

    [Fact]
    public void What_libvirt_manages_it_does_not_give_back_and_pcipass_does()
    {
        var host = Host();
        host.Libvirt!.AttachByHand("virt1", Managed);
        host.Clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal([Card], Has(host));
        Assert.Contains("0000:09:00.0 is hidden from the host", Told.By(host, "detach 09:00.0 virt1").Says(0), StringComparison.Ordinal);
        Assert.Empty(host.Libvirt.Listed("virt1"));
        Told.By(host, "unhide --now 09:00.0").Says(0);
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
    }

    [Fact]
    public void Where_its_libvirt_does_not_answer_a_guest_is_refused_and_others_are_not()
    {
        var host = Host();
        host.Faults.Hang("libvirt");
        Assert.Contains("libvirt at /run/libvirt/libvirt-sock does not answer within 5 s", Told.By(host, "attach 09:00.0 virt1 --live").Says(1), StringComparison.Ordinal);
        Told.By(host, "attach 09:00.0 web1 --live").Says(0);
        Told.By(host, "detach 09:00.0 web1 --live").Says(0);
    }

    [Fact]
    public void A_name_with_a_file_of_xls_and_a_definition_is_refused_until_one_is_said()
    {
        var host = Host();
        host.Files.ReplaceFile("/etc/xen/virt2.cfg", "name = \"virt2\"\ntype = \"pv\"\n"u8);
        Assert.Contains("/etc/xen/virt2.cfg and libvirt's definition of virt2 are each a configuration of guest virt2", Told.By(host, "attach 09:00.0 virt2").Says(1), StringComparison.Ordinal);
        Told.By(host, "attach 09:00.0 xen:virt2").Says(0);
        Assert.Empty(DomainXml.Parse(host.Libvirt!.Definition("virt2")!).Functions);
        Told.By(host, "detach 09:00.0 xen:virt2").Says(0);
        Told.By(host, "attach 09:00.0 libvirt:virt2").Says(0);
        Assert.Single(DomainXml.Parse(host.Libvirt.Definition("virt2")!).Functions);
    }

    [Fact]
    public void A_definition_as_PVH_is_refused()
    {
        var host = Host();
        host.Libvirt!.Define("virt2", host.Libvirt.Definition("virt2")!.Replace(">linux<", ">xenpvh<", StringComparison.Ordinal));
        Assert.Contains("libvirt's definition of virt2 makes it a PVH guest", Told.By(host, "attach 09:00.0 virt2").Says(1), StringComparison.Ordinal);
    }

    [Fact]
    public void xl_does_not_save_it_behind_libvirts_back() =>
        Assert.Contains("libvirt runs it, and xl would end it behind libvirt's back", Told.By(Host(), "save virt1 /srv/virt1").Says(1), StringComparison.Ordinal);

    [Fact]
    public void A_guest_that_has_not_taken_up_its_bus_keeps_what_it_got()
    {
        var host = Host(new GuestPlan("virt1") { Habit = FrontendHabit.NeverLetsGo });
        Told.By(host, "attach 09:00.0 virt1").Says(0);
        Assert.Contains("[pending]", Told.By(host, "detach 09:00.0 virt1").Says(5), StringComparison.Ordinal);
        host.FindGuest("virt1")!.Habit = FrontendHabit.Prompt;
        host.Clock.Advance(TimeSpan.FromSeconds(5));
        Told.By(host, "recover").Says(0);
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
    }

    [Theory]
    [InlineData("attach 09:00.0 virt1")]
    [InlineData("detach 09:00.0 virt1")]
    public void A_death_at_every_change_is_recovered(string command)
    {
        for (var changes = 0; ; changes++)
        {
            var host = Host();
            var without = host.ToText();
            if (command.StartsWith("detach", StringComparison.Ordinal))
                Told.By(host, "attach 09:00.0 virt1").Says(0);
            var with = host.ToText();
            var ended = !Told.Dies(host, command, changes);
            host.Clock.Advance(TimeSpan.FromSeconds(10));
            Told.By(host, "recover").Says(0);
            if (command.StartsWith("attach", StringComparison.Ordinal) && Has(host).Any())
                Told.By(host, "detach 09:00.0 virt1").Says(0);
            Assert.Equal(Has(host).Any() ? with : without, host.ToText());
            Assert.Equal(Has(host), host.Libvirt!.Listed("virt1").Select(address => $"{address}"));
            if (ended)
                break;
        }
    }
}
