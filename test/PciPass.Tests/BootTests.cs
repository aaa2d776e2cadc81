using PciPass.Cli;
using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>What stays hidden over restarts, on the simulated host, whose initramfs runs the same command as a real one.</summary>
public class BootTests
{
    const string Path = "/etc/pcipass/devices";
    const string Line = "0000:09:00.0  0000:00/04.2/00.0,8086:10d3:8086:0000,525400ffff090000  pciback  if-moved=refuse";

    /// <summary>Two cards alike at 08:00.0 and 09:00.0; the initramfs has pcipass' part.</summary>
    static SimHost Make(string words = "") => Machines.Make(words).WithInitramfs(host => Told.Run(host, "boot apply --early"));

    /// <summary>A card was added behind a port before the others: all buses behind it have another number.</summary>
    static void MoveBuses(SimHost host)
    {
        foreach (var gone in (string[])["00:04.0", "00:04.1", "00:04.2", "07:00.0", "08:00.0", "09:00.0"])
            host.Without(gone);
        host.WithRootPort("00:03.0", 7).WithNetworkCard("07:00.0", "52:54:00:aa:00:00")
            .WithRootPort("00:04.0", 8).WithRootPort("00:04.1", 9).WithRootPort("00:04.2", 10)
            .WithNvme("08:00.0").WithNetworkCard("09:00.0", "52:54:00:08:00:00").WithNetworkCard("0a:00.0", "52:54:00:09:00:00");
    }

    static string[] Drivers(SimHost host, params string[] functions) => [.. functions.Select(function => host.Function(function).Driver ?? "-")];

    [Fact]
    public void A_hidden_function_stays_hidden_over_a_restart_before_any_driver_and_its_twin_does_not()
    {
        var host = Make();
        Assert.Equal(0, Told.By(host, "hide 09:00.0").ExitCode);
        host.Reboot();
        Assert.Equal(["e1000e", "pciback"], Drivers(host, "08:00.0", "09:00.0"));
        Assert.Contains("<6>pcipass: 0000:09:00.0 is hidden, with driver pciback", host.KernelLog);
        Assert.Contains("0000:09:00.0  hidden  hidden      line 2 of /etc/pcipass/devices", Told.By(host, "status").Output, StringComparison.Ordinal);
        // The guest gets it, and the host gets it back from there.
        Assert.Equal(0, Told.By(host, "attach 09:00.0 web1").ExitCode);
        Assert.Equal(0, Told.By(host, "detach 09:00.0 web1").ExitCode);
        Assert.Equal(0, Told.By(host, "unhide 09:00.0").ExitCode);
        Assert.Equal(["e1000e", "e1000e"], Drivers(host, "08:00.0", "09:00.0"));
        Assert.False(host.Files.Exists(Path));
        host.Reboot();
        Assert.Equal(["e1000e", "e1000e"], Drivers(host, "08:00.0", "09:00.0"));
        Assert.Empty(host.KernelLog);
    }

    [Fact]
    public void Now_and_boot_are_one_half_each()
    {
        var host = Make();
        Assert.Equal(0, Told.By(host, "hide --now 09:00.0").ExitCode);
        Assert.False(host.Files.Exists(Path));
        Assert.Contains("0000:09:00.0  hidden  the host's  hidden until the restart", Told.By(host, "status").Output, StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "unhide --now 09:00.0").ExitCode);

        Assert.Equal(0, Told.By(host, "hide --boot 09:00.0").ExitCode);
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
        Assert.Contains("0000:09:00.0  the host's  hidden      line 2 of", Told.By(host, "status").Output, StringComparison.Ordinal);
        Assert.Contains("[not-hidden]", Told.By(host, "unhide --now 09:00.0").Errors, StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "unhide --boot 09:00.0").ExitCode);
        Assert.Contains("[not-hidden]", Told.By(host, "unhide --boot 09:00.0").Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void When_buses_have_moved_nothing_of_the_line_is_hidden_and_it_is_told_loudly()
    {
        var host = Make();
        Told.By(host, "hide 09:00.0");
        MoveBuses(host);
        host.Reboot();
        // At the old address sits its twin now.
        Assert.Equal(["e1000e", "e1000e"], Drivers(host, "09:00.0", "0a:00.0"));
        Assert.Contains("<3>pcipass: line 2 of /etc/pcipass/devices: 0000:09:00.0 is NOT hidden: bus numbers have moved: it is at 0000:0a:00.0 now, and the line says if-moved=refuse", host.KernelLog);
        Assert.Contains("bus numbers have moved", Told.By(host, "status").Output, StringComparison.Ordinal);
        var late = Told.By(host, "boot apply");
        Assert.Equal(ExitCode.Refused, late.ExitCode);
        Assert.Contains("is NOT hidden", late.Errors, StringComparison.Ordinal);
        Assert.Contains("[kept-for-another]", Told.By(host, "hide 09:00.0").Errors, StringComparison.Ordinal);
        Assert.Contains("which was at 0000:09:00.0 then", Told.By(host, "hide 0a:00.0").Errors, StringComparison.Ordinal);
        // The remedy that it tells.
        Assert.Equal(0, Told.By(host, "unhide --boot 09:00.0").ExitCode);
        Assert.Equal(0, Told.By(host, "hide 0a:00.0").ExitCode);
    }

    [Fact]
    public void A_function_is_followed_to_its_new_bus_number_where_the_line_says_so()
    {
        var host = Make();
        Told.By(host, "hide 09:00.0 --if-moved follow");
        MoveBuses(host);
        host.Reboot();
        Assert.Equal(["e1000e", "pciback"], Drivers(host, "09:00.0", "0a:00.0"));
        Assert.Contains("<6>pcipass: 0000:0a:00.0 (bus numbers have moved: it was at 0000:09:00.0) is hidden, with driver pciback", host.KernelLog);
        Assert.Equal(0, Told.By(host, "boot apply").ExitCode);
    }

    [Fact]
    public void Another_card_in_the_same_slot_is_not_hidden()
    {
        var host = Make();
        Told.By(host, "hide 09:00.0");
        host.Without("09:00.0").WithNetworkCard("09:00.0", "52:54:00:99:00:00");
        host.Reboot();
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
        Assert.Contains("<3>pcipass: line 2 of /etc/pcipass/devices: 0000:09:00.0 is NOT hidden: expected serial number 525400ffff090000, found 525400ffff990000", host.KernelLog);
        host.Without("09:00.0");
        host.Reboot();
        Assert.Contains("<3>pcipass: line 2 of /etc/pcipass/devices: 0000:09:00.0 is NOT hidden: no function answers there", host.KernelLog);
        Assert.Equal(0, Told.By(host, "unhide 09:00.0").ExitCode);
        Assert.False(host.Files.Exists(Path));
    }

    [Fact]
    public void Without_an_initramfs_part_the_late_unit_hides_with_all_rules_and_a_journal()
    {
        var host = Machines.Make("");
        Told.By(host, "hide 09:00.0");
        host.Reboot();
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
        var late = Told.By(host, "boot apply");
        Assert.Equal("0000:09:00.0 is hidden late, after driver e1000e (operation 2)\n", late.Output);
        Assert.Equal("pciback", host.Function("09:00.0").Driver);
        Assert.Equal(0, Told.By(host, "boot apply").ExitCode);
    }

    [Fact]
    public void The_late_unit_loads_pciback_where_nothing_else_has()
    {
        var host = Machines.Make("");
        Told.By(host, "hide 09:00.0");
        host.WithoutPciback().Reboot();
        Assert.False(host.Files.Exists("/sys/bus/pci/drivers/pciback"));
        var late = Told.By(host, "boot apply");
        Assert.Equal("0000:09:00.0 is hidden late, after driver e1000e (operation 2)\n", late.Output);
        Assert.Equal("pciback", host.Function("09:00.0").Driver);
    }

    [Fact]
    public void Systemd_itself_takes_the_unit()
    {
        if (!File.Exists("/usr/bin/systemd-analyze"))
        {
            Assert.False(Environment.GetEnvironmentVariable("CI") == "true", "systemd-analyze is missing");
            return;
        }
        var folder = Directory.CreateTempSubdirectory("pcipass-unit").FullName;
        try
        {
            var path = System.IO.Path.Combine(folder, BootPart.Unit);
            File.WriteAllText(path, BootPart.FilesOf(BootPart.Unit, "/bin/true").Single().Content.Text);
            using var analyze = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("systemd-analyze", ["verify", "--man=no", path]) { RedirectStandardError = true, UseShellExecute = false })!;
            // It goes on after what it does not know, and only says so.
            Assert.Equal("", analyze.StandardError.ReadToEnd());
            analyze.WaitForExit();
            Assert.Equal(0, analyze.ExitCode);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void What_the_host_uses_when_the_late_unit_comes_stays_with_the_host()
    {
        var host = Machines.Make("");
        Told.By(host, "hide 09:00.0");
        host.Reboot();
        host.WithAddress("eth1", "10.0.0.2", 24);
        var late = Told.By(host, "boot apply");
        Assert.Equal(ExitCode.Refused, late.ExitCode);
        Assert.Contains("line 2 of /etc/pcipass/devices: 0000:09:00.0 is NOT hidden: the host has the address 10.0.0.2/24 on its interface eth1 [in-use-network]", late.Errors, StringComparison.Ordinal);
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
    }

    [Fact]
    public void Without_pciback_in_the_initramfs_the_override_keeps_the_native_driver_away_until_pciback_comes()
    {
        var host = Machines.Make("").WithInitramfs(host =>
        {
            host.Faults.FailProgram("modprobe", 1, "");
            var told = Told.Run(host, "boot apply --early");
            host.Faults.Clear();
            Assert.Equal(ExitCode.Refused, told.ExitCode);
            Assert.Contains("its driver_override keeps the host's away, and pciback takes it once it is loaded", told.Errors, StringComparison.Ordinal);
        });
        Told.By(host, "hide 09:00.0");
        host.WithHiddenAtBoot("", first: false).Reboot();
        Assert.Equal("pciback", host.Function("09:00.0").Driver);
    }

    [Fact]
    public void On_plain_Linux_vfio_pci_holds_what_is_hidden_from_the_start_on()
    {
        var host = SimHost.Linux().WithDrivers("e1000e").WithRootPort("00:04.1", 8).WithRootPort("00:04.2", 9)
            .WithNetworkCard("08:00.0", "52:54:00:08:00:00").WithNetworkCard("09:00.0", "52:54:00:09:00:00")
            .WithInitramfs(host => Told.Run(host, "boot apply --early"));
        Told.By(host, "hide --now 09:00.0").Says(0);
        Assert.Equal(["e1000e", "vfio-pci"], Drivers(host, "08:00.0", "09:00.0"));
        Told.By(host, "unhide --now 09:00.0").Says(0);
        Assert.Equal(0, Told.By(host, "hide --boot 09:00.0").ExitCode);
        host.Reboot();
        Assert.Equal(["e1000e", "vfio-pci"], Drivers(host, "08:00.0", "09:00.0"));
        Assert.Equal(0, Told.By(host, "unhide --boot 09:00.0").ExitCode);
        host.Reboot();
        Assert.Equal(["e1000e", "e1000e"], Drivers(host, "08:00.0", "09:00.0"));
    }

    [Fact]
    public void One_damaged_line_keeps_no_other_from_being_hidden()
    {
        var host = Make().WithFile(Path, $"# by hand\n0000:08:00.0  here  pciback\n\n{Line}  # the card of web1\n");
        host.Reboot();
        Assert.Equal(["e1000e", "pciback"], Drivers(host, "08:00.0", "09:00.0"));
        const string Error = "/etc/pcipass/devices, line 2, column 15: \"here\" is no identity: expected path,vendor:device:subvendor:subdevice,serial";
        Assert.Contains($"<3>pcipass: {Error}: nothing is hidden for it", host.KernelLog);
        Assert.Contains(Error, Told.By(host, "status").Output, StringComparison.Ordinal);
        var refused = Told.By(host, "unhide 09:00.0");
        Assert.Equal(ExitCode.Refused, refused.ExitCode);
        Assert.Contains("[damaged-device-list]", refused.Errors, StringComparison.Ordinal);
        Assert.Contains(Error, refused.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_and_comments_of_others_stay_as_they_are()
    {
        const string Others = "# by hand \xe9\n\n  # and this\n0000:00:1f.2  0000:00/1f.2,8086:2922:0000:0000,-  pciback";
        var host = Make().WithFile(Path, Others);
        var before = host.Files.ReadAll(Path);
        Assert.Equal(0, Told.By(host, "hide 09:00.0").ExitCode);
        Assert.StartsWith(Others, host.Files.ReadText(Path), StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "unhide 09:00.0").ExitCode);
        Assert.Equal([.. before!, (byte)'\n'], host.Files.ReadAll(Path)!);
    }

    [Fact]
    public void A_link_in_place_of_the_list_is_not_replaced()
    {
        var host = Make().WithFile("/srv/devices", $"{Line}\n").WithLink(Path, "/srv/devices");
        var before = host.ToText();
        var told = Told.By(host, "hide 08:00.0");
        Assert.Equal(ExitCode.Refused, told.ExitCode);
        Assert.Contains("/etc/pcipass/devices is a symbolic link, and is not followed", told.Errors, StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void Somebody_elses_change_of_the_list_is_not_written_over_by_an_undo()
    {
        var shape = new Shape("", "", "hide --boot 09:00.0");
        var stuck = 0;
        for (var n = 0; shape.CrashAfter(n) is SimHost host; n++)
        {
            host.WithFile(Path, "# all new\n");
            stuck += Told.By(host, "recover").ExitCode == ExitCode.Stuck ? 1 : 0;
            Assert.Equal("# all new", host.Files.ReadText(Path));
        }
        Assert.True(stuck > 0);
    }

    [Theory]
    [InlineData("0000:09:00.0", 1, "expected address, identity, driver and options, found 1 word")]
    [InlineData("09:00.0 a b c d", 15, "expected address, identity, driver and options, found 5 words")]
    [InlineData("  0000:09:00.8 a b", 3, "\"0000:09:00.8\" is no PCI address")]
    [InlineData("0000:09:00.0  0000:00/1f.2,8086:2922:0000:0000,-  e1000e", 51, "\"e1000e\" is no driver that holds functions for guests")]
    [InlineData("0000:09:00.0  0000:00/1f.2,8086:2922:0000:0000,-  pciback if-moved=follow,metod=x", 75, "\"metod=x\" is no option")]
    public void A_line_that_cannot_be_understood_is_told_with_its_place(string line, int column, string what)
    {
        var list = DeviceList.Parse(new FileContent($"# one\n{line}\n"));
        var error = Assert.Single(list.Errors);
        Assert.Equal((2, column), (error.Line, error.Column));
        Assert.StartsWith(what, error.What, StringComparison.Ordinal);
    }
}
