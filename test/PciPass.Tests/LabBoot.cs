using System.Text;
using PciPass.Lab;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>
/// Real starts: Debian's own initramfs, made by initramfs-tools and by dracut with pcipass' part in it, on Xen and on Linux alone. udev and
/// the native drivers e1000e and nvme are in it as well, and take whatever is left to them.
/// </summary>
[Trait("Category", "Lab")]
public sealed class LabBoot(ITestOutputHelper output)
{
    const string Card = "0000:09:00.0  0000:00/05.0/00.0,8086:10d3:8086:0000,525400ffff090000";
    const string OtherCard = "0000:08:00.0  0000:00/04.7/00.0,8086:10d3:8086:0000,525400ffff080000";
    const string Disk = "0000:07:00.0  0000:00/04.6/00.0,1b36:0010:1af4:1100,-";

    /// <summary>The machine of the demonstration to which a card was added: every bus behind it has another number.</summary>
    static readonly Topology Moved = Topology.Empty.RootPort("added", "3.0").NineRootPorts()
        .NetworkCard("e1000e", "added", "0", "52:54:00:aa:00:00")
        .NetworkCard("e1000e", "rp9", "0", "52:54:00:09:00:00")
        .NetworkCard("e1000e", "rp8", "0", "52:54:00:08:00:00")
        .NvmeDisk("rp7", "NVME0001", 16 << 20);

    static LabMachine Boot(string name, MachineKind kind, Initramfs initramfs, string devices, Topology? topology = null) => LabMachine.Boot(Machine.Demo with
    {
        Kind = kind,
        Initramfs = initramfs,
        Modules = [],
        Memory = kind == MachineKind.Linux ? 1024 : 2048,
        Topology = topology ?? Machine.Demo.Topology,
        Files = devices.Length == 0 ? [] : [new MachineFile("/etc/pcipass/devices", Encoding.ASCII.GetBytes(devices), MachineFile.Plain)],
    }, name);

    /// <summary>The functions behind bridges with their drivers, as sysfs has them.</summary>
    static string Drivers(LabMachine machine) => machine.Run("""
        for f in /sys/bus/pci/devices/0000:0[7-9a]:*; do d=$(readlink $f/driver); echo "${f##*:0000:} ${d##*/}" | sed 's/.*0000://'; done
        """).Ok().Stdout.TrimEnd('\n').Replace('\n', ',');

    string Log(LabMachine machine)
    {
        var log = machine.Run("dmesg | sed -n 's/^\\[ *[0-9.]*\\] pcipass: //p'").Ok().Stdout;
        output.WriteLine(log);
        return log;
    }

    [Theory]
    [InlineData(Initramfs.Tools)]
    [InlineData(Initramfs.Dracut)]
    public void On_Xen_functions_are_hidden_before_their_drivers_and_given_back(Initramfs initramfs)
    {
        using var machine = Boot($"test-boot-xen-{initramfs}", MachineKind.Xen, initramfs, $"{Card}  pciback\n{Disk}  pciback\n");
        // Of the two cards alike one is hidden.
        Assert.Equal("07:00.0 pciback,08:00.0 e1000e,09:00.0 pciback", Drivers(machine));
        var log = Log(machine);
        Assert.Contains("0000:09:00.0 is hidden, with driver pciback\n", log, StringComparison.Ordinal);
        Assert.Contains("2 of 2 lines hidden before the drivers, in ", log, StringComparison.Ordinal);
        // Its own driver never had it.
        Assert.DoesNotContain("e1000e 0000:09:00.0", machine.Run("dmesg").Stdout, StringComparison.Ordinal);
        Assert.Contains("0000:09:00.0  hidden  hidden      line 1 of /etc/pcipass/devices", machine.Run("pcipass status").Ok().Stdout, StringComparison.Ordinal);
        machine.Run("pcipass boot apply").Ok();

        machine.Run("pcipass unhide 09:00.0 07:00.0 2>&1").Ok();
        Assert.Equal("07:00.0 nvme,08:00.0 e1000e,09:00.0 e1000e", Drivers(machine));
        Assert.Equal("absent\n", machine.Run("[ -e /etc/pcipass/devices ] || echo absent").Stdout);
        var name = machine.Run("ls /sys/bus/pci/devices/0000:09:00.0/net").Ok().Stdout.Trim();
        machine.Run($"net-check {name}").Ok();
    }

    [Theory]
    [InlineData(Initramfs.Tools)]
    [InlineData(Initramfs.Dracut)]
    public void On_Linux_moved_buses_are_refused_or_followed(Initramfs initramfs)
    {
        using var machine = Boot($"test-boot-linux-{initramfs}", MachineKind.Linux, initramfs, $"{Card}  vfio-pci  if-moved=follow\n{OtherCard}  vfio-pci\n{Disk}  vfio-pci if-moved=follow\n", Moved);
        // What was 09:00.0 is 0a:00.0 now, and at 09:00.0 sits the other one of the two cards alike, which was 08:00.0.
        Assert.Equal("08:00.0 vfio-pci,09:00.0 e1000e,0a:00.0 vfio-pci", Drivers(machine));
        var log = Log(machine);
        Assert.Contains("0000:0a:00.0 (bus numbers have moved: it was at 0000:09:00.0) is hidden, with driver vfio-pci", log, StringComparison.Ordinal);
        Assert.Contains("line 2 of /etc/pcipass/devices: 0000:08:00.0 is NOT hidden: bus numbers have moved: it is at 0000:09:00.0 now", log, StringComparison.Ordinal);
        var late = machine.Run("pcipass boot apply");
        Assert.Equal(1, late.ExitCode);
        Assert.Contains("is NOT hidden", late.Stderr, StringComparison.Ordinal);
    }

    [Fact]
    public void An_initramfs_that_was_made_with_nothing_to_hide_leaves_no_trace()
    {
        using var machine = Boot("test-boot-without", MachineKind.Linux, Initramfs.Without, "");
        Assert.Equal("07:00.0 nvme,08:00.0 e1000e,09:00.0 e1000e", Drivers(machine));
        Assert.Equal("", Log(machine));
        Assert.Equal("", machine.Run("cat /sys/bus/pci/devices/*/driver_override | grep -v '(null)'; lsmod | grep -e vfio -e pciback").Stdout);
    }
}
