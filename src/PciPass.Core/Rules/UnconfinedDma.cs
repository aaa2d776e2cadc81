namespace PciPass.Core.Rules;

/// <summary>Nothing keeps the function's DMA out of the host's memory.</summary>
public sealed class UnconfinedDma : Rule
{
    public override string Code => "unconfined-dma";
    public override string Meaning => "Without an IOMMU in use, a guest reaches all of the host's memory through the function's DMA.";
    public override string Source => "Xen's SUPPORT statement: pass-through is supported only with an IOMMU. xl info tells: virt_caps with pv_directio or hvm_directio.";
    public override string Remedy => "Switch the IOMMU on, in the firmware and for the hypervisor.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request.Verb is not (Verb.Attach or Verb.Hide) || host.Hypervisor == Hypervisor.XenGuest || host.Iommu == IommuState.Active)
            yield break;
        if (host.Hypervisor == Hypervisor.None)
        {
            yield return RefuseUnlessAccepted("host", "a guest's DMA would not be confined", $"the kernel uses no IOMMU ({host.IommuReason}): the guest could read and write all of the host's memory",
                "switch the IOMMU on in the firmware and boot with intel_iommu=on (AMD's is on by itself)");
            yield break;
        }
        var why = host.Iommu == IommuState.Absent
            ? $"Xen uses no IOMMU here ({host.IommuReason}): the guest could read and write all of the host's memory"
            : $"it could not be found out whether Xen uses an IOMMU ({host.IommuReason})";
        yield return RefuseUnlessAccepted("host", "a guest's DMA would not be confined", why,
            $"switch the IOMMU on in the firmware and boot Xen with iommu=on; --accept {Code} goes on, but xl itself refuses on such a host since Xen 4.15");
    }
}
