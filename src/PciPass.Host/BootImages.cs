using PciPass.Core;

namespace PciPass.Host;

/// <summary>
/// The initramfs images, which follow from the files that they are made of: made anew by the distribution's own program after those
/// have changed, in either direction. They are no step, since what is derived is not undone but derived again.
/// </summary>
public sealed class BootImages(HostSystem host)
{
    static readonly TimeSpan Deadline = TimeSpan.FromMinutes(15);

    /// <summary>The generators that this host has: what makes its images.</summary>
    public IReadOnlyList<string> Generators()
    {
        List<string> found = [];
        if (host.Files.Exists("/usr/share/initramfs-tools/hook-functions"))
            found.Add(BootPart.InitramfsTools);
        if (host.Files.Exists("/usr/lib/dracut/dracut-init.sh"))
            found.Add(BootPart.Dracut);
        return found;
    }

    /// <summary>Whether the images have pcipass' part: whether they need to be made anew when the list changes.</summary>
    public bool HasPart(string generator) => BootPart.FilesOf(generator, "").All(file => host.Files.Exists(file.Path)) || IsPackaged(generator);

    /// <summary>Whether a package of the distribution has brought a part: then nothing of it needs to be installed.</summary>
    public bool IsPackaged(string part) => BootPart.PackagedFilesOf(part).All(file => host.Files.Exists(file.Path));

    /// <summary>Whether an image is made of this file, among others.</summary>
    public static bool IsSource(string path) =>
        path.StartsWith("/etc/initramfs-tools/", StringComparison.Ordinal) || path.StartsWith("/usr/lib/dracut/", StringComparison.Ordinal) || path.StartsWith("/etc/modprobe", StringComparison.Ordinal);

    /// <summary>The command that makes all images anew.</summary>
    public static string CommandOf(string generator) => generator == BootPart.InitramfsTools ? "update-initramfs -u -k all" : "dracut --regenerate-all --force";

    /// <summary>The command that makes GRUB's menu anew: Debian's, or that of the others.</summary>
    public string MenuCommand => host.Files.Exists("/usr/sbin/update-grub") || !host.Files.Exists("/boot/grub2") ? "update-grub" : "grub2-mkconfig -o /boot/grub2/grub.cfg";

    /// <summary>Makes GRUB's menu anew.</summary>
    /// <exception cref="HostFailure">It failed.</exception>
    public void MakeMenu() => Run(MenuCommand);

    /// <summary>Makes all images anew.</summary>
    /// <exception cref="HostFailure">It failed; the images are as before, or partly new.</exception>
    public void Make(string generator) => Run(CommandOf(generator));

    void Run(string command)
    {
        var words = command.Split(' ');
        var result = host.Run(words[0], words[1..], Deadline);
        if (result.ExitCode != 0)
            throw new HostFailure($"{command} ended with {result.ExitCode}: {result.Errors.Trim().Split('\n')[^1]}");
    }
}
