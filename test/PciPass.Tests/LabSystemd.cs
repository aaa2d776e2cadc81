using System.Text;
using PciPass.Lab;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>
/// A start by systemd without pcipass' part in the initramfs: the package's unit hides what the lines of /etc/pcipass/devices name, within
/// the bounds that it sets itself, and fails loudly where a line hides nothing.
/// </summary>
public sealed class LabSystemd(ITestOutputHelper output)
{
    const string Card = "0000:09:00.0  0000:00/05.0/00.0,8086:10d3:8086:0000,525400ffff090000";
    const string NotThere = "0000:08:00.0  0000:00/04.7/00.0,8086:10d3:8086:0000,525400ffff0800aa";

    static LabMachine Boot(string name, Machine description, string devices)
    {
        var images = Images.Ensure();
        return LabMachine.Boot(description with
        {
            Modules = [],
            HasSystemd = true,
            KernelArguments = "systemd.show_status=no systemd.journald.forward_to_console=no",
            Files =
            [
                images.Program() with { Path = "/usr/sbin/pcipass" },
                new MachineFile("/usr/lib/systemd/system/pcipass-boot.service", File.ReadAllBytes(Path.Combine(images.Checkout, "package/tree/usr/lib/systemd/system/pcipass-boot.service")), MachineFile.Plain),
                .. devices.Length == 0 ? [] : (MachineFile[])[new MachineFile("/etc/pcipass/devices", Encoding.ASCII.GetBytes(devices), MachineFile.Plain)],
            ],
        }, name);
    }

    static string Drivers(LabMachine machine) => machine.Run("""
        for f in 07:00.0 08:00.0 09:00.0; do d=$(readlink /sys/bus/pci/devices/0000:$f/driver); echo "$f ${d##*/}"; done
        """).Ok().Stdout.TrimEnd('\n').Replace('\n', ',');

    string State(LabMachine machine)
    {
        output.WriteLine(machine.Run("systemctl status pcipass-boot.service; journalctl -u pcipass-boot.service --no-pager; systemctl list-units --failed --no-pager").Stdout);
        return machine.Run("systemctl show -P Result -P ExecMainStatus -P ActiveState pcipass-boot.service").Ok().Stdout.Replace('\n', ' ').Trim();
    }

    [Fact]
    [Trait("Category", "Lab")]
    public void The_unit_hides_what_has_its_driver_already_and_it_stays_hidden() => HidesAndKeeps(Machine.DemoLinux, "vfio-pci");

    [Fact]
    [Trait("Category", "Nightly")]
    public void The_unit_does_the_same_in_dom0() => HidesAndKeeps(Machine.Demo, "pciback");

    void HidesAndKeeps(Machine description, string holder)
    {
        using var machine = Boot($"test-systemd-{holder}", description, $"{Card}  {holder}\n");
        Assert.Equal("success 0 active", State(machine));
        Assert.Equal($"07:00.0 nvme,08:00.0 e1000e,09:00.0 {holder}", Drivers(machine));
        output.WriteLine(machine.Run("systemd-analyze blame --no-pager | grep pcipass").Stdout);
        // Its folders are root's alone, whatever made them.
        Assert.Equal("700 700\n", machine.Run("echo $(stat -c %a /var/lib/pcipass /run/pcipass)").Stdout);

        machine.Run("systemctl stop pcipass-boot.service").Ok();
        Assert.Equal($"07:00.0 nvme,08:00.0 e1000e,09:00.0 {holder}", Drivers(machine));
        machine.Run("/usr/sbin/pcipass unhide 09:00.0").Ok();
        Assert.Equal("07:00.0 nvme,08:00.0 e1000e,09:00.0 e1000e", Drivers(machine));
        // Nothing is kept any more: the unit has nothing to do, and does not fail.
        machine.Run("systemctl start pcipass-boot.service").Ok();
        Assert.EndsWith(" inactive", State(machine), StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Nightly")]
    public void A_line_that_hides_nothing_fails_the_unit_and_the_other_lines_hold()
    {
        using var machine = Boot("test-systemd-other", Machine.DemoLinux, $"{NotThere}  vfio-pci\n{Card}  vfio-pci\n");
        Assert.Equal("exit-code 1 failed", State(machine));
        Assert.Equal("07:00.0 nvme,08:00.0 e1000e,09:00.0 vfio-pci", Drivers(machine));
        Assert.Contains("is NOT hidden", machine.Run("journalctl -u pcipass-boot.service --no-pager").Stdout, StringComparison.Ordinal);
    }
}
