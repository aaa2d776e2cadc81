namespace PciPass.Core.Rules;

/// <summary>Another holder than pciback has the function for a guest.</summary>
public sealed class OtherBackend : Rule
{
    public override string Code => "other-holder";
    public override string Meaning => "Another pass-through driver (vfio-pci, pci-stub, uio) holds the function, so somebody gave it to something.";
    public override string Source => "The driver link in sysfs.";
    public override string Remedy => "End that use.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    static readonly HashSet<string> Holders = ["vfio-pci", "pci-stub", "uio_pci_generic", "igb_uio"];

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in ToTake(host, request)
        where function.Driver is DriverName driver && Holders.Contains(driver.ToString())
        select RefuseUnlessAccepted(function.Address, Cannot(function, request), $"driver {function.Driver} holds it for a guest or a program",
            $"end that use, or go on with --accept {Code}");
}
