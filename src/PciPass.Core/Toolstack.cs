namespace PciPass.Core;

/// <summary>What runs a guest, and is asked to give it a function.</summary>
public enum Toolstack
{
    /// <summary>Xen, through <c>xl</c>; guests that libvirt started there too.</summary>
    Xen,

    /// <summary>A QEMU that somebody started by hand, or by a script; spoken to over its monitor (QMP).</summary>
    Qemu,

    /// <summary>A QEMU that libvirt started, and that is spoken to through libvirt alone.</summary>
    Libvirt,
}
