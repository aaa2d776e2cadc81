namespace PciPass.Core;

/// <summary>What is done when a function that is to be hidden is no longer where it was.</summary>
public enum MovePolicy
{
    /// <summary>It is told, and nothing is hidden.</summary>
    Refuse,

    /// <summary>It is looked for by its path and ids, and hidden where it is now.</summary>
    Follow,
}

/// <summary>By whom a function is hidden when the host starts.</summary>
public enum HideMethod
{
    /// <summary>pcipass' own part of the initramfs, by identity.</summary>
    Initramfs,

    /// <summary>A module's options below /etc/modprobe.d or in /etc/modprobe.conf: the kernel hides by address.</summary>
    Modprobe,

    /// <summary>The kernel's command line: the kernel hides by address.</summary>
    Cmdline,
}

/// <summary>A function that stays hidden over restarts: one line of /etc/pcipass/devices.</summary>
/// <param name="Address">Where it was when it was hidden.</param>
/// <param name="Identity">What it was.</param>
/// <param name="Driver">The driver that holds it for guests: pciback or vfio-pci.</param>
/// <param name="IfMoved">What happens when it is elsewhere.</param>
/// <param name="Method">By whom it is hidden.</param>
/// <param name="Line">The line's number in the file, from 1; 0 when it is in no file yet.</param>
public sealed record KeptFunction(PciAddress Address, PciIdentity Identity, DriverName Driver, MovePolicy IfMoved, HideMethod Method, int Line = 0)
{
    /// <summary>The line: address, identity, driver, options.</summary>
    public string Text => $"{Address}  {Identity}  {Driver}  if-moved={IfMoved.ToString().ToLowerInvariant()}"
        + (Method == HideMethod.Initramfs ? "" : $",method={Method.ToString().ToLowerInvariant()}");
}
