using System.Text;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Sim;

/// <summary>A libvirtd of a simulated host: it runs guests by QEMU or, in dom0, by Xen, and keeps what is defined below /etc/libvirt.</summary>
public sealed class SimLibvirt
{
    readonly SimHost host;
    readonly List<SimLibvirtChannel> channels = [];

    internal SimLibvirt(SimHost host)
    {
        this.host = host;
        xen = host.IsXen ? new SimLibvirtXen(host) : null;
        images = new SimLibvirtImages(host, LiveXml);
        moves = new SimLibvirtMoves(host);
    }

    readonly SimLibvirtXen? xen;
    readonly SimLibvirtImages images;
    readonly SimLibvirtMoves moves;

    /// <summary>Why it cannot write guests into images; null where it can.</summary>
    public string? SaveRefusal
    {
        get => images.Refusal;
        set => images.Refusal = value;
    }

    const string Dom0 = "Domain-0";

    internal const string Socket = "/run/libvirt/libvirt-sock";

    /// <summary>libvirt's numbers of errors (virterror.h).</summary>
    internal const int NoDomain = 42, InvalidOperation = 55, OperationFailed = 9, InternalError = 1, DeviceMissing = 99;

    /// <summary>What it refuses, and why.</summary>
    internal sealed record Refusal(int Code, string Words);

    /// <summary>The names of the guests that are defined.</summary>
    public IEnumerable<string> Defined => host.FilesIn($"/etc/libvirt/{Driver}").Where(name => name.EndsWith(".xml", StringComparison.Ordinal)).Select(name => name[..^4]);

    /// <summary>The names of the guests that it runs.</summary>
    internal IEnumerable<string> RunningNames => xen is not null ? xen.Running.Select(guest => guest.Name).Prepend(Dom0) : Running.Select(qemu => qemu.Name);

    /// <summary>The number of a running guest; null where it does not run.</summary>
    internal int? NumberOf(string name) => xen is not null ? name == Dom0 ? 0 : Domain(name)?.DomId : Find(name)?.ProcessId;

    SimGuest? Domain(string name) => xen?.Running.FirstOrDefault(guest => guest.Name == name);

    SimQemu? Find(string name) => Running.FirstOrDefault(qemu => qemu.Name == name);

    string Driver => xen is null ? "qemu" : "libxl";

    /// <summary>The functions that it lists for a running guest of Xen.</summary>
    public IEnumerable<PciAddress> Listed(string name) => xen!.Listed(Domain(name)!).Select(device => device.Address);

    internal void Starts(SimGuest guest)
    {
        host.PutFile(SimLibvirtXen.StateFile(guest), SimLibvirtXen.State(guest));
        xen!.Starts(guest, Definition(guest.Name));
    }

    IEnumerable<SimQemu> Running => host.Qemus.Where(qemu => qemu.Plan.IsLibvirts);

    /// <summary>What a guest is defined as; null where it is not.</summary>
    public string? Definition(string name) => host.ReadFile(PathOf(name));

    /// <summary>Somebody defines a guest by hand, or changes its definition.</summary>
    public void Define(string name, string? xml = null) => host.PutFile(PathOf(name), Encoding.UTF8.GetBytes(xml ?? (xen is null ? Template(name, 2, "", 0) : XenTemplate(name, "", 0))));

    /// <summary>Somebody gives a running guest a function by virsh.</summary>
    public void AttachByHand(string guest, string element) => Demand(ChangeLive(null, attach: true, guest, element));

    /// <summary>Somebody asks a running guest for a function by virsh.</summary>
    public void DetachByHand(string guest, string element) => Demand(ChangeLive(null, attach: false, guest, element));

    /// <summary>Somebody writes a function into a guest's definition by virsh.</summary>
    public void DefineByHand(string guest, string element) => Demand(AttachConfig(guest, element));

    /// <summary>Somebody takes a function out of a guest's definition by virsh.</summary>
    public void UndefineByHand(string guest, string element) => Demand(DetachConfig(guest, element));

    static void Demand(Refusal? refusal) => _ = refusal is null ? true : throw new InvalidOperationException(refusal.Words);

    internal void Connect(SimLibvirtChannel channel) => channels.Add(channel);

    internal void Disconnect(SimLibvirtChannel channel) => channels.Remove(channel);

    internal void Tell(string guest, int procedure, string alias)
    {
        foreach (var channel in channels.ToList())
            channel.Tell(guest, procedure, alias);
    }

    /// <summary>What a running guest has, as far as libvirt knows; null where it does not run.</summary>
    internal string? LiveXml(string name) => Domain(name) is SimGuest guest
        ? XenTemplate(name, string.Concat(xen!.Listed(guest).Select(device => $"    <hostdev mode='subsystem' type='pci' managed='{(device.Managed ? "yes" : "no")}'>\n      <driver name='xen'/>\n      <source>\n        {Place(device.Address, "")}\n      </source>\n    </hostdev>\n")), guest.DomId)
        : Find(name) is SimQemu qemu ? LiveXml(qemu) : null;

    /// <summary>Whether a guest runs, and why it does not; null where there is none of this name that does, or is paused.</summary>
    internal (int State, int Reason)? StateOf(string name) => Domain(name) is not null ? (1, 1) : Find(name) is SimQemu qemu ? images.StateOf(qemu) : null;

    /// <summary>Writes a running guest into a file, and ends it.</summary>
    internal Refusal? Save(string name, string path) =>
        Find(name) is SimQemu qemu ? images.Save(qemu, path) : new Refusal(InvalidOperation, "Requested operation is not valid: domain is not running");

    /// <summary>Moves a running guest to another host.</summary>
    internal Refusal? Move(string name, string uri) =>
        Find(name) is SimQemu qemu ? moves.Move(qemu, uri) : new Refusal(InvalidOperation, "Requested operation is not valid: domain is not running");

    /// <summary>What is done with a running guest (virDomainJobType).</summary>
    internal int JobOf(string name) => Find(name) is SimQemu qemu ? moves.JobOf(qemu) : 0;

    /// <summary>Starts a guest from such a file.</summary>
    internal Refusal? Start(string path) => images.Start(path);

    /// <summary>Gives a running guest a function, or takes it.</summary>
    /// <param name="words">What the trace says, when this process is the one that asks; null when somebody else does.</param>
    /// <param name="attach">Which of both.</param>
    /// <param name="name">The guest.</param>
    /// <param name="element">The function's element.</param>
    internal Refusal? ChangeLive(string? words, bool attach, string name, string element)
    {
        if (Domain(name) is SimGuest guest)
            return xen!.Change(words, attach, guest, element);
        if (Find(name) is not SimQemu qemu)
            return new Refusal(InvalidOperation, "Requested operation is not valid: domain is not running");
        Refusal? refusal = null;
        if (words is null)
            return Act();
        host.Change(words, () => refusal = Act());
        // It waits five seconds for the guest, and answers then (qemuDomainWaitForDeviceRemoval).
        if (!attach && refusal is null)
            host.Clock.Advance(TimeSpan.FromSeconds(5));
        return refusal;

        Refusal? Act() => attach ? AttachLive(qemu, element) : DetachLive(qemu, element);
    }

    static string LiveXml(SimQemu qemu) => Template(qemu.Name, qemu.Plan.Ports, string.Concat(qemu.Devices.Select(device =>
        $"    <hostdev mode='subsystem' type='pci' managed='{(device.IsManaged ? "yes" : "no")}'>\n      <driver name='vfio'/>\n      <source>\n        {Place(device.Address, "")}\n      </source>\n"
        + $"      <alias name='{device.Id}'/>\n      {Place(PciAddress.Parse($"0000:{device.Port[4..].PadLeft(2, '0')}:00.0"), "type='pci' ")}\n    </hostdev>\n")), qemu.ProcessId);

    /// <summary>What a function's element says; null where it is none.</summary>
    internal static XmlHostDevice? Read(string element) => DomainXml.Parse($"<domain><devices>{element}</devices></domain>").HostDevices.FirstOrDefault();

    /// <summary>Gives a running guest a function (qemuDomainAttachHostPCIDevice).</summary>
    Refusal? AttachLive(SimQemu qemu, string element)
    {
        if (Read(element) is not XmlHostDevice device || host.Find(device.Address) is not SimFunction function)
            return new Refusal(InternalError, "internal error: the device cannot be found");
        if (Running.FirstOrDefault(other => other.Devices.Any(has => has.Address == device.Address)) is SimQemu owner)
            return new Refusal(InvalidOperation, $"Requested operation is not valid: PCI device {device.Address} is in use by driver QEMU, domain {owner.Name}");
        if (qemu.FreePort is not string port)
            return new Refusal(InternalError, "internal error: No more available PCI slots");
        if (device.Managed)
            host.Rebind(function, "vfio-pci");
        else if (function.Driver != "vfio-pci")
            return new Refusal(InvalidOperation, $"Requested operation is not valid: Unmanaged PCI device {device.Address} must be manually detached from the host");
        var id = $"hostdev{Enumerable.Range(0, 100).First(number => qemu.Devices.All(has => has.Id != $"hostdev{number}"))}";
        return qemu.Add(id, device.Address, port, device.Managed) is string refused
            ? new Refusal(InternalError, $"internal error: unable to execute QEMU command 'device_add': {refused}")
            : null;
    }

    static Refusal? DetachLive(SimQemu qemu, string element)
    {
        if (Read(element) is not XmlHostDevice device || qemu.Devices.FirstOrDefault(has => has.Address == device.Address) is not { } there)
            return Missing(element);
        return qemu.Remove(there.Id) is var (_, words) ? new Refusal(InternalError, $"internal error: unable to execute QEMU command 'device_del': {words}") : null;
    }

    /// <summary>Changes a definition: libvirt writes its own form of it.</summary>
    internal Refusal? AttachConfig(string name, string element)
    {
        var xml = DomainXml.Parse(Definition(name)!);
        if (Read(element) is not XmlHostDevice device)
            return new Refusal(InternalError, "internal error: no device");
        if (xml.Functions.Contains(device.Address))
            return new Refusal(OperationFailed, "operation failed: device is already in the domain configuration");
        Define(name, xml.With(device.Address, device.Managed));
        return null;
    }

    internal Refusal? DetachConfig(string name, string element)
    {
        var xml = DomainXml.Parse(Definition(name)!);
        if (Read(element) is not XmlHostDevice device || !xml.Functions.Contains(device.Address))
            return Missing(element);
        Define(name, xml.Without(device.Address));
        return null;
    }

    static Refusal Missing(string element) => new(DeviceMissing, $"device not found: host pci device {Read(element)?.Address} not found");

    string PathOf(string name) => $"/etc/libvirt/{Driver}/{name}.xml";

    static string Place(PciAddress address, string type) =>
        $"<address {type}domain='0x{address.Segment:x4}' bus='0x{address.Bus:x2}' slot='0x{address.Device:x2}' function='0x{address.Function:x1}'/>";

    static string XenTemplate(string name, string devices, int id) =>
        $"<domain type='xen'{(id > 0 ? $" id='{id}'" : "")}>\n  <name>{name}</name>\n  <os>\n    <type arch='x86_64' machine='xenpv'>linux</type>\n  </os>\n  <devices>\n{devices}    <memballoon model='xen'/>\n  </devices>\n</domain>\n";

    static string Template(string name, int ports, string devices, int id) =>
        $"<domain type='kvm'{(id > 0 ? $" id='{id}'" : "")}>\n  <name>{name}</name>\n  <os>\n    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>\n  </os>\n  <devices>\n"
        + "    <controller type='pci' index='0' model='pcie-root'/>\n"
        + string.Concat(Enumerable.Range(1, ports).Select(port => $"    <controller type='pci' index='{port}' model='pcie-root-port'>\n      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x{port - 1:x1}'/>\n    </controller>\n"))
        + $"{devices}    <memballoon model='none'/>\n  </devices>\n</domain>\n";
}
