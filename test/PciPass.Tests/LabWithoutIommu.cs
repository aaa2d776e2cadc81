using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>Xen on a machine without an IOMMU: nothing would confine a guest's DMA.</summary>
public sealed class LabWithoutIommu(LabWithoutIommu.Machine1 host) : LabTest(host), IClassFixture<LabWithoutIommu.Machine1>
{
    /// <summary>xl starts no guest with passthrough there, so the only one is plain1.</summary>
    public sealed class Machine1() : LabHost(Machine.DemoWithoutIommu, "test-noiommu", "plain1");

    [Fact]
    public void A_function_is_refused_because_its_DMA_would_not_be_confined()
    {
        Host.Pcipass("attach 09:00.0 plain1").Exits(1).Says("a guest's DMA would not be confined     [unconfined-dma]", "Xen uses no IOMMU here", "--accept unconfined-dma", "[guest-not-prepared]");
        Host.Pcipass("hide 09:00.0").Exits(1).Says("[unconfined-dma]");
        Host.Pcipass("list").Exits(0).Says("nothing can be passed: a guest's DMA would not be confined");
    }

    [Fact]
    public void When_the_risk_is_accepted_xl_refuses_and_all_is_undone()
    {
        Host.Pcipass("attach 09:00.0 plain1 --accept unconfined-dma --accept guest-not-prepared").Exits(3)
            .Says("accepted: a guest's DMA would not be confined", "xc_assign_device failed: Operation not supported", $"now:   the host has {Card}, with driver e1000e (eth1)");
        Host.Run("net-check eth1").Exits(0).Says(", 0% packet loss");
    }

    [Fact]
    public void Hiding_works_where_there_is_no_quarantine()
    {
        Host.Pcipass("hide 09:00.0 --accept unconfined-dma").Exits(0).Says($"{Card} is hidden from the host");
        Assert.Equal("pciback", Host.DriverOf(Card));
        Host.Pcipass("unhide 09:00.0").Exits(0).Says($"the host has {Card}, with driver e1000e");
    }
}
