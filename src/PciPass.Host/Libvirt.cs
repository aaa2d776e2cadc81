using System.Collections.Immutable;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>What pcipass asks libvirt's driver for QEMU or, in dom0, for Xen, and tells it (the calls of libvirt-domain.h, by their numbers in remote_protocol.x).</summary>
sealed class Libvirt(LibvirtClient client) : IDisposable
{
    const int GetXml = 14, LookUpByName = 23, AttachDevice = 160, DetachDevice = 161, ListAll = 273, Restore = 54, Save = 55, GetState = 212, Resume = 28, GetJob = 163, Migrate = 305, RegisterCallback = 316, DeviceRemoved = 333, DeviceRemovalFailed = 367;
    const int RemovedEvent = 15, RemovalFailedEvent = 22;
    const int ThatRun = 1, Persistent = 4;

    /// <summary>virDomainState: it runs.</summary>
    public const int Running = 1;
    const int AsDefined = 2;
    const int Live = 1, Config = 2;

    /// <summary>virDomainMigrateFlags, and virDomainJobType.</summary>
    const int LiveMove = 1, PeerToPeer = 2, Tunnelled = 4, AutoConverge = 1 << 13;
    const int NoJob = 0, Completed = 3, Failed = 4, Cancelled = 5;
    const int NoConnection = 5, NoDomain = 42, DeviceMissing = 99;
    const int UuidBytes = 16, MostDomains = 16384;

    readonly HashSet<(string Guest, int Event)> registered = [];

    /// <summary>Each driver's own daemon, or one for all of them (libvirtd(8), virtqemud(8)).</summary>
    static string[] Sockets(bool isXen) => [$"/run/libvirt/{(isXen ? "virtxend" : "virtqemud")}-sock", "/run/libvirt/libvirt-sock"];

    /// <summary>Before it answers, QEMU has pinned and mapped all of the guest's memory for the function: minutes where that is much.</summary>
    static readonly TimeSpan AttachDeadline = TimeSpan.FromMinutes(5);

    /// <summary>A Xen guest lets go within ten seconds, or libxl ends the wait (libxl_pci.c); its agent and the device model come before.</summary>
    static readonly TimeSpan TakeDeadline = TimeSpan.FromSeconds(90);

    /// <summary>Connects to the driver for what runs guests here: Xen in its dom0, else QEMU.</summary>
    /// <returns>Null where no libvirt listens that has it.</returns>
    /// <exception cref="HostFailure">One listens, and does not talk.</exception>
    public static Libvirt? Connect(HostSystem host, TimeSpan deadline)
    {
        var isXen = XenReader.ReadHypervisor(host.Files) == Core.Hypervisor.XenDom0;
        foreach (var path in Sockets(isXen))
        {
            if (host.ConnectSocket(path) is not ByteChannel channel)
                continue;
            try
            {
                return new Libvirt(new LibvirtClient(channel, host.Clock, deadline, isXen ? "xen:///system" : "qemu:///system"));
            }
            catch (LibvirtRefusal refusal) when (refusal.Code == NoConnection)
            {
                // It has not this driver.
            }
            catch (DeadlinePassed)
            {
                throw new HostFailure($"libvirt at {path} does not answer within {deadline.TotalSeconds:0} s");
            }
        }
        return null;
    }

    /// <summary>The guests that run.</summary>
    public ImmutableArray<LibvirtDomain> RunningDomains() => List(ThatRun);

    /// <summary>The guests that are defined, whether they run or not.</summary>
    public ImmutableArray<LibvirtDomain> DefinedDomains() => List(Persistent);

    /// <summary>The guest of this name; null when there is none.</summary>
    public LibvirtDomain? Find(string name)
    {
        try
        {
            return client.Ask($"look for guest {name}", LookUpByName, new XdrWriter().Text(name), Domain);
        }
        catch (LibvirtRefusal refusal) when (refusal.Code == NoDomain)
        {
            return null;
        }
    }

    /// <summary>What a running guest has.</summary>
    public DomainXml ReadLive(LibvirtDomain domain) => ReadXml(domain, 0);

    /// <summary>What a guest will have at its next start.</summary>
    public DomainXml ReadDefinition(LibvirtDomain domain) => ReadXml(domain, AsDefined);

    /// <summary>Gives a running guest a function.</summary>
    public void Attach(LibvirtDomain domain, string element) => Change("give", AttachDevice, domain, element, Live, AttachDeadline);

    /// <summary>Writes a function into a guest's definition.</summary>
    public void Define(LibvirtDomain domain, string element) => Change("define", AttachDevice, domain, element, Config);

    /// <summary>Takes a function out of a guest's definition.</summary>
    public void Undefine(LibvirtDomain domain, string element) => Change("take", DetachDevice, domain, element, Config);

    /// <summary>Has libvirt take a function from a running Xen guest, as xl would: what the guest makes of it is seen in xenstore.</summary>
    public void Take(LibvirtDomain domain, string element) => Change("take", DetachDevice, domain, element, Live, TakeDeadline);

    /// <summary>Asks a running guest of QEMU to let go of a function, and waits until it has.</summary>
    /// <exception cref="GuestHolds">It has not, in this time.</exception>
    /// <exception cref="HostFailure">It will not, and libvirt said so.</exception>
    public void Detach(LibvirtDomain domain, string element, XmlHostDevice device, TimeSpan deadline)
    {
        // Before the question: the answer may be there before libvirt's own.
        Register(domain, RemovedEvent);
        Register(domain, RemovalFailedEvent);
        try
        {
            // libvirt waits five seconds for the guest before it answers, and QEMU may be at work before.
            Change("take", DetachDevice, domain, element, Live, deadline);
        }
        catch (LibvirtRefusal refusal) when (refusal.Code == DeviceMissing)
        {
            return;
        }
        catch (LibvirtRefusal refusal) when (refusal.Words.Contains("already in the process of unplug", StringComparison.Ordinal))
        {
            // Asked before; the answer is still to come.
        }
        if (IsOut())
            return;
        try
        {
            var happened = client.WaitFor(happened => happened.Procedure is DeviceRemoved or DeviceRemovalFailed && AliasOf(happened) == device.Alias, deadline);
            if (happened.Procedure == DeviceRemovalFailed)
                throw new HostFailure("the guest refused to let go of it");
        }
        catch (DeadlinePassed)
        {
            if (!IsOut())
                throw new GuestHolds($"the guest has not let go of {device.Address} within {deadline.TotalSeconds:0} s");
        }

        bool IsOut() => !ReadLive(domain).Functions.Contains(device.Address);
    }

    /// <summary>Writes a running guest into a file and ends it; refused, the guest goes on, and there is no file.</summary>
    public void SaveTo(LibvirtDomain domain, string path, TimeSpan limit) => client.Do($"save guest {domain.Name}", Save, Named(domain).Text(path), limit);

    /// <summary>Starts a guest from such a file.</summary>
    public void StartFrom(string path, TimeSpan limit) => client.Do($"start a guest from {path}", Restore, new XdrWriter().Text(path), limit);

    /// <summary>
    /// Has a running guest moved to another host while it works, by the libvirt here to the one at that URI, all through their own connection
    /// (virDomainMigrateToURI3). Refused or cut off, it goes on here.
    /// </summary>
    public void MoveTo(LibvirtDomain domain, string uri, TimeSpan limit) =>
        client.Do($"move guest {domain.Name} to {uri}", Migrate, Named(domain).OptionalText(uri).Number(0).Number(0).Number(LiveMove | PeerToPeer | Tunnelled | AutoConverge), limit);

    /// <summary>Whether it has something under way with a guest, such as a move (virDomainGetJobInfo).</summary>
    public bool IsAtWork(LibvirtDomain domain) => client.Ask($"say what is done with guest {domain.Name}", GetJob, Named(domain), static answer => answer.Number()) is not (NoJob or Completed or Failed or Cancelled);

    /// <summary>Lets a paused guest go on.</summary>
    public void LetGoOn(LibvirtDomain domain) => client.Do($"let guest {domain.Name} go on", Resume, Named(domain));

    /// <summary>Whether a guest runs, and why it does not (virDomainState and its reasons in libvirt-domain.h).</summary>
    public (int State, int Reason) StateOf(LibvirtDomain domain) => client.Ask($"say what guest {domain.Name} does", GetState, Named(domain).Number(0), static answer => (answer.Number(), answer.Number()));

    public void Dispose() => client.Dispose();

    ImmutableArray<LibvirtDomain> List(int which) => client.Ask("list its guests", ListAll, new XdrWriter().Number(1).Number(which), static answer =>
    {
        var domains = ImmutableArray.CreateBuilder<LibvirtDomain>();
        for (var left = answer.Count(MostDomains); left > 0; left--)
            domains.Add(Domain(ref answer));
        return domains.ToImmutable();
    });

    DomainXml ReadXml(LibvirtDomain domain, int flags) =>
        client.Ask($"describe guest {domain.Name}", GetXml, Named(domain).Number(flags), static answer => DomainXml.Parse(answer.Text(LibvirtClient.MostText)));

    void Change(string what, int procedure, LibvirtDomain domain, string element, int half, TimeSpan? limit = null) =>
        client.Do($"{what} a function of guest {domain.Name}", procedure, Named(domain).Text(element).Number(half), limit);

    void Register(LibvirtDomain domain, int what)
    {
        // A second time on one connection is refused ("event callback already tracked").
        if (registered.Add((Convert.ToHexString(domain.Uuid), what)))
            client.Do($"tell of guest {domain.Name}", RegisterCallback, new XdrWriter().Number(what).Number(1).Opaque(Named(domain).ToArray()));
    }

    static XdrWriter Named(LibvirtDomain domain) => new XdrWriter().Text(domain.Name).Opaque(domain.Uuid).Number(domain.Id);

    static LibvirtDomain Domain(XdrReader answer) => Domain(ref answer);

    static LibvirtDomain Domain(ref XdrReader answer) => new(answer.Text(LibvirtClient.MostText), answer.Opaque(UuidBytes).ToArray(), answer.Number());

    /// <summary>Which callback, which guest, and then the device's name.</summary>
    static string AliasOf(LibvirtEvent happened)
    {
        var message = new XdrReader(happened.Payload);
        _ = message.Number();
        _ = Domain(ref message);
        return message.Text(LibvirtClient.MostText);
    }
}
