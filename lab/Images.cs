using System.Diagnostics;

namespace PciPass.Lab;

/// <summary>The lab's images and folders below artifacts/lab of the checkout.</summary>
public sealed class Images
{
    Images(string checkout)
    {
        Checkout = checkout;
        Folder = Path.Combine(checkout, "artifacts", "lab");
    }

    /// <summary>The checkout's root folder.</summary>
    public string Checkout { get; }

    /// <summary>Where the images and logs are.</summary>
    public string Folder { get; }

    /// <summary>The hypervisor.</summary>
    public string Xen => Path.Combine(Folder, "xen");

    /// <summary>The kernel of dom0, of the guests and of Linux alone.</summary>
    public string Kernel => Path.Combine(Folder, "vmlinux");

    /// <summary>The file system of dom0, and of Linux alone.</summary>
    public string Dom0 => Path.Combine(Folder, "dom0.cpio");

    /// <summary>An archive to be laid over <see cref="Dom0"/>, made by the script of its name where it is missing or out of date.</summary>
    /// <param name="name"><c>kvm</c>, <c>libvirt</c>, <c>systemd</c> or <c>ssh</c>.</param>
    /// <exception cref="LabException">It cannot be made.</exception>
    public string Overlay(string name)
    {
        Run(Path.Combine(Checkout, "lab", $"{name}.sh"), progress: null);
        return Path.Combine(Folder, $"{name}.cpio");
    }

    /// <summary>The root file system that a distribution's initramfs starts.</summary>
    public string Root => Path.Combine(Folder, "root.cpio");

    /// <summary>A distribution's initramfs, made where it is missing or out of date; it holds the native program.</summary>
    /// <exception cref="LabException">It cannot be made.</exception>
    public string InitramfsOf(Initramfs kind)
    {
        _ = Program();
        Run(Path.Combine(Checkout, "lab", "initramfs.sh"), progress: null);
        return Path.Combine(Folder, $"initramfs-{kind.ToString().ToLowerInvariant()}.img");
    }

    /// <summary>The native program, as it lies in a machine.</summary>
    /// <exception cref="LabException">It has not been built.</exception>
    public MachineFile Program()
    {
        var program = Path.Combine(Checkout, "artifacts", "pcipass");
        return File.Exists(program)
            ? MachineFile.FromHost(program, "/usr/bin/pcipass")
            : throw new LabException($"{program} is missing: ./build publish makes it");
    }

    /// <summary>Makes the images where they are missing or out of date.</summary>
    /// <param name="progress">Gets each line of lab/images.sh, "[2/5] unpack the payload".</param>
    /// <exception cref="LabException">This program is outside a checkout, or the images cannot be made.</exception>
    public static Images Ensure(Action<string>? progress = null)
    {
        var images = new Images(FindCheckout());
        Run(Path.Combine(images.Checkout, "lab", "images.sh"), progress);
        return images;
    }

    static void Run(string script, Action<string>? progress)
    {
        var start = new ProcessStartInfo(script)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = new Process { StartInfo = start };
        var errors = new List<string>();
        process.ErrorDataReceived += (_, line) => errors.Add(line.Data ?? "");
        process.Start();
        process.BeginErrorReadLine();
        while (process.StandardOutput.ReadLine() is { } line)
        {
            progress?.Invoke(line);
        }
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new LabException($"lab/{Path.GetFileName(script)} ended with {process.ExitCode}:\n{string.Join('\n', errors)}");
        }
    }

    /// <summary>The folder of the checkout that this program was built from.</summary>
    /// <exception cref="LabException">It lies in none.</exception>
    public static string FindCheckout()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "lab", "images.sh")))
            {
                return folder.FullName;
            }
        }
        throw new LabException($"{AppContext.BaseDirectory} is in no checkout of pcipass: no lab/images.sh above it");
    }
}
