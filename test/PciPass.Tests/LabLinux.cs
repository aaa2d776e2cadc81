using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>A Linux without any Xen, and without vfio-pci: it can be looked at, and nothing can be passed. With it: LabKvm.</summary>
public sealed class LabLinux(LabLinux.Linux host) : LabTest(host), IClassFixture<LabLinux.Linux>
{
    public sealed class Linux() : LabHost(Machine.DemoLinux, "test-linux");

    [Fact]
    public void Functions_are_listed_and_nothing_can_be_passed() =>
        Host.Pcipass("list").Exits(0).Says($"{Card}  Ethernet     e1000e  eth1", "nothing can be passed: the vfio-pci driver is not loaded", "[no-vfio]");

    [Theory]
    [InlineData("attach 09:00.0 web1", "the vfio-pci driver is not loaded     [no-vfio]")]
    [InlineData("detach 09:00.0 web1", "guest web1 is not running     [guest-unknown]")]
    [InlineData("hide --now 09:00.0", "the vfio-pci driver is not loaded     [no-vfio]")]
    [InlineData("check 09:00.0", "the vfio-pci driver is not loaded     [no-vfio]")]
    public void Every_request_is_refused(string request, string reason) => Host.Pcipass(request).Exits(1).Says(reason);

    [Fact]
    public void The_IOMMU_group_is_shown() => Host.Pcipass("show 09:00.0").Exits(0).Says("IOMMU group:");
}
