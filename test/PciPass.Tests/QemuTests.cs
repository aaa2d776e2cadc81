using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>Guests of QEMU on the simulated host: found by their processes, spoken to over their monitors.</summary>
public class QemuTests
{
    const string Card = "0000:09:00.0";

    static SimHost Host(params ReadOnlySpan<QemuPlan> guests)
    {
        var host = SimHost.Linux().WithCardsOfTheContract();
        foreach (var guest in guests)
            host.WithQemu(guest);
        return host.Boot();
    }

    [Fact]
    public void A_card_goes_to_a_guest_and_comes_back_as_it_was()
    {
        var host = Host(new QemuPlan("web1"), new QemuPlan("db1"));
        var before = host.ToText();
        Assert.Contains("done: web1 has 0000:09:00.0 as 0000:01:00.0     (operation 1)", Told.By(host, "attach 09:00.0 web1").Says(0), StringComparison.Ordinal);
        Assert.Equal([(PciAddress.Parse(Card), "port1")], host.Qemus[0].Functions);
        Assert.Contains("[attached]", Told.By(host, "attach 09:00.0 db1").Says(1), StringComparison.Ordinal);
        Assert.Contains("[still-attached]", Told.By(host, "unhide 09:00.0").Says(1), StringComparison.Ordinal);
        Assert.Contains("attached  web1", Told.By(host, "status").Says(0), StringComparison.Ordinal);
        Assert.Contains("done: the host has 0000:09:00.0, with driver e1000e (eth1)", Told.By(host, "detach 09:00.0 web1").Says(0), StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());
        Assert.Contains("plug 0000:09:00.0 - -> qemu:web1/", Told.By(host, "history 09:00.0").Says(0), StringComparison.Ordinal);
    }

    [Fact]
    public void What_others_gave_a_guest_by_hand_is_seen_and_taken_out()
    {
        var host = Host(new QemuPlan("web1"));
        Told.By(host, "hide --now 09:00.0").Says(0);
        host.Qemus[0].PlugByHand(Card);
        Assert.Contains("guest web1 (process 2001) has it", Told.By(host, "unhide 09:00.0").Says(1), StringComparison.Ordinal);
        Told.By(host, "detach 09:00.0 web1").Says(0);
        Assert.Empty(host.Qemus[0].Functions);
        Assert.Equal("vfio-pci", host.Function("09:00.0").Driver);
    }

    [Fact]
    public void A_guest_that_does_not_let_go_is_waited_for_and_recover_goes_on()
    {
        var host = Host(new QemuPlan("web1") { Unplug = UnplugAnswer.Nothing });
        var before = host.ToText();
        Told.By(host, "attach 09:00.0 web1").Says(0);
        Assert.Contains("detach waits for the guest     [pending]", Told.By(host, "detach 09:00.0 web1").Says(5), StringComparison.Ordinal);
        Assert.Contains("[busy]", Told.By(host, "detach 09:00.0 web1").Says(1), StringComparison.Ordinal);
        Told.By(host, "recover").Says(5);
        host.Qemus[0].Reset();
        Told.By(host, "recover").Says(0);
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void A_guest_that_refuses_keeps_the_card()
    {
        var host = Host(new QemuPlan("web1") { Unplug = UnplugAnswer.Refuses });
        Told.By(host, "attach 09:00.0 web1").Says(0);
        var before = host.ToText();
        Assert.Contains("the guest refused to let go of it", Told.By(host, "detach 09:00.0 web1").Says(3), StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void A_guest_that_has_ended_gives_back_and_another_start_of_it_never_had_the_card()
    {
        var host = Host(new QemuPlan("web1"));
        Told.By(host, "attach 09:00.0 web1").Says(0);
        host.EndQemu("web1");
        host.StartQemu(new QemuPlan("web1"));
        Told.By(host, "detach 09:00.0 web1").Says(0);
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
    }

    [Fact]
    public void QEMUs_refusal_is_told_and_all_is_undone()
    {
        var host = Host(new QemuPlan("web1"));
        var before = host.ToText();
        Told.By(host, "hide --now 0d:00.0 0d:00.1").Says(0);
        // Behind the rules' back: the neighbour goes back to its driver after the look.
        host.Files.WriteAttribute("/sys/bus/pci/devices/0000:0d:00.1/driver_override", "e1000e", TimeSpan.FromSeconds(1));
        host.Files.WriteAttribute("/sys/bus/pci/drivers/vfio-pci/unbind", "0000:0d:00.1", TimeSpan.FromSeconds(1));
        host.Files.WriteAttribute("/sys/bus/pci/drivers_probe", "0000:0d:00.1", TimeSpan.FromSeconds(1));
        var refused = Assert.Throws<QmpRefusal>(() => QemuPlug.Act(host, new Plug(PciAddress.Parse("0000:0d:00.0"), GuestName.Parse("web1"), GuestStart.Process(Toolstack.Qemu, 2001, Began(host)), Plugged: true)));
        Assert.Contains("is not viable", refused.Words, StringComparison.Ordinal);
        Assert.NotEqual(before, host.ToText());
    }

    [Fact]
    public void A_monitor_that_another_program_holds_is_told_and_the_open_group_shows_who_has_the_card()
    {
        var host = Host(new QemuPlan("web1"));
        Told.By(host, "attach 09:00.0 web1").Says(0);
        host.StartProcess();
        using var other = host.ConnectSocket("/run/qemu/web1.qmp");
        var told = Told.Run(host, "detach 09:00.0 web1").Says(1);
        Assert.Contains("guest web1 (process 2001) cannot be spoken to     [guest-monitor]", told, StringComparison.Ordinal);
        Assert.Contains("another program speaks to it, or QEMU is at work", told, StringComparison.Ordinal);
        Assert.Contains("attached  web1", Told.Run(host, "status").Says(0), StringComparison.Ordinal);
    }

    [Fact]
    public void A_guest_of_libvirts_is_left_alone_where_no_libvirt_listens()
    {
        var host = Host(new QemuPlan("web1") { IsLibvirts = true });
        Assert.Contains("no libvirt listens", Told.By(host, "attach 09:00.0 web1").Says(1), StringComparison.Ordinal);
    }

    [Fact]
    public void A_death_at_every_change_of_attach_and_detach_is_recovered()
    {
        for (var changes = 0; ; changes++)
        {
            var host = Host(new QemuPlan("web1"));
            var before = host.ToText();
            var ended = !Told.Dies(host, "attach 09:00.0 web1", changes);
            Told.By(host, "recover").Says(0);
            // It may have died right behind its end.
            if (host.Qemus[0].Functions.Any())
                Told.By(host, "detach 09:00.0 web1").Says(0);
            Assert.Equal(before, host.ToText());
            if (ended)
                break;
        }
        for (var changes = 0; ; changes++)
        {
            var host = Host(new QemuPlan("web1"));
            var without = host.ToText();
            Told.By(host, "attach 09:00.0 web1").Says(0);
            var with = host.ToText();
            var ended = !Told.Dies(host, "detach 09:00.0 web1", changes);
            host.Clock.Advance(TimeSpan.FromSeconds(10));
            Told.By(host, "recover").Says(0);
            Assert.Contains(host.ToText(), (string[])[with, without]);
            Assert.Equal(host.Qemus[0].Functions.Any() ? with : without, host.ToText());
            if (ended)
                break;
        }
    }

    [Fact]
    public void The_arguments_for_a_QEMU_by_hand_name_what_has_to_be_hidden_first()
    {
        var host = Host();
        var told = Told.By(host, "attach 09:00.0 07:00.0 web1 --print qemu-args");
        Assert.Equal("-device pcie-root-port,id=pcipass1,chassis=101 -device vfio-pci,host=0000:09:00.0,bus=pcipass1\n"
            + "-device pcie-root-port,id=pcipass2,chassis=102 -device vfio-pci,host=0000:07:00.0,bus=pcipass2\n", told.Output);
        Assert.Contains("first pcipass hide 0000:09:00.0 0000:07:00.0", told.Errors, StringComparison.Ordinal);
        Assert.Empty(host.Trace);
        Assert.Contains("[group-shared]", Told.By(host, "attach 0d:00.0 web1 --print qemu-args").Says(1), StringComparison.Ordinal);
    }

    static ulong Began(SimHost host) => ulong.Parse(host.Files.ReadText("/proc/2001/stat")!.Split(' ')[21], System.Globalization.CultureInfo.InvariantCulture);

    [Theory]
    [InlineData("-name web1", "web1", null, false)]
    [InlineData("-name guest=web1,debug-threads=on", "web1", null, false)]
    [InlineData("-name web1,process=x -qmp unix:/run/a.qmp,server=on,wait=off", "web1", "/run/a.qmp", false)]
    [InlineData("--name web1 --qmp unix:/run/a,,b.qmp,server,nowait", "web1", "/run/a,b.qmp", false)]
    [InlineData("-qmp tcp:127.0.0.1:4444,server=on", null, null, false)]
    [InlineData("-chardev socket,id=m,path=/run/m,server=on -mon chardev=m,mode=control", null, "/run/m", false)]
    [InlineData("-mon m,mode=control -chardev socket,path=/run/m,id=m", null, "/run/m", false)]
    [InlineData("-chardev socket,id=m,path=/run/m -mon chardev=m,mode=readline", null, null, false)]
    [InlineData("-monitor unix:/run/human,server", null, null, false)]
    [InlineData("-object {\"qom-type\":\"secret\",\"id\":\"masterKey0\"} -chardev socket,id=charmonitor,fd=23 -mon chardev=charmonitor,mode=control", null, null, true)]
    [InlineData("-name", null, null, false)]
    public void A_command_line_of_QEMU_says_name_and_monitor(string arguments, string? name, string? monitor, bool isLibvirts) =>
        Assert.Equal(new QemuCommandLine(name, monitor, isLibvirts), QemuCommandLine.Parse(["/usr/bin/qemu-system-x86_64", .. arguments.Split(' ')]));

    [Fact]
    public void A_program_that_only_calls_itself_QEMU_is_no_guest()
    {
        var host = Host();
        host.WithFile("/proc/4000/cmdline", "/usr/bin/qemu-system-x86_64\0-name\0web1\0").WithFile("/proc/4000/stat", "4000 (x) S 1 1 1 0 -1 0 1 0 0 0 1 1 0 0 20 0 4 0 77 1 1")
            .WithLink("/proc/4000/exe", "/home/eve/qemu");
        Assert.Contains("[guest-unknown]", Told.By(host, "check 09:00.0 --guest web1").Says(1), StringComparison.Ordinal);
    }
}
