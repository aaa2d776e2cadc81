using PciPass.Core;

namespace PciPass.Host;

/// <summary>
/// Guests of QEMU that libvirt moves to another host while they run. It goes on with that when the process that asked for it dies; so where the host
/// stands is read from the guest's process, from what libvirt says of it, and, once it is gone, from the other host.
/// </summary>
sealed class LibvirtMove(HostSystem host, GuestMover mover, Action<string>? note = null)
{
    /// <summary>virDomainState and the reasons of a pause (libvirt-domain.h): stopped for its last pages, here or there; and just being started.</summary>
    const int Paused = 3, ForMigration = 2, ForStart = 11;

    /// <summary>A large guest over a slow line.</summary>
    static readonly TimeSpan MoveDeadline = TimeSpan.FromHours(24);

    /// <summary>What libvirt still does for a move whose process has died, or for others; null for nothing.</summary>
    public string? WorkOn(Transfer step)
    {
        if (QemuProcess.Find(host.Files, step.Start) is null)
            return null;
        using var libvirt = LibvirtPlug.Connect(host);
        return libvirt.Find($"{step.Guest}") is { Id: >= 0 } domain && (libvirt.IsAtWork(domain) || libvirt.StateOf(domain) is (Paused, ForMigration))
            ? $"libvirt, which is busy with {step.Guest} (virsh domjobinfo {step.Guest}),"
            : null;
    }

    /// <summary>Whether a guest that a move brings is not yet let go on.</summary>
    public static bool IsOnItsWay((int State, int Reason) state) => state is (Paused, ForMigration or ForStart);

    public Observation Observe(Transfer step)
    {
        var (here, there) = step.Moved ? (Position.From, Position.To) : (Position.To, Position.From);
        if (QemuProcess.Find(host.Files, step.Start) is null)
        {
            return mover.Runs(step.Host, step.Guest, Toolstack.Libvirt) ? new Observation(there, $"moved to {step.Host}")
                : new Observation(step.Moved ? Position.Elsewhere : Position.To, $"ended here, and does not run on {step.Host}");
        }
        if (WorkOn(step) is string work)
            return new Observation(Position.HalfWay, work.TrimEnd(','));
        using var libvirt = LibvirtPlug.Connect(host);
        return libvirt.StateOf(DomainOf(libvirt, step)) is (Libvirt.Running, _) ? new Observation(here, "a guest that runs here")
            : new Observation(step.Moved ? Position.Elsewhere : Position.HalfWay, $"a guest that does not run (virsh resume {step.Guest}, where it is paused)");
    }

    public void Act(Transfer step)
    {
        if (QemuProcess.Find(host.Files, step.Start) is null)
            throw new HostFailure($"{step.Guest} runs on {step.Host}");
        using var libvirt = LibvirtPlug.Connect(host);
        var domain = DomainOf(libvirt, step);
        if (step.Moved)
        {
            note?.Invoke($"{step.Guest} runs on meanwhile; virsh domjobinfo {step.Guest} tells how far it is, virsh domjobabort {step.Guest} calls it off");
            libvirt.MoveTo(domain, $"qemu+ssh://{Authority(step.Host)}/system?no_tty=1", MoveDeadline);
        }
        else if (WorkOn(step) is string work)
        {
            throw new HostFailure($"{work} is still at work");
        }
        else if (libvirt.StateOf(domain) is (Paused, _))
        {
            libvirt.LetGoOn(domain);
        }
    }

    /// <summary>The host as part of a URI: an address of IPv6 stands in brackets there (RFC 3986, section 3.2.2).</summary>
    static string Authority(RemoteHost to)
    {
        var text = $"{to}";
        var name = text.IndexOf('@') + 1;
        return text.IndexOf(':', name) < 0 ? text : $"{text[..name]}[{text[name..]}]";
    }

    /// <summary>This start of the guest, and no other of its name.</summary>
    LibvirtDomain DomainOf(Libvirt libvirt, Transfer step) => LibvirtSave.DomainOf(host, libvirt, step.Guest, step.Start);
}
