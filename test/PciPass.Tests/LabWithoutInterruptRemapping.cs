using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>Xen on a machine whose IOMMU confines DMA and lets interrupts pass unchecked.</summary>
public sealed class LabWithoutInterruptRemapping(LabWithoutInterruptRemapping.Machine1 host) : LabTest(host), IClassFixture<LabWithoutInterruptRemapping.Machine1>
{
    public sealed class Machine1() : LabHost(Machine.DemoWithoutInterruptRemapping, "test-nointremap");

    [Fact]
    public void A_function_is_refused_unless_that_risk_is_accepted_and_the_record_keeps_it()
    {
        Host.Pcipass("check 09:00.0").Exits(1).Says("a guest could forge the host's interrupts     [no-interrupt-remapping]", "the firmware's table RMAD says that the platform cannot",
            "DMA of 0000:09:00.0: unconfined; a hostile guest reaches all of the host");
        Host.Pcipass("hide 09:00.0 --accept no-interrupt-remapping").Exits(0);
        Host.Pcipass("list").Exits(0).Says("accepted: no-interrupt-remapping");
        Host.Pcipass("unhide 09:00.0").Exits(0);
    }
}
