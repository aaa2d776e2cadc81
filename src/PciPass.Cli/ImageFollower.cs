using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary>Lets the initramfs images follow the files that an operation changed.</summary>
static class ImageFollower
{
    /// <returns>An exit code: what could not be made is told, and the files stay as they are.</returns>
    public static int Follow(Session session, Outcome outcome, bool json)
    {
        // They were made of the former files; what is undone needs no new ones.
        if (outcome.Result != Result.Done)
            return ExitCode.Done;
        try
        {
            return Math.Max(FollowBootLoader(session, outcome, json), FollowImages(session, outcome, json));
        }
        catch (HostFailure failure)
        {
            Messages.Write(session.Terminal, $"operation {outcome.Operation.Number} is done, but what is made of its files could not be looked for: the next start may go by the former ones", "old-initramfs", failure.Message, "pcipass boot verify     tells what the next start will do");
            return ExitCode.Failed;
        }
    }

    static int FollowImages(Session session, Outcome outcome, bool json)
    {
        var code = ExitCode.Done;
        var edits = outcome.Operation.Steps.OfType<EditFile>().Where(edit => edit.Path == DeviceList.Path || BootImages.IsSource(edit.Path)).ToArray();
        if (edits.Length == 0)
            return code;
        var images = new BootImages(session.Host);
        var generators = images.Generators().Where(generator => images.HasPart(generator) || edits.Any(edit => edit.Path.StartsWith("/etc/modprobe", StringComparison.Ordinal) || BootPart.FilesOf(generator, "").Any(file => file.Path == edit.Path))).ToArray();
        foreach (var generator in generators)
        {
            if (session.Host.Root is string root)
            {
                session.Terminal.Errors.WriteLine($"{session.Terminal.Yellow("note:")}  its initramfs is as before: chroot {root} {BootImages.CommandOf(generator)}     makes it anew");
                continue;
            }
            if (!json)
                session.Terminal.Errors.WriteLine($"  make the initramfs anew: {BootImages.CommandOf(generator)}");
            try
            {
                images.Make(generator);
            }
            catch (HostFailure failure)
            {
                Messages.Write(session.Terminal, "the initramfs could not be made anew: the next start goes by the old one", "old-initramfs", failure.Message, BootImages.CommandOf(generator));
                code = ExitCode.Failed;
            }
        }
        if (generators.Length == 0 && !json && outcome.Operation.Request.Verb == Verb.Hide)
            session.Terminal.Errors.WriteLine($"{session.Terminal.Yellow("note:")}  nothing in the initramfs hides it before the drivers come: pcipass boot install     puts it there");
        return code;
    }

    /// <summary>GRUB's menu is made of its settings; what is made of /etc/kernel/cmdline is told, since it depends on how the system was set up.</summary>
    static int FollowBootLoader(Session session, Outcome outcome, bool json)
    {
        if (outcome.Operation.Steps.OfType<EditFile>().Any(edit => edit.Path == BootFiles.KernelInstall))
        {
            var command = session.Host.Files.Exists("/usr/sbin/proxmox-boot-tool") ? "proxmox-boot-tool refresh" : "kernel-install add-all";
            session.Terminal.Errors.WriteLine($"{session.Terminal.Yellow("note:")}  {BootFiles.KernelInstall} counts from the next kernel on that is installed: {(session.Host.Root is string folder ? $"chroot {folder} " : "")}{command}     makes the entries anew");
        }
        if (!outcome.Operation.Steps.OfType<EditFile>().Any(edit => edit.Path.StartsWith(BootFiles.Grub, StringComparison.Ordinal)))
            return ExitCode.Done;
        var images = new BootImages(session.Host);
        if (session.Host.Root is string root)
        {
            session.Terminal.Errors.WriteLine($"{session.Terminal.Yellow("note:")}  its boot menu is as before: chroot {root} {images.MenuCommand}     makes it anew");
            return ExitCode.Done;
        }
        if (!json)
            session.Terminal.Errors.WriteLine($"  make the boot menu anew: {images.MenuCommand}");
        try
        {
            images.MakeMenu();
            return ExitCode.Done;
        }
        catch (HostFailure failure)
        {
            Messages.Write(session.Terminal, "the boot menu could not be made anew: the next start goes by the old one", "old-menu", failure.Message, images.MenuCommand);
            return ExitCode.Failed;
        }
    }
}
