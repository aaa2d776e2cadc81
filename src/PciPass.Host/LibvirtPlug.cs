using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Plugs a function into a guest of libvirt's, or out of it, now or from its next start on, and looks whether it is there.</summary>
static class LibvirtPlug
{
    /// <summary>How long a guest may take to let go: a PCI Express port's button alone is given five seconds by the specification.</summary>
    static readonly TimeSpan GuestDeadline = TimeSpan.FromSeconds(30);

    /// <summary>libvirt answers nothing about a guest while its QEMU is at work.</summary>
    static readonly TimeSpan AnswerDeadline = TimeSpan.FromSeconds(60);

    public static Observation Observe(HostSystem host, Plug plug)
    {
        var (without, with) = plug.Plugged ? (Position.From, Position.To) : (Position.To, Position.From);
        if (QemuPlug.IsGone(host, plug))
            return new Observation(without, $"{plug.Start.Words} has ended");
        using var libvirt = Connect(host);
        return Look(host, libvirt, plug).Device is XmlHostDevice device
            ? new Observation(with, $"{plug.Guest} has it as {(device.Slot is PciAddress slot ? $"{slot}" : device.Alias ?? "a device")}")
            : new Observation(without, $"{plug.Guest} does not have it");
    }

    public static void Act(HostSystem host, Plug plug)
    {
        using var libvirt = Connect(host);
        var (domain, xml, device) = Look(host, libvirt, plug);
        if (!plug.Plugged && device is not null)
            libvirt.Detach(domain, xml.TextOf(device), device, GuestDeadline);
        else if (plug.Plugged && device is null)
            libvirt.Attach(domain, DomainXml.Element(plug.Address, managed: false));
    }

    /// <summary>
    /// Plugs a function into a Xen guest, or out of it, through the libvirt that runs it: xl would do it behind libvirt's back, whose list of the
    /// guest's functions would then be wrong.
    /// </summary>
    /// <remarks>
    /// The caller has seen that the guest has what is to be taken from it. Told to take what is not there, libvirt 9.0 fails, and crashes at the
    /// guest's end: it goes on with what it has freed (libxlDomainDetachHostPCIDevice, seen in the lab).
    /// </remarks>
    /// <returns>False, and nothing is done, where it is xl's: another runs the guest, or xl has given it the function.</returns>
    public static bool ActOnDomain(HostSystem host, Plug plug)
    {
        if (!LibvirtReader.RunsDomain(host.Files, plug.Guest, plug.Start.Number))
            return false;
        using var libvirt = Connect(host);
        if (libvirt.Find($"{plug.Guest}") is not LibvirtDomain domain || domain.Id != plug.Start.Number)
            throw new HostFailure($"libvirt knows of no guest {plug.Guest} that is {plug.Start.Words}");
        var (_, xml, device) = Device(domain, libvirt.ReadLive(domain), plug.Address);
        if (plug.Plugged)
            libvirt.Attach(domain, DomainXml.Element(plug.Address, managed: false));
        else if (device is null)
            return false;
        else
            libvirt.Take(domain, xml.TextOf(device));
        return true;
    }

    public static Observation Observe(HostSystem host, Configure step)
    {
        using var libvirt = Connect(host);
        var isThere = Defined(libvirt, step).Device is not null;
        return new Observation(isThere == (step.To is not null) ? Position.To : Position.From, isThere ? "a place in the definition" : "no place in the definition");
    }

    public static void Act(HostSystem host, Configure step)
    {
        using var libvirt = Connect(host);
        var (domain, xml, device) = Defined(libvirt, step);
        if (step.To is FileContent to && device is null)
            libvirt.Define(domain, Configure.Element(to));
        else if (step.To is null && device is not null)
            libvirt.Undefine(domain, xml.TextOf(device));
    }

    internal static Libvirt Connect(HostSystem host) => Libvirt.Connect(host, AnswerDeadline) ?? throw new HostFailure("no libvirt listens that runs guests here");

    /// <summary>This start of the guest, and no other of its name.</summary>
    static (LibvirtDomain Domain, DomainXml Xml, XmlHostDevice? Device) Look(HostSystem host, Libvirt libvirt, Plug plug)
    {
        if (libvirt.Find($"{plug.Guest}") is not { Id: >= 0 } domain || LibvirtReader.ProcessOf(host.Files, domain.Name) != plug.Start.Number)
            throw new HostFailure($"libvirt knows of no guest {plug.Guest} that is {plug.Start.Words}");
        return Device(domain, libvirt.ReadLive(domain), plug.Address);
    }

    static (LibvirtDomain Domain, DomainXml Xml, XmlHostDevice? Device) Defined(Libvirt libvirt, Configure step)
    {
        var domain = libvirt.Find($"{step.Guest}") ?? throw new HostFailure($"libvirt knows of no guest {step.Guest}");
        return Device(domain, libvirt.ReadDefinition(domain), step.Address);
    }

    static (LibvirtDomain, DomainXml, XmlHostDevice?) Device(LibvirtDomain domain, DomainXml xml, PciAddress address) => xml.Problem is string problem
        ? throw new HostFailure($"libvirt's description of guest {domain.Name} cannot be understood: {problem}")
        : (domain, xml, xml.HostDevices.FirstOrDefault(device => device.Address == address));
}
