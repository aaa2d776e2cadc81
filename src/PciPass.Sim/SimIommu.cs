using PciPass.Core;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>
/// What Xen keeps about each function: which domain its DMA belongs to (xen/drivers/passthrough/pci.c, 4.17). The control domain's
/// kernel knows nothing of it: unbinding a driver there changes no owner.
/// </summary>
sealed class SimIommu
{
    /// <summary>Xen's name for nobody: functions under quarantine belong to it.</summary>
    public const int DomIo = 0x7ff1;

    readonly Dictionary<PciAddress, int> owners = [];

    public bool Present { get; set; } = true;

    /// <summary>The domains that were created with the IOMMU on.</summary>
    public HashSet<int> Domains { get; } = [];

    public int Owner(PciAddress address) => owners.GetValueOrDefault(address);

    /// <summary>The function is gone, or new.</summary>
    public void Forget(PciAddress address) => owners.Remove(address);

    public void Reset()
    {
        owners.Clear();
        Domains.Clear();
    }

    /// <summary>XEN_DOMCTL_assign_device.</summary>
    public int Assign(int domain, PciAddress address, bool exists)
    {
        if (!Present || (domain != DomIo && !Domains.Contains(domain)))
            return Errno.EOPNOTSUPP;
        if (!exists)
            return Errno.ENODEV;
        if (Owner(address) is not (0 or DomIo))
            return Errno.EBUSY;
        owners[address] = domain;
        return 0;
    }

    /// <summary>XEN_DOMCTL_deassign_device: from a guest into quarantine, from quarantine to dom0.</summary>
    public int Deassign(int domain, PciAddress address)
    {
        if (!Present)
            return Errno.EOPNOTSUPP;
        if (Owner(address) != domain)
            return Errno.ENODEV;
        if (domain == DomIo)
            owners.Remove(address);
        else
            owners[address] = DomIo;
        return 0;
    }

    /// <summary>A domain ended: all it had goes into quarantine.</summary>
    public void Release(int domain)
    {
        foreach (var address in owners.Where(entry => entry.Value == domain).Select(entry => entry.Key).ToList())
            owners[address] = DomIo;
        Domains.Remove(domain);
    }

    /// <summary><c>dom0</c>, <c>d[IO]</c> or <c>domid 3</c>.</summary>
    public string Describe(PciAddress address) => Owner(address) switch
    {
        0 => "dom0",
        DomIo => "d[IO]",
        var domain => $"domid {domain}",
    };
}
