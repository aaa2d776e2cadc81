using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>What Linux without Xen really does with an IOMMU and VFIO, as far as pcipass depends on it; and the rules of PCI there.</summary>
public abstract class VfioContract : PciContract
{
    const string Vfio = $"{Drivers}/vfio-pci", Groups = "/sys/kernel/iommu_groups";

    string GroupOf(string function) => LastPart(Files.ReadLink($"{Devices}/{function}/iommu_group")) ?? throw new HostFailure($"{function} has no group");

    void GiveToVfio(string function)
    {
        SetOverride(function, "vfio-pci");
        Unbind(function);
        Write(Probe, function);
    }

    // ---- groups ----------------------------------------------------------------------------------------------------------------------

    [Fact]
    public void There_is_no_hypervisor() => Assert.False(Files.Exists("/sys/hypervisor/type"));

    [Fact]
    public void Every_function_is_in_one_group()
    {
        foreach (var function in Files.List(Devices))
            Assert.Contains(function, Files.List($"{Groups}/{GroupOf(function)}/devices"));
    }

    [Fact]
    public void A_card_alone_below_its_root_port_is_alone_in_its_group() => Assert.Equal([Card], Files.List($"{Groups}/{GroupOf(Card)}/devices"));

    [Fact]
    public void The_functions_of_a_card_without_access_control_share_a_group() =>
        Assert.Equal(["0000:0d:00.0", "0000:0d:00.1"], Files.List($"{Groups}/{GroupOf("0000:0d:00.0")}/devices"));

    [Fact]
    public void What_is_behind_a_bridge_to_conventional_PCI_is_in_the_bridges_group() =>
        Assert.Equal(["0000:0b:00.0", "0000:0c:01.0"], Files.List($"{Groups}/{GroupOf("0000:0c:01.0")}/devices"));

    [Fact]
    public void Root_ports_with_access_control_are_alone_in_their_groups() =>
        Assert.Equal(["0000:00:04.0"], Files.List($"{Groups}/{GroupOf("0000:00:04.0")}/devices"));

    [Fact]
    public void The_functions_of_the_chipset_share_a_group() =>
        Assert.Equal(["0000:00:1f.0", "0000:00:1f.2", "0000:00:1f.3"], Files.List($"{Groups}/{GroupOf("0000:00:1f.2")}/devices"));

    // ---- vfio-pci ----------------------------------------------------------------------------------------------------------------------

    [Fact]
    public void Vfio_takes_nothing_without_the_override() => WithCard(() =>
    {
        Unbind(Card);
        Assert.Equal(Errno.ENODEV, Refused($"{Vfio}/bind", Card));
        Assert.Null(DriverOf(Card));
    });

    [Fact]
    public void With_the_override_a_probe_binds_to_vfio_and_the_group_gets_its_node() => WithCard(() =>
    {
        var node = $"/dev/vfio/{GroupOf(Card)}";
        Assert.False(Files.Exists(node));
        GiveToVfio(Card);
        Assert.Equal("vfio-pci", DriverOf(Card));
        Eventually(() => Files.Exists(node), "the group has its node");
        Unbind(Card);
        Eventually(() => !Files.Exists(node), "the group's node is gone");
    });

    [Fact]
    public void A_group_keeps_its_node_while_vfio_has_one_of_its_functions()
    {
        const string One = "0000:0d:00.0", Two = "0000:0d:00.1";
        var node = $"/dev/vfio/{GroupOf(One)}";
        try
        {
            GiveToVfio(One);
            GiveToVfio(Two);
            Unbind(One);
            Assert.True(Files.Exists(node));
            Unbind(Two);
            Eventually(() => !Files.Exists(node), "the group's node is gone");
        }
        finally
        {
            GiveBack(One, "e1000e");
            GiveBack(Two, "e1000e");
        }
    }

    [Fact]
    public void The_native_driver_may_be_bound_beside_vfio_in_one_group()
    {
        const string One = "0000:0d:00.0", Two = "0000:0d:00.1";
        try
        {
            GiveToVfio(One);
            Assert.Equal("e1000e", DriverOf(Two));
        }
        finally
        {
            GiveBack(One, "e1000e");
        }
    }

    [Fact]
    public void The_control_node_is_always_there() => Assert.True(Files.Exists("/dev/vfio/vfio"));

    [Fact]
    public void An_IOMMU_in_use_has_a_directory_of_its_own_and_remapped_interrupts_say_so()
    {
        Assert.NotEmpty(Files.List("/sys/class/iommu"));
        Assert.Contains(" IR-IO-APIC ", Files.ReadText("/proc/interrupts"), StringComparison.Ordinal);
        Assert.Contains("DMAR", Files.List("/sys/firmware/acpi/tables"));
    }
}
