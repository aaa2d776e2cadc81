namespace PciPass.Core.Rules;

/// <summary>The driver that holds functions for guests below plain Linux is not loaded.</summary>
public sealed class NoVfio : Rule
{
    public override string Code => "no-vfio";
    public override string Meaning => "The vfio-pci driver, which holds functions for guests of KVM, is not loaded.";
    public override string Source => "Linux: drivers/vfio/pci/vfio_pci.c; /sys/bus/pci/drivers/vfio-pci.";
    public override string Remedy => "modprobe vfio-pci.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (host.Hypervisor == Hypervisor.None && !host.Drivers.Contains($"{DriverName.VfioPci}") && request is { IsNow: true, Verb: Verb.Hide or Verb.Attach })
            yield return Refuse("host", "the vfio-pci driver is not loaded", $"/sys/bus/pci/drivers/{DriverName.VfioPci} does not exist", "modprobe vfio-pci");
    }
}
