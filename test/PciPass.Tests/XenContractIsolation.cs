using PciPass.Core;
using PciPass.Core.Formats;
using Xunit;

namespace PciPass.Tests;

// What the rules about isolation and use rest on.
public abstract partial class XenContract
{
    [Fact]
    public void A_root_port_that_isolates_says_so_and_dom0_has_switched_it_on()
    {
        var config = new ConfigSpace(Files.ReadAll($"{Devices}/0000:00:05.0/config")!);
        Assert.Equal(PciExpressType.RootPort, config.ExpressType);
        Assert.Equal(new AccessControl(0x5f, 0x1d), config.AccessControl);
        Assert.True(config.AccessControl!.Value.Isolates);
        Assert.Equal(9, config.SecondaryBus);
    }

    [Fact]
    public void A_card_has_no_access_control_and_messages_for_interrupts()
    {
        var config = new ConfigSpace(Files.ReadAll($"{Devices}/{Card}/config")!);
        Assert.Null(config.AccessControl);
        Assert.True(config.HasMessageInterrupts);
        Assert.Equal(ResetMethods.Power, config.OwnResets);
    }

    [Fact]
    public void The_firmwares_table_of_IOMMUs_has_the_name_that_Xen_gave_it()
    {
        Assert.Contains("RMAD", Files.List("/sys/firmware/acpi/tables"));
        Assert.DoesNotContain("DMAR", Files.List("/sys/firmware/acpi/tables"));
        Assert.True(DmarTable.Parse(Files.ReadAll("/sys/firmware/acpi/tables/RMAD")!)!.HasInterruptRemapping);
    }

    [Fact]
    public void The_ways_to_reset_a_function_are_told_and_what_has_none_lacks_the_file()
    {
        Assert.Equal("pm bus", Files.ReadText($"{Devices}/{Card}/reset_method"));
        Assert.Equal("flr bus", Files.ReadText($"{Devices}/{Disk}/reset_method"));
        Assert.False(Files.Exists($"{Devices}/0000:00:1f.2/reset_method"));
    }

    [Fact]
    public void The_ranges_of_a_function_carry_its_address_and_the_drivers_name_below()
    {
        var ranges = ResourceTable.Parse(Files.ReadText("/proc/iomem")!, isPort: false).Where(range => range.Address == PciAddress.Parse(Card)).ToArray();
        Assert.NotEmpty(ranges);
        Assert.Contains(ranges, range => range.Holder == "e1000e");
        Assert.All(ranges, range => Assert.Equal(0ul, range.Start % 4096));
    }
}
