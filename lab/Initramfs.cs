namespace PciPass.Lab;

/// <summary>Debian's own initramfs images, made by lab/initramfs.sh; udev and the native drivers e1000e and nvme are in each.</summary>
public enum Initramfs
{
    /// <summary>By initramfs-tools, with pcipass' part.</summary>
    Tools,

    /// <summary>By initramfs-tools, with pcipass' part installed and nothing to hide.</summary>
    Without,

    /// <summary>By initramfs-tools, without pcipass: lines of modprobe's alone hide a card (by an install line) and the disk (by a softdep line).</summary>
    Modprobe,

    /// <summary>By dracut, with pcipass' part.</summary>
    Dracut,
}
