using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>pcipass inside a guest: what it needs for hot-plug, loaded, kept in the system's own way, and taken out of its files again.</summary>
public class GuestTests
{
    const string ModulesLoad = "/etc/modules-load.d/pcipass.conf", Sysconfig = "/etc/sysconfig/modules/acpiphp.modules";

    /// <summary>Words: <c>pv</c>, <c>hvm</c>, <c>pvh</c> (Xen's guests; without one it is KVM's), <c>systemd</c>, <c>rhel5</c>, <c>debian</c> (ways to keep modules), <c>missing</c> (no module).</summary>
    static SimHost Guest(string words)
    {
        var host = SimHost.Linux().Boot();
        var all = words.Split(' ');
        if (all.Intersect(["pv", "hvm", "pvh"]).FirstOrDefault() is string type)
            host.WithFile("/sys/hypervisor/type", "xen\n").WithFile("/sys/hypervisor/guest_type", $"{type.ToUpperInvariant()}\n");
        if (all.Contains("systemd"))
            host.WithFile("/etc/modules-load.d/README", "none\n");
        if (all.Contains("rhel5"))
            host.WithFile("/etc/sysconfig/modules/udev-stw.modules", "#!/bin/sh\nmodprobe floppy\n");
        if (all.Contains("debian"))
            host.WithFile("/etc/modules", "# /etc/modules\nloop");
        host.WithFile("/lib/modules/6.1.0/modules.dep", all.Contains("missing") ? "kernel/fs/ext4.ko:\n" : "kernel/drivers/pci/hotplug/acpiphp.ko.xz:\nkernel/drivers/pci/xen-pcifront.ko: kernel/a.ko\n");
        return host;
    }

    [Theory]
    [InlineData("pv systemd", "xen-pcifront", ModulesLoad, "# for PCI hot-plug (pcipass guest setup)\nxen-pcifront\n")]
    [InlineData("systemd", "acpiphp", ModulesLoad, "# for PCI hot-plug (pcipass guest setup)\nacpiphp\n")]
    [InlineData("hvm systemd rhel5 debian", "acpiphp", ModulesLoad, "# for PCI hot-plug (pcipass guest setup)\nacpiphp\n")]
    [InlineData("rhel5", "acpiphp", Sysconfig, "#!/bin/sh\n# for PCI hot-plug (pcipass guest setup)\nmodprobe acpiphp >/dev/null 2>&1\n")]
    [InlineData("pv debian", "xen-pcifront", "/etc/modules", "# /etc/modules\nloop\n# for PCI hot-plug (pcipass guest setup)\nxen-pcifront\n")]
    public void Setup_loads_and_keeps_what_is_needed_once_and_undo_leaves_the_files_as_they_were(string words, string module, string file, string content)
    {
        var host = Guest(words);
        var checkedBefore = Told.By(host, "guest check");
        Assert.Equal((1, true), (checkedBefore.ExitCode, checkedBefore.Output.Contains($"hot-plug: does not work: {module} not loaded; pcipass guest setup     loads it", StringComparison.Ordinal)));
        var before = Files(host);
        var would = Told.By(host, "guest setup --dry-run");
        Assert.Contains($"module {module} no -> yes", would.Output, StringComparison.Ordinal);
        Assert.Equal(before, Files(host));

        var set = Told.By(host, "guest setup");
        Assert.True(set.ExitCode == 0, set.ToString());
        Assert.EndsWith("hot-plug: ready\n", set.Output, StringComparison.Ordinal);
        Assert.Equal(content, host.Files.ReadText(file) + "\n");
        Assert.Contains($"{module.Replace('-', '_')} ", host.Files.ReadText("/proc/modules"), StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "guest check").ExitCode);
        Assert.StartsWith("nothing to do", Told.By(host, "guest setup").Output, StringComparison.Ordinal);

        Assert.Equal(0, Told.By(host, "guest undo").ExitCode);
        // A last line without its end got one (it is not compared); nothing else is left.
        Assert.Equal(before, Files(host));
        Assert.Equal(0, Told.By(host, "guest check").ExitCode);
        Assert.StartsWith("nothing to do", Told.By(host, "guest undo").Output, StringComparison.Ordinal);

        static string Files(SimHost host) => string.Join('\n', ((string[])["/etc/modules", ModulesLoad, Sysconfig, "/etc/sysconfig/modules/udev-stw.modules"])
            .Select(path => $"{path}: {host.Files.ReadText(path)}{(host.Files.Exists(path) ? "\n" : "")}"));
    }

    [Fact]
    public void What_others_load_at_a_start_already_is_left_to_them()
    {
        var host = Guest("pv systemd").WithFile("/etc/modules-load.d/xen.conf", "xen_pcifront\n");
        Assert.Equal(0, Told.By(host, "guest setup").ExitCode);
        Assert.False(host.Files.Exists(ModulesLoad));
        Assert.Contains("/etc/modules-load.d/xen.conf", Told.By(host, "guest check").Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pv missing", "kernel 6.1.0 has no module xen-pcifront")]
    [InlineData("missing", "kernel 6.1.0 has no module acpiphp")]
    [InlineData("pvh", "a PVH guest cannot have functions")]
    public void What_cannot_be_had_is_refused_and_nothing_is_changed(string words, string why)
    {
        var host = Guest(words);
        var before = host.ToText();
        var told = Told.By(host, "guest setup");
        Assert.Equal(1, told.ExitCode);
        Assert.Contains(why, told.Errors, StringComparison.Ordinal);
        Assert.Contains("[guest-module]", told.Errors, StringComparison.Ordinal);
        Assert.Equal(1, Told.By(host, "guest check").ExitCode);
        Assert.Equal(before, host.ToText());
    }

    [Fact]
    public void A_module_that_does_not_load_undoes_the_files()
    {
        var host = Guest("pv systemd");
        host.Faults.FailProgram("modprobe xen-pcifront", 1, "modprobe: ERROR: could not insert 'xen_pcifront': No such device\n");
        var told = Told.By(host, "guest setup");
        Assert.Equal(3, told.ExitCode);
        Assert.Contains("could not load the module xen-pcifront: modprobe xen-pcifront ended with 1: modprobe: ERROR: could not insert 'xen_pcifront': No such device", told.Errors, StringComparison.Ordinal);
        Assert.False(host.Files.Exists(ModulesLoad));
    }

    [Fact]
    public void What_is_built_in_needs_nothing()
    {
        var host = Guest("systemd missing").WithFile("/lib/modules/6.1.0/modules.builtin", "kernel/drivers/pci/hotplug/acpiphp.ko\n");
        Assert.Equal(0, Told.By(host, "guest check").ExitCode);
        Assert.StartsWith("nothing to do", Told.By(host, "guest setup").Output, StringComparison.Ordinal);
        Assert.Contains("built in", Told.By(host, "guest check").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void In_a_Xen_host_it_is_a_wrong_command()
    {
        var told = Told.By(Machines.Make(""), "guest setup");
        Assert.Equal(2, told.ExitCode);
        Assert.Contains("control_d", told.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_death_at_any_moment_of_setup_and_undo_is_recovered()
    {
        foreach (var command in (string[])["guest setup", "guest undo"])
        {
            var (before, after) = (Text(Prepared()), Text(Done(Prepared())));
            Assert.NotEqual(before, after);
            var cases = 0;
            for (; ; cases++)
            {
                var host = Prepared();
                if (!Told.Dies(host, command, cases))
                    break;
                var told = Told.By(host, "recover");
                Assert.True(told.ExitCode == 0, $"{command}, after {cases}: {told}");
                Assert.Contains(Text(host), (string[])[before, after]);
            }
            Assert.True(cases > 8, $"{cases} cases");

            SimHost Prepared()
            {
                var host = Guest("pv debian");
                return command == "guest undo" ? Done(host, "guest setup") : host;
            }

            SimHost Done(SimHost host, string? what = null)
            {
                Assert.Equal(0, Told.By(host, what ?? command).ExitCode);
                return host;
            }

            static string Text(SimHost host) => $"{host.Files.ReadText("/etc/modules")}\n{host.Files.ReadText("/proc/modules")}";
        }
    }
}
