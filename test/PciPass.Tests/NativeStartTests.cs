using System.Diagnostics;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The native binary, started by somebody whose habits it inherits: in a root folder of its own, with a systemctl that only writes down what it is told.</summary>
[Trait("Category", "Lab")]
public sealed class NativeStartTests : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("pcipass-test-").FullName;

    /// <summary>The mounts are this script's alone and end with it.</summary>
    const string Chroot = """
        set -e
        cd "$1"
        mkdir -p proc sys dev usr etc var run/systemd/system
        for tree in proc sys dev usr; do mount --rbind /$tree $tree; done
        for link in bin sbin lib lib64; do [ ! -L /$link ] || cp -a /$link $link; done
        export PATH=/fake:/usr/bin:/usr/sbin
        exec chroot . env $2 /pcipass boot install
        """;

    [Theory]
    [InlineData("--default-signal=CHLD")]
    [InlineData("--ignore-signal=CHLD")]
    [InlineData("--block-signal=CHLD")]
    public async Task Whatever_its_starter_does_with_childrens_ends_it_hears_of_its_own(string habit)
    {
        Directory.CreateDirectory(Path.Combine(folder, "fake"));
        var systemctl = Path.Combine(folder, "fake", "systemctl");
        File.WriteAllText(systemctl, "#!/bin/sh\necho \"$@\" >>/told\n");
        File.SetUnixFileMode(systemctl, (UnixFileMode)0b111_101_101);
        File.Copy(Path.Combine(Images.FindCheckout(), "artifacts", "pcipass"), Path.Combine(folder, "pcipass"));
        using var process = Process.Start(new ProcessStartInfo("unshare", ["--mount", "sh", "-c", Chroot, "sh", folder, habit]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"exit {process.ExitCode}\n{output}{await errors}");
        Assert.Contains("done     (operation 1)", output, StringComparison.Ordinal);
        Assert.Equal("enable pcipass-boot.service\n", File.ReadAllText(Path.Combine(folder, "told")));
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
