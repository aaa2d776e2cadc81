using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>A Linux without any Xen: it can be looked at, and nothing can be passed.</summary>
public sealed class LabLinux(LabLinux.Linux host) : LabTest(host), IClassFixture<LabLinux.Linux>
{
    public sealed class Linux() : LabHost(Machine.DemoLinux, "test-linux");

    [Fact]
    public void Functions_are_listed_and_nothing_can_be_passed() =>
        Host.Pcipass("list").Exits(0).Says($"{Card}  Ethernet     e1000e  eth1", "nothing can be passed: this is no Xen host's dom0", "[not-xen]");

    [Theory]
    [InlineData("attach 09:00.0 web1")]
    [InlineData("detach 09:00.0 web1")]
    [InlineData("hide 09:00.0")]
    [InlineData("check 09:00.0")]
    public void Every_request_is_refused(string request) =>
        Host.Pcipass(request).Exits(1).Says("this is no Xen host's dom0     [not-xen]", "there is no Xen below this kernel (/sys/hypervisor/type is not \"xen\")");

    [Fact]
    public void The_IOMMU_group_is_shown() => Host.Pcipass("show 09:00.0").Exits(0).Says("IOMMU group:");
}
