namespace PciPass.Lab;

/// <summary>What runs on a machine of the lab.</summary>
public enum MachineKind
{
    /// <summary>Xen with an IOMMU, and a Linux dom0.</summary>
    Xen,

    /// <summary>Xen on a machine without an IOMMU, and a Linux dom0.</summary>
    XenWithoutIommu,

    /// <summary>Linux alone, with an IOMMU in use.</summary>
    Linux,
}
