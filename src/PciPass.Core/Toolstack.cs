namespace PciPass.Core;

/// <summary>What runs a guest, and is asked to give it a function.</summary>
public enum Toolstack
{
    /// <summary>Xen, through <c>xl</c>. A guest that libvirt started there is a domain of Xen as well (<see cref="Guest.RunBy"/>).</summary>
    Xen,

    /// <summary>A QEMU that somebody started by hand, or by a script; spoken to over its monitor (QMP).</summary>
    Qemu,

    /// <summary>libvirt, which started a QEMU or a Xen domain: that is spoken to through libvirt alone.</summary>
    Libvirt,
}
