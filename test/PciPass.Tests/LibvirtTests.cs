using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>Guests of libvirt's on the simulated host: found by their processes, spoken to over libvirt's socket.</summary>
public class LibvirtTests
{
    const string Card = "0000:09:00.0";
    const string Managed = "<hostdev mode='subsystem' type='pci' managed='yes'><source><address bus='0x09' slot='0' function='0'/></source></hostdev>";

    static SimHost Host(params ReadOnlySpan<QemuPlan> guests)
    {
        var host = SimHost.Linux().WithCardsOfTheContract().WithLibvirt("web1", "db1");
        foreach (var guest in guests)
            host.WithQemu(guest with { IsLibvirts = true });
        return host.Boot();
    }

    static string Squeezed(string text) => string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries));

    static SimQemu Web1(SimHost host) => host.Qemus.Single(qemu => qemu.Name == "web1");

    [Fact]
    public void A_card_goes_to_a_running_guest_and_into_its_definition_and_comes_back_as_it_was()
    {
        var host = Host(new QemuPlan("web1"));
        var before = host.ToText();
        Assert.Contains("done: web1 has 0000:09:00.0 as 0000:01:00.0", Told.By(host, "attach 09:00.0 web1").Says(0), StringComparison.Ordinal);
        Assert.Equal([(PciAddress.Parse(Card), "port1")], Web1(host).Functions);
        var defined = Assert.Single(DomainXml.Parse(host.Libvirt!.Definition("web1")!).HostDevices);
        Assert.Equal((PciAddress.Parse(Card), false), (defined.Address, defined.Managed));
        Assert.Contains("attached  web1", Told.By(host, "status").Says(0), StringComparison.Ordinal);
        Assert.Contains("[still-attached]", Told.By(host, "unhide 09:00.0").Says(1), StringComparison.Ordinal);
        Assert.Contains("done: the host has 0000:09:00.0, with driver e1000e (eth1)", Told.By(host, "detach 09:00.0 libvirt:web1").Says(0), StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());
        Assert.Contains("plug 0000:09:00.0 - -> libvirt:web1/", Told.By(host, "history 09:00.0").Says(0), StringComparison.Ordinal);
    }

    [Fact]
    public void One_half_alone_and_a_stopped_guest()
    {
        var host = Host(new QemuPlan("web1"));
        var before = host.ToText();
        Told.By(host, "attach 09:00.0 web1 --live").Says(0);
        Assert.Contains("web1 has 0000:09:00.0, and libvirt's definition of web1 does not name it", Told.By(host, "guests").Says(0), StringComparison.Ordinal);
        Told.By(host, "attach 09:00.0 web1 --config").Says(0);
        Assert.DoesNotContain("does not name it", Told.By(host, "guests").Says(0), StringComparison.Ordinal);
        Told.By(host, "detach 09:00.0 web1").Says(0);
        Assert.Equal(before, host.ToText());
        Told.By(host, "attach 09:00.0 db1").Says(0);
        Assert.Empty(Web1(host).Functions);
        Assert.Contains("db1 libvirt hvm stopped - 0000:09:00.0", Squeezed(Told.By(host, "guests").Says(0)), StringComparison.Ordinal);
        Assert.Contains("[claimed]", Told.By(host, "attach 09:00.0 web1").Says(1), StringComparison.Ordinal);
        Told.By(host, "detach 09:00.0 db1").Says(0);
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void What_virsh_gave_is_seen_and_what_libvirt_manages_it_gives_back_itself()
    {
        var host = Host(new QemuPlan("web1"));
        var before = host.ToText();
        host.Libvirt!.AttachByHand("web1", Managed);
        Assert.Contains("guest web1 (process ", Told.By(host, "hide 09:00.0").Says(1), StringComparison.Ordinal);
        Assert.Contains("web1 has 0000:09:00.0, and libvirt's definition", Told.By(host, "status").Says(0), StringComparison.Ordinal);
        Told.By(host, "detach 09:00.0 web1").Says(0);
        Assert.Equal(before, host.ToText());
        // Hidden by pcipass before, given by others' hands, managed: libvirt gives it back, and nothing of that is done twice.
        Told.By(host, "attach 09:00.0 web1").Says(0);
        host.Libvirt.DetachByHand("web1", Managed);
        host.Clock.Advance(TimeSpan.FromSeconds(10));
        host.Libvirt.AttachByHand("web1", Managed);
        Told.By(host, "detach 09:00.0 web1").Says(0);
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void A_definition_that_others_wrote_keeps_what_it_says_when_a_detach_is_undone()
    {
        var host = Host(new QemuPlan("web1") { Unplug = UnplugAnswer.Refuses });
        host.Libvirt!.Define("web1", DomainXml.Parse(host.Libvirt.Definition("web1")!).With(PciAddress.Parse(Card), managed: true));
        host.Libvirt.AttachByHand("web1", Managed);
        var before = host.ToText();
        Assert.Contains("the guest refused to let go of it", Told.By(host, "detach 09:00.0 web1").Says(3), StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void A_guest_that_does_not_let_go_is_waited_for_and_recover_goes_on()
    {
        var host = Host(new QemuPlan("web1") { Unplug = UnplugAnswer.Nothing });
        var before = host.ToText();
        Told.By(host, "attach 09:00.0 web1").Says(0);
        Assert.Contains("detach waits for the guest     [pending]", Told.By(host, "detach 09:00.0 web1").Says(5), StringComparison.Ordinal);
        Told.By(host, "recover").Says(5);
        Web1(host).Reset();
        Told.By(host, "recover").Says(0);
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void A_guest_that_has_ended_gives_back_and_another_start_of_it_never_had_the_card()
    {
        var host = Host(new QemuPlan("web1"));
        Told.By(host, "attach 09:00.0 web1 --live").Says(0);
        host.EndQemu("web1");
        host.StartQemu(new QemuPlan("web1") { IsLibvirts = true });
        Told.By(host, "detach 09:00.0 web1").Says(0);
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
    }

    [Fact]
    public void A_libvirt_that_does_not_answer_is_told_and_changes_nothing()
    {
        var host = Host(new QemuPlan("web1"));
        var before = host.ToText();
        host.Faults.Hang("libvirt");
        Assert.Contains("libvirt at /run/libvirt/libvirt-sock does not answer within 5 s", Told.By(host, "attach 09:00.0 web1").Says(1), StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());
        Told.By(host, "list").Says(0);
    }

    [Theory]
    [InlineData("attach 09:00.0 web1")]
    [InlineData("detach 09:00.0 web1")]
    public void A_death_at_every_change_is_recovered(string command)
    {
        for (var changes = 0; ; changes++)
        {
            var host = Host(new QemuPlan("web1"));
            var without = host.ToText();
            if (command.StartsWith("detach", StringComparison.Ordinal))
                Told.By(host, "attach 09:00.0 web1").Says(0);
            var with = host.ToText();
            var ended = !Told.Dies(host, command, changes);
            host.Clock.Advance(TimeSpan.FromSeconds(10));
            Told.By(host, "recover").Says(0);
            if (command.StartsWith("attach", StringComparison.Ordinal) && Web1(host).Functions.Any())
                Told.By(host, "detach 09:00.0 web1").Says(0);
            Assert.Contains(host.ToText(), (string[])[with, without]);
            Assert.Equal(Web1(host).Functions.Any() ? with : without, host.ToText());
            if (ended)
                break;
        }
    }

    [Fact]
    public void A_definition_is_put_back_after_the_host_has_restarted_in_the_middle()
    {
        for (var changes = 0; ; changes++)
        {
            var host = Host(new QemuPlan("web1"));
            var defined = host.Libvirt!.Definition("web1");
            var ended = !Told.Dies(host, "attach 09:00.0 web1", changes);
            if (ended)
                break;
            host.Reboot();
            Told.By(host, "recover").Says(0);
            // It may have died right behind its end: what is defined holds over restarts then.
            if (!Told.By(host, "history").Says(0).Contains(" done", StringComparison.Ordinal))
                Assert.Equal(defined, host.Libvirt.Definition("web1"));
        }
    }

    /// <summary>Whatever was done by pcipass and by virsh, in whatever order: who has the card is told as it is, and pcipass gets it home.</summary>
    [Fact]
    public void A_guest_moved_between_pcipass_and_virsh_in_any_order_is_told_as_it_is()
    {
        string[] commands =
        [
            "attach 09:00.0 web1", "attach 09:00.0 web1 --live", "attach 09:00.0 web1 --config", "detach 09:00.0 web1", "detach 09:00.0 web1 --live", "detach 09:00.0 web1 --config",
            "hide --now 09:00.0", "unhide --now 09:00.0",
        ];
        var unmanaged = Managed.Replace("yes", "no", StringComparison.Ordinal);
        for (var seed = 0; seed < 100; seed++)
        {
            var random = new Random(seed);
            var host = Host(new QemuPlan("web1"));
            var before = host.ToText();
            List<string> done = [];
            for (var act = 0; act < 8; act++)
            {
                if (random.Next(commands.Length + 6) is var which && which < commands.Length)
                {
                    done.Add(commands[which]);
                    var told = Told.By(host, commands[which]);
                    Assert.True(told.ExitCode is 0 or 1, $"seed {seed}: {string.Join("; ", done)}:\n{told}");
                }
                else
                {
                    var element = which % 2 == 0 ? Managed : unmanaged;
                    done.Add($"virsh {which} {(element == Managed ? "managed" : "unmanaged")}");
                    Virsh(host, which / 2 % 2 == 0, which - commands.Length < 3, element);
                }
                var has = Web1(host).Functions.Any();
                var isDefined = DomainXml.Parse(host.Libvirt!.Definition("web1")!).Functions.Any();
                var guests = Told.By(host, "guests").Says(0);
                Assert.True(Squeezed(guests).Contains($"web1 libvirt hvm process {Web1(host).ProcessId} {(has ? Card : "-")} {(isDefined ? Card : "-")}", StringComparison.Ordinal), $"seed {seed}: {string.Join("; ", done)}:\n{guests}");
                Assert.Equal(has && !isDefined, guests.Contains("does not name it", StringComparison.Ordinal));
                Assert.Equal(isDefined && !has, guests.Contains("does not have it now", StringComparison.Ordinal));
                Assert.Equal(has, Told.By(host, "status").Says(0).Contains("attached  web1", StringComparison.Ordinal));
            }
            Told.By(host, "detach 09:00.0 web1");
            Told.By(host, "unhide --now 09:00.0");
            Assert.True(before == host.ToText(), $"seed {seed}: {string.Join("; ", done)}:\n{host.ToText()}");
        }

        static void Virsh(SimHost host, bool live, bool attach, string element)
        {
            try
            {
                if (live && attach)
                    host.Libvirt!.AttachByHand("web1", element);
                else if (live)
                    host.Libvirt!.DetachByHand("web1", element);
                else if (attach)
                    host.Libvirt!.DefineByHand("web1", element);
                else
                    host.Libvirt!.UndefineByHand("web1", element);
                host.Clock.Advance(TimeSpan.FromSeconds(10));
            }
            catch (InvalidOperationException)
            {
                // virsh says no.
            }
        }
    }
}
