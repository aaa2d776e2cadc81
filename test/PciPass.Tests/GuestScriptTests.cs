using System.Diagnostics;
using PciPass.Core;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The script for old guests, run by real shells against a system's files.</summary>
public sealed class GuestScriptTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("pcipass-guest-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Theory]
    [InlineData("dash")]
    [InlineData("bash")]
    public void The_script_keeps_acpiphp_as_the_guide_says_and_takes_it_out_again(string shell) => KeepsAcpiphp([shell]);

    [Fact]
    [Trait("Category", "Lab")] // busybox is in the lab's payload
    public void The_script_does_so_under_busybox_too() => KeepsAcpiphp([Path.Combine(Images.Ensure().Folder, "payload", "root", "bin", "busybox"), "ash"]);

    void KeepsAcpiphp(string[] shell)
    {
        Put("proc/sys/kernel/osrelease", "2.6.18-398.el5\n");
        Put("proc/modules", "ext3 123 1 - Live 0x0\n");
        Put("lib/modules/2.6.18-398.el5/modules.dep", "/lib/modules/2.6.18-398.el5/kernel/drivers/pci/hotplug/acpiphp.ko: /lib/modules/2.6.18-398.el5/kernel/x.ko\n");
        Put("etc/sysconfig/modules/udev-stw.modules", "#!/bin/sh\n# modprobe acpiphp is not here\nmodprobe floppy\n");
        Told(shell, "check", 1, "this is a machine with ACPI, kernel 2.6.18-398.el5", "module acpiphp: loadable, not kept for a start", "hot-plug: does not work");
        var before = Picture();

        Told(shell, "setup", 0, "module acpiphp: loadable, kept for each start");
        var kept = Path.Combine(root, "etc/sysconfig/modules/acpiphp.modules");
        Assert.Equal($"#!/bin/sh\n{GuestKernel.OwnComment}\nmodprobe acpiphp >/dev/null 2>&1\n", File.ReadAllText(kept));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute, File.GetUnixFileMode(kept));
        var after = Picture();
        Told(shell, "setup", 0);
        Assert.Equal(after, Picture());

        Put("proc/modules", "acpiphp 123 0 - Live 0x0\n");
        Told(shell, "check", 0, "module acpiphp: loaded, kept for each start", "hot-plug: ready");
        Put("proc/modules", "ext3 123 1 - Live 0x0\n");
        Told(shell, "undo", 0, "removed /etc/sysconfig/modules/acpiphp.modules");
        Assert.Equal(before, Picture());
        Told(shell, "undo", 0);
        Assert.Equal(before, Picture());

        // The guide's own line counts as kept; it is not ours to take out.
        Put("etc/sysconfig/modules/acpiphp.modules", "modprobe acpiphp\n");
        Told(shell, "setup", 0, "kept for each start");
        Told(shell, "undo", 0);
        Assert.Equal("modprobe acpiphp\n", File.ReadAllText(kept));
        Told(shell, "install", 2, "\"install\" is no action");
    }

    [Theory]
    [InlineData("dash", "etc/modules", "# modules\nloop", "# modules\nloop\n# for PCI hot-plug (pcipass guest setup)\nxen-pcifront\n", "# modules\nloop\n")]
    [InlineData("bash", "etc/modules-load.d/pcipass.conf", null, "# for PCI hot-plug (pcipass guest setup)\nxen-pcifront\n", null)]
    public void In_a_Xen_guest_it_keeps_the_frontend_in_that_systems_way(string shell, string path, string? was, string then, string? last)
    {
        Put("proc/sys/kernel/osrelease", "6.1.0\n");
        Put("sys/hypervisor/type", "xen\n");
        Put("lib/modules/6.1.0/modules.dep", "kernel/drivers/pci/xen-pcifront.ko.xz:\n");
        Directory.CreateDirectory(Path.Combine(root, Path.GetDirectoryName(path)!));
        if (was is not null)
        {
            Put(path, was);
            File.SetUnixFileMode(Path.Combine(root, path), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        Told([shell], "setup", 0, "this is a Xen PV guest");
        Assert.Equal(then, File.ReadAllText(Path.Combine(root, path)));
        if (was is not null)
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(root, path)));
        Told([shell], "setup", 0);
        Assert.Equal(then, File.ReadAllText(Path.Combine(root, path)));
        Told([shell], "undo", 0);
        Assert.Equal(last, File.Exists(Path.Combine(root, path)) ? File.ReadAllText(Path.Combine(root, path)) : null);
    }

    [Theory]
    [InlineData("dash")]
    [InlineData("bash")]
    public void What_it_must_not_touch_stays(string shell)
    {
        Put("proc/sys/kernel/osrelease", "6.1.0\n");
        Put("elsewhere", "precious\n");
        Put("etc/sysconfig/modules/other.modules", "#!/bin/sh\n");
        Told([shell], "setup", 1, "kernel 6.1.0 has no module acpiphp");
        Put("lib/modules/6.1.0/modules.dep", "kernel/acpiphp.ko:\n");
        File.CreateSymbolicLink(Path.Combine(root, "etc/sysconfig/modules/acpiphp.modules"), Path.Combine(root, "elsewhere"));
        Told([shell], "setup", 1, "is a symbolic link");
        Assert.Equal("precious\n", File.ReadAllText(Path.Combine(root, "elsewhere")));
        Put("proc/xen/capabilities", "control_d\n");
        Told([shell], "setup", 2, "this is a Xen host");
    }

    void Put(string path, string text)
    {
        var full = Path.Combine(root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, text);
    }

    string Picture() => string.Join('\n', Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
        .Select(path => $"{path} {File.GetUnixFileMode(path)} {File.ReadAllText(path)}"));

    void Told(string[] shell, string action, int code, params string[] words)
    {
        var start = new ProcessStartInfo(shell[0]) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])[.. shell[1..], "-s", "--", action, root])
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        process.StandardInput.Write(GuestScript.Text);
        process.StandardInput.Close();
        var errors = process.StandardError.ReadToEndAsync();
        var text = process.StandardOutput.ReadToEnd() + errors.Result;
        process.WaitForExit();
        Assert.True(process.ExitCode == code, $"{string.Join(' ', shell)} {action} ended with {process.ExitCode}:\n{text}");
        Assert.All(words, word => Assert.Contains(word, text, StringComparison.Ordinal));
    }
}
