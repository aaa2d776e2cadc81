namespace PciPass.Core.Rules;

/// <summary>The driver that hides functions from dom0 is not loaded.</summary>
public sealed class NoPciback : Rule
{
    public override string Code => "no-pciback";
    public override string Meaning => "The pciback driver, which holds functions for guests, is not loaded.";
    public override string Source => "Linux: drivers/xen/xen-pciback/pci_stub.c; /sys/bus/pci/drivers/pciback.";
    public override string Remedy => "modprobe xen-pciback.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (host.Hypervisor == Hypervisor.XenDom0 && !host.PcibackLoaded && request.IsNow)
            yield return Refuse("host", "the pciback driver is not loaded", "/sys/bus/pci/drivers/pciback does not exist", "modprobe xen-pciback");
    }
}
