using PciPass.Core;
using PciPass.Core.Formats;
using Xunit;

namespace PciPass.Tests;

public class IsolationTests
{
    const string Ports = """
        0000:00:1c.0 060400 type1 mf acs pcie=RootPort driver=pcieport
        0000:00:1c.1 060400 type1 mf acs pcie=RootPort driver=pcieport
        0000:01:00.0 020000 pcie=Endpoint below=0000:00:1c.0 driver=e1000e
        0000:02:00.0 020000 pcie=Endpoint below=0000:00:1c.1 driver=e1000e
        """;

    const string Card = """
        0000:00:1c.0 060400 type1 acs pcie=RootPort driver=pcieport
        0000:01:00.0 030000 mf pcie=LegacyEndpoint below=0000:00:1c.0 driver=nouveau
        0000:01:00.1 040300 mf pcie=Endpoint below=0000:00:1c.0 driver=snd_hda_intel
        """;

    const string Switch = """
        0000:00:01.0 060400 type1 acs pcie=RootPort driver=pcieport
        0000:02:00.0 060400 type1 pcie=UpstreamPort below=0000:00:01.0 driver=pcieport
        0000:03:00.0 060400 type1 DOWN pcie=DownstreamPort below=0000:02:00.0 driver=pcieport
        0000:03:01.0 060400 type1 DOWN pcie=DownstreamPort below=0000:02:00.0 driver=pcieport
        0000:04:00.0 020000 pcie=Endpoint below=0000:03:00.0 driver=ixgbe
        0000:05:00.0 020000 pcie=Endpoint below=0000:03:01.0 driver=ixgbe
        """;

    [Fact]
    public void Below_ports_that_isolate_each_card_is_alone() => Alone(Ports, "01:00.0", "02:00.0");

    [Fact]
    public void Ports_of_one_device_that_do_not_isolate_join_all_that_is_below_them() => Together(Ports.Replace(" acs", "", StringComparison.Ordinal), "01:00.0", "0000:02:00.0");

    [Fact]
    public void A_port_that_its_maker_vouches_for_isolates_without_the_capability() =>
        Alone(Ports.Replace(" acs", " ids=8086:1c10", StringComparison.Ordinal), "01:00.0", "02:00.0");

    [Fact]
    public void Functions_of_one_device_reach_each_other() => Together(Card, "01:00.0", "0000:01:00.1");

    [Fact]
    public void Functions_of_a_card_with_access_control_do_not() => Alone(Card.Replace(" mf", " mf acs", StringComparison.Ordinal), "01:00.0", "01:00.1");

    [Fact]
    public void Functions_of_a_card_that_its_maker_vouches_for_do_not() => Alone(Card.Replace(" mf", " mf ids=8086:10fb", StringComparison.Ordinal), "01:00.0", "01:00.1");

    [Fact]
    public void Below_a_switch_without_access_control_cards_reach_each_other() => Together(Switch.Replace(" DOWN", "", StringComparison.Ordinal), "04:00.0", "0000:05:00.0");

    [Fact]
    public void Below_a_switch_with_access_control_they_do_not() => Alone(Switch.Replace("DOWN", "acs", StringComparison.Ordinal), "04:00.0", "05:00.0");

    [Fact]
    public void Where_the_kernel_has_groups_it_knows_better() =>
        Alone(Card.Replace("0000:01:00.0 030000", "0000:01:00.0 030000 group=1", StringComparison.Ordinal).Replace("0000:01:00.1 040300", "0000:01:00.1 040300 group=2", StringComparison.Ordinal), "01:00.0", "01:00.1");

    [Fact]
    public void Unless_it_was_told_to_ignore_what_is_not_isolated() => Together("override groups\n"
        + Card.Replace("0000:01:00.0 030000", "0000:01:00.0 030000 group=1", StringComparison.Ordinal).Replace("0000:01:00.1 040300", "0000:01:00.1 040300 group=2", StringComparison.Ordinal), "01:00.0", "0000:01:00.1");

    [Fact]
    public void Virtual_functions_are_alone() => Alone("""
        0000:00:1c.0 060400 type1 acs pcie=RootPort
        0000:03:00.0 020000 mf acs pcie=Endpoint below=0000:00:1c.0 driver=igb
        0000:03:10.0 020000 pcie=Endpoint below=0000:00:1c.0 pf=0000:03:00.0 driver=igbvf
        0000:03:10.2 020000 pcie=Endpoint below=0000:00:1c.0 pf=0000:03:00.0 driver=igbvf
        """, "03:00.0", "03:10.0", "03:10.2");

    [Theory]
    [InlineData("", Confinement.Confined)]
    [InlineData("no iommu\n", Confinement.Unconfined)]
    [InlineData("no remapping\n", Confinement.Unconfined)]
    public void The_grade_says_how_well_it_is_confined(string line, Confinement grade)
    {
        var host = HostText.Parse(line + Ports);
        Assert.Equal(grade, host.Isolation.GradeOf(host.Find(PciAddress.Parse("01:00.0"))!).Grade);
    }

    [Fact]
    public void The_set_that_goes_together_leaves_out_ports_and_what_nobody_uses()
    {
        var host = HostText.Parse(Card + "\n0000:01:00.2 0c0330 mf pcie=Endpoint below=0000:00:1c.0");
        Assert.Equal(["0000:01:00.0", "0000:01:00.1"], Companions.Complete(host, [PciAddress.Parse("01:00.0")]).Select(address => address.ToString()));
    }

    [Theory]
    [InlineData(0x1f, 0x1d, true)]
    [InlineData(0x1f, 0x15, false)]
    [InlineData(0x00, 0x00, true)]
    [InlineData(0x04, 0x00, false)]
    public void Access_control_isolates_when_all_that_can_be_switched_is_on(int capability, int control, bool isolates) =>
        Assert.Equal(isolates, new AccessControl((ushort)capability, (ushort)control).Isolates);

    [Fact]
    public void The_table_of_IOMMUs_gives_the_functions_of_reserved_memory_by_their_way_down()
    {
        var host = HostText.Parse(Ports);
        var port = host.Find(PciAddress.Parse("00:1c.1"))! with { SecondaryBus = 2 };
        byte[] table = [.. "DMAR"u8, .. new byte[33], 1, .. new byte[10],
            1, 0, 34, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0xff, 0xff, 0x0f, 0x7f, 0, 0, 0, 0, 1, 10, 0, 0, 0, 0, 0x1c, 1, 0, 0];
        var parsed = DmarTable.Parse(table)!;
        Assert.True(parsed.HasInterruptRemapping);
        var reserved = Assert.Single(parsed.Resolve(host.Functions.SetItem(port.Address, port)));
        Assert.Equal(new ReservedMemory(PciAddress.Parse("02:00.0"), 0x7f000000, 0x7f0fffff, IsShared: false), reserved);
    }

    [Fact]
    public void Ranges_are_read_with_what_holds_them()
    {
        const string Text = """
            c0000000-cfffffff : PCI Bus 0000:01
              c0000000-c7ffffff : 0000:01:00.0
                c0000000-c02fffff : BOOTFB
              c8000000-c8003fff : 0000:01:00.1
                c8000000-c8003fff : ICH HD audio
            fec00000-fec00fff : Reserved
            """;
        Assert.Equal(["0000:01:00.0 c0000000-c7ffffff BOOTFB", "0000:01:00.1 c8000000-c8003fff ICH HD audio"],
            ResourceTable.Parse(Text, isPort: false).Select(range => $"{range.Address} {range} {range.Holder}"));
    }

    static void Alone(string text, params string[] functions)
    {
        var host = HostText.Parse(text);
        foreach (var function in functions)
            Assert.Empty(host.Isolation.NeighboursOf(host.Find(PciAddress.Parse(function))!));
    }

    static void Together(string text, string function, params string[] others)
    {
        var host = HostText.Parse(text);
        Assert.Equal(others, host.Isolation.NeighboursOf(host.Find(PciAddress.Parse(function))!).Select(other => other.Address.ToString()));
    }
}
