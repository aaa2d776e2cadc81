using System.Text;
using System.Text.Json;
using PciPass.Core;
using PciPass.Host;
using PciPass.Lab;
using PciPass.Sim;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>
/// The kernel's own ways to hide, on real starts of Debian's initramfs with the native drivers racing; and what boot verify said of each
/// start before it. The lines are in the initramfs of the kind Modprobe (lab/initramfs.sh); each start differs by the kernel's line alone.
/// </summary>
[Trait("Category", "Nightly")]
public sealed class LabBootWays(ITestOutputHelper output)
{
    static LabMachine Boot(string name, string line)
    {
        var images = Images.Ensure();
        var version = Path.GetFileName(Directory.GetDirectories(Path.Combine(images.Folder, "payload", "root", "lib", "modules"))[0]);
        var menu = $$"""
            set default="1"
            menuentry 'Debian GNU/Linux' {
                linux /boot/vmlinuz-{{version}} root=lab
                initrd /boot/initrd.img-{{version}}
            }
            menuentry 'Debian GNU/Linux, with Xen' {
                multiboot2 /boot/xen.gz placeholder
                module2 /boot/vmlinuz-{{version}} placeholder root=lab {{line}}
                module2 --nounzip /boot/initrd.img-{{version}}
            }

            """;
        return LabMachine.Boot(Machine.Demo with
        {
            Initramfs = Initramfs.Modprobe,
            Modules = [],
            KernelArguments = line,
            Files =
            [
                images.Program() with { Path = "/usr/sbin/pcipass" },
                new MachineFile("/lab/boot/grub/grub.cfg", Encoding.ASCII.GetBytes(menu), MachineFile.Plain),
                new MachineFile($"/lab/boot/initrd.img-{version}", File.ReadAllBytes(images.InitramfsOf(Initramfs.Modprobe)), MachineFile.Plain),
            ],
        }, name);
    }

    /// <summary>The two cards and the disk with their drivers, as sysfs has them.</summary>
    static string Drivers(LabMachine machine) => machine.Run("""
        for f in 07:00.0 08:00.0 09:00.0; do d=$(readlink /sys/bus/pci/devices/0000:$f/driver); echo "$f ${d##*/}"; done
        """).Ok().Stdout.TrimEnd('\n').Replace('\n', ',');

    /// <summary>The same, as boot verify foretells it from the files: it does not look at what is bound now.</summary>
    string Foretold(LabMachine machine)
    {
        var told = machine.Run("pcipass boot verify --json 07:00.0 08:00.0 09:00.0");
        output.WriteLine(told.Stdout);
        var functions = JsonDocument.Parse(told.Stdout).RootElement.GetProperty("functions").EnumerateArray();
        return string.Join(',', functions.Select(each => $"{each.GetProperty("address").GetString()![5..]} {each.GetProperty("next_driver").GetString()}"));
    }

    [Fact]
    public void An_install_line_in_the_manner_of_old_and_a_softdep_hide_and_the_other_card_stays()
    {
        using var machine = Boot("test-boot-modprobe", "");
        Assert.Equal("07:00.0 pciback,08:00.0 e1000e,09:00.0 pciback", Drivers(machine));
        Assert.Equal(Drivers(machine), Foretold(machine));
        // The softdep line is the one that hide --method modprobe writes.
        var simulated = Machines.Make("").WithFile("/lib/modules/6.1.0/modules.dep", "");
        Told.By(simulated, "hide --boot --method modprobe 07:00.0");
        var written = Encoding.ASCII.GetString(simulated.Files.ReadAll(BootFiles.OwnModprobe)!).Split('\n').Single(line => line.StartsWith("softdep", StringComparison.Ordinal));
        Assert.Contains($"{written}\n", machine.Run("cat /etc/modprobe.d/local.conf").Ok().Stdout, StringComparison.Ordinal);
        // And unhide takes the card and the disk out of a list that somebody else wrote.
        machine.Run("pcipass unhide --boot 09:00.0 07:00.0 2>&1").Ok();
        Assert.Equal("# one card in the manner of old, the disk in today's\n", machine.Run("grep -v -e '^install' -e '^softdep' /etc/modprobe.d/local.conf").Ok().Stdout);
        machine.Run("pcipass unhide 09:00.0 07:00.0 2>&1").Ok();
        Assert.Equal("07:00.0 nvme,08:00.0 e1000e,09:00.0 e1000e", Drivers(machine));
    }

    [Fact]
    public void The_kernels_line_wins_over_modprobes_list()
    {
        using var machine = Boot("test-boot-cmdline", "xen-pciback.hide=(0000:08:00.0)");
        Assert.Equal("07:00.0 nvme,08:00.0 pciback,09:00.0 e1000e", Drivers(machine));
        Assert.Equal(Drivers(machine), Foretold(machine));
        var told = machine.Run("pcipass boot verify");
        Assert.Contains("[two-lists]", told.Stderr, StringComparison.Ordinal);
    }

    [Fact]
    public void A_comma_in_the_list_hides_nothing_at_all_and_is_told()
    {
        using var machine = Boot("test-boot-typo", "xen-pciback.hide=(0000:09:00.0),(0000:07:00.0)");
        Assert.Equal("07:00.0 nvme,08:00.0 e1000e,09:00.0 e1000e", Drivers(machine));
        Assert.Contains("Error parsing pci_devs_to_hide at \",(0000:07:00.0)\"", machine.Run("dmesg").Stdout, StringComparison.Ordinal);
        Assert.Equal(Drivers(machine), Foretold(machine));
        var told = machine.Run("pcipass boot verify");
        Assert.Equal(1, told.ExitCode);
        Assert.Contains("[hide-list-wrong]", told.Stderr, StringComparison.Ordinal);
    }
}
