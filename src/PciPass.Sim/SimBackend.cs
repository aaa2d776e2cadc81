using PciPass.Core;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>
/// The part of xen-pciback that serves one guest over xenstore (drivers/xen/xen-pciback/xenbus.c and vpci.c, Linux 6.1): it reacts
/// to the toolstack's and the guest's writes a moment later.
/// </summary>
sealed class SimBackend
{
    static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(2);

    readonly SimHost host;
    readonly int domain;
    readonly Dictionary<PciAddress, (int Slot, int Function)> slots = [];
    readonly SimXenstore.Watch ownWatch;
    readonly SimXenstore.Watch frontendWatch;
    bool probed;

    public SimBackend(SimHost host, int domain)
    {
        this.host = host;
        this.domain = domain;
        ownWatch = host.Store.Add(Node, path =>
        {
            if (path == Node || path == $"{Node}/state")
                Later(OwnNodeChanged);
        });
        frontendWatch = host.Store.Add($"{Frontend}/state", _ => Later(FrontendChanged));
    }

    /// <summary>The guest is gone.</summary>
    public void Stop()
    {
        Store.Drop(ownWatch);
        Store.Drop(frontendWatch);
        Free();
    }

    string Node => $"/local/domain/0/backend/pci/{domain}/0";
    string Frontend => $"/local/domain/{domain}/device/pci/0";

    SimXenstore Store => host.Store;
    SimPciback? Pciback => host.Pciback;
    XenbusState State => (XenbusState)Store.ReadNumber($"{Node}/state", 0);
    XenbusState FrontendState => (XenbusState)Store.ReadNumber($"{Frontend}/state", 0);

    void Later(Action action)
    {
        var boot = host.BootNumber;
        host.Clock.After(Moment, () =>
        {
            if (boot == host.BootNumber)
                action();
        });
    }

    void Switch(XenbusState state) => Store.Write($"{Node}/state", $"{(int)state}");

    void OwnNodeChanged()
    {
        if (!Store.Exists($"{Node}/state"))
        {
            Free();
            return;
        }
        if (!probed)
        {
            probed = true;
            Switch(XenbusState.InitWait);
        }
        switch (State)
        {
            case XenbusState.InitWait:
                if (Export() && PublishRoot())
                {
                    Switch(XenbusState.Initialised);
                    Attach();
                }
                break;
            case XenbusState.Initialised:
                Export();
                break;
        }
    }

    void FrontendChanged()
    {
        if (!probed || State == XenbusState.Unknown)
            return;
        switch (FrontendState)
        {
            case XenbusState.Initialised:
                Attach();
                break;
            case XenbusState.Reconfiguring when State == XenbusState.Reconfiguring:
                if (Export() && PublishRoot() && Unexport())
                    Switch(XenbusState.Reconfigured);
                break;
            case XenbusState.Connected:
                if (State is XenbusState.Reconfigured)
                    Switch(XenbusState.Connected);
                break;
            case XenbusState.Closing:
                Switch(XenbusState.Closing);
                break;
            case XenbusState.Closed:
                Switch(XenbusState.Closed);
                if (Store.ReadText($"{Node}/online") != "1")
                    Free();
                break;
            case XenbusState.Unknown:
                // The frontend's nodes are gone.
                Free();
                break;
        }
    }

    void Attach()
    {
        if (State == XenbusState.Initialised && FrontendState == XenbusState.Initialised)
            Switch(XenbusState.Connected);
    }

    int Count => Store.ReadNumber($"{Node}/num_devs", 0);

    XenbusState StateOf(int n) => (XenbusState)Store.ReadNumber($"{Node}/state-{n}", 0);

    bool Export()
    {
        for (var n = 0; n < Count; n++)
        {
            if (StateOf(n) != XenbusState.Initialising)
                continue;
            if (!PciAddress.TryParse(Store.ReadText($"{Node}/dev-{n}"), out var address) || Pciback?.Export(address, domain) != true)
            {
                // xenbus_dev_fatal: "Couldn't locate PCI device (...)! perhaps already in-use?"
                Switch(XenbusState.Closing);
                return false;
            }
            host.LogRegistration(address, domain);
            host.Say($"pciback {address}: registering for {domain}");
            var (slot, function) = slots[address] = FreeSlot(address);
            Store.Write($"{Node}/vdev-{n}", $"0000:00:{slot:x2}.{function:x2}");
            Store.Write($"{Node}/state-{n}", $"{(int)XenbusState.Initialised}");
        }
        return true;
    }

    /// <summary>
    /// Functions of one device share a virtual slot, except a virtual function that is function 0, which has a slot of its own; each keeps
    /// its function number.
    /// </summary>
    (int Slot, int Function) FreeSlot(PciAddress address)
    {
        if (!IsVirtual(address) || address.Function != 0)
        {
            foreach (var (other, at) in slots.OrderBy(entry => entry.Value.Slot))
            {
                if (other.Segment == address.Segment && other.Bus == address.Bus && other.Device == address.Device && !(IsVirtual(other) && other.Function == 0))
                    return (at.Slot, address.Function);
            }
        }
        return (Enumerable.Range(0, 32).First(slot => slots.Values.All(used => used.Slot != slot)), address.Function);
    }

    bool IsVirtual(PciAddress address) => host.Find(address)?.PhysicalFunction is not null;

    bool Unexport()
    {
        for (var n = 0; n < Count; n++)
        {
            if (StateOf(n) == XenbusState.Closing && PciAddress.TryParse(Store.ReadText($"{Node}/dev-{n}"), out var address))
            {
                Pciback?.Release(address, domain);
                slots.Remove(address);
            }
        }
        return true;
    }

    bool PublishRoot()
    {
        if (!Store.Exists($"{Node}/root_num"))
        {
            Store.Write($"{Node}/root-0", "0000:00");
            Store.Write($"{Node}/root_num", "1");
        }
        return true;
    }

    void Free()
    {
        probed = false;
        foreach (var address in slots.Keys)
            Pciback?.Release(address, domain);
        slots.Clear();
    }
}
