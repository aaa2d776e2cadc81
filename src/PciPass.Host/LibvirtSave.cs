using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>
/// Guests of QEMU that libvirt writes into an image, and starts from one. It goes on with either when the process that asked for it dies; so where
/// the host stands is read from the image and from what libvirt says of the guest.
/// </summary>
static class LibvirtSave
{
    /// <summary>virDomainState and the reasons of a pause (libvirt-domain.h): moved or restored, written into an image, just being started.</summary>
    const int Running = 1, Paused = 3, ForMigration = 2, ForSave = 3, ForStart = 11;

    /// <summary>Writing or reading an image takes as long as the guest is large and the disk slow; past this somebody has to look.</summary>
    static readonly TimeSpan ImageDeadline = TimeSpan.FromHours(1);

    const int MostHead = 1 << 20;

    /// <summary>Whether the image is there, and was written to its end.</summary>
    public static bool IsWhole(HostSystem host, string path)
    {
        if (!host.Files.Exists(path))
            return false;
        var bytes = new byte[MostHead];
        return LibvirtImage.Parse(bytes.AsSpan(0, host.Files.Read(path, bytes))) is { IsWhole: true };
    }

    /// <summary>What libvirt still does for a step whose process has died; null for nothing.</summary>
    public static string? WorkOn(HostSystem host, Step step)
    {
        if (step is not (Shelve or StartGuest { Toolstack: Toolstack.Libvirt }))
            return null;
        using var libvirt = LibvirtPlug.Connect(host);
        var name = step is Shelve { Guest: var saved } ? saved : ((StartGuest)step).Guest;
        return libvirt.Find($"{name}") is { Id: >= 0 } domain && libvirt.StateOf(domain) is (Paused, var reason) && (step is Shelve ? reason is ForSave : reason is ForMigration or ForStart)
            ? $"libvirt, which {(step is Shelve ? "writes" : "starts")} {name},"
            : null;
    }

    public static Observation Observe(HostSystem host, Shelve step)
    {
        var isThere = host.Files.Exists(step.Path);
        if (QemuProcess.Find(host.Files, step.Start) is null)
        {
            return IsWhole(host, step.Path) ? new Observation(step.Shelved ? Position.To : Position.From, "an image, and the guest has ended")
                : new Observation(step.Shelved ? Position.Elsewhere : isThere ? Position.HalfWay : Position.To, $"{(isThere ? "half an image" : "no image")}, and the guest has ended");
        }
        using var libvirt = LibvirtPlug.Connect(host);
        return (isThere, libvirt.StateOf(DomainOf(host, libvirt, step.Guest, step.Start)).State) switch
        {
            (false, Running) => new Observation(step.Shelved ? Position.From : Position.To, "no image"),
            (true, var state) => new Observation(Position.HalfWay, $"an image, and the guest {(state == Running ? "runs" : "does not run")}"),
            _ => new Observation(step.Shelved ? Position.Elsewhere : Position.HalfWay, $"no image, and a guest that does not run (virsh resume {step.Guest}, where it is paused)"),
        };
    }

    public static void Act(HostSystem host, Shelve step)
    {
        if (!step.Shelved)
        {
            TakeBack(host, step);
            return;
        }
        using (var libvirt = LibvirtPlug.Connect(host))
            libvirt.SaveTo(DomainOf(host, libvirt, step.Guest, step.Start), step.Path, ImageDeadline);
        // libvirt flushes what is in it, and not that it is whole.
        host.Files.Append(step.Path, [], flush: true);
    }

    static void TakeBack(HostSystem host, Shelve step)
    {
        if (WorkOn(host, step) is string work)
            throw new HostFailure($"{work} is still at work");
        // The guest first: it is what matters.
        if (QemuProcess.Find(host.Files, step.Start) is null)
        {
            if (IsWhole(host, step.Path))
                throw new HostFailure($"{step.Guest} has ended, and {step.Path} is all there is of it");
        }
        else
        {
            using var libvirt = LibvirtPlug.Connect(host);
            var domain = DomainOf(host, libvirt, step.Guest, step.Start);
            if (libvirt.StateOf(domain) is (Paused, _))
                libvirt.LetGoOn(domain);
        }
        if (host.Files.Exists(step.Path))
            host.Files.RemoveFile(step.Path);
    }

    public static Observation Observe(HostSystem host, StartGuest step)
    {
        using var libvirt = LibvirtPlug.Connect(host);
        return libvirt.Find($"{step.Guest}") is not { Id: >= 0 } domain ? new Observation(Position.From, $"no guest {step.Guest}")
            : libvirt.StateOf(domain) is (Running, _) ? new Observation(Position.To, $"{step.Guest} running")
            : new Observation(Position.HalfWay, $"{step.Guest}, which does not run yet");
    }

    public static void Act(HostSystem host, StartGuest step)
    {
        using var libvirt = LibvirtPlug.Connect(host);
        libvirt.StartFrom(step.Path, ImageDeadline);
    }

    /// <summary>This start of the guest, and no other of its name.</summary>
    public static LibvirtDomain DomainOf(HostSystem host, Libvirt libvirt, GuestName guest, GuestStart start) =>
        libvirt.Find($"{guest}") is { Id: >= 0 } domain && LibvirtReader.ProcessOf(host.Files, domain.Name) == start.Number ? domain
            : throw new HostFailure($"libvirt knows of no guest {guest} that is {start.Words}");
}
