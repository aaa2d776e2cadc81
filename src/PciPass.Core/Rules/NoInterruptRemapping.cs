namespace PciPass.Core.Rules;

/// <summary>Interrupts are not checked as DMA is.</summary>
public sealed class NoInterruptRemapping : Rule
{
    public override string Code => "no-interrupt-remapping";
    public override string Meaning => "Without interrupt remapping a guest can forge any interrupt of the host's by a write of its function's DMA.";
    public override string Source => "Intel Virtualization Technology for Directed I/O, 5.1; the DMAR table's flags; Linux refuses the same for KVM (allow_unsafe_interrupts in drivers/vfio/vfio_iommu_type1.c).";
    public override string Remedy => "Switch interrupt remapping on in the firmware.";
    public override Weights Weights => Weights.Note | Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request.Verb is not (Verb.Attach or Verb.Hide) || host.Hypervisor == Hypervisor.XenGuest || host.Iommu == IommuState.Absent)
            yield break;
        const string What = "a guest could forge the host's interrupts";
        if (host.InterruptRemapping == IommuState.Absent)
            yield return RefuseUnlessAccepted("host", What, $"interrupts are not remapped ({host.InterruptRemappingReason})",
                $"switch interrupt remapping on in the firmware (VT-d, AMD-Vi) and boot without options that switch it off; or go on with --accept {Code}");
        else if (host.InterruptRemapping == IommuState.Unknown)
            yield return Note("host", "whether interrupts are remapped is not known", host.InterruptRemappingReason);
    }
}
