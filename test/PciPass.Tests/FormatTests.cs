using System.Text;
using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

public class FormatTests
{
    [Theory]
    [InlineData("0000:09:00.0", "0000:09:00.0")]
    [InlineData("09:00.0", "0000:09:00.0")]
    [InlineData("0000:0A:04.1", "0000:0a:04.1")]
    [InlineData("10000:e1:1f.7", "10000:e1:1f.7")]
    public void An_address_is_read_and_printed_in_one_form(string text, string printed) => Assert.Equal(printed, PciAddress.Parse(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("9:0.0")]
    [InlineData("09:00")]
    [InlineData("09:00.8")]
    [InlineData("09:20.0")]
    [InlineData("000:09:00.0")]
    [InlineData("0000:09:00.0 ")]
    [InlineData("0000:09:00.0\n")]
    [InlineData("0000:+9:00.0")]
    [InlineData("fffffffff:09:00.0")]
    [InlineData("80000000:09:00.0")]
    [InlineData("0000:09:00.0:1")]
    public void What_is_no_address_is_refused_and_quoted(string text)
    {
        Assert.False(PciAddress.TryParse(text, out _));
        Assert.Contains($"\"{text}\"", Assert.Throws<FormatException>(() => PciAddress.Parse(text)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pci_0000_09_00_0", "0000:09:00.0")]
    [InlineData("pci_10000_e1_00_0", "10000:e1:00.0")]
    [InlineData("pci_8086_3a6c", null)]
    [InlineData("pci_0000_09_00", null)]
    [InlineData("pci_0000_09.00_0", null)]
    public void A_node_device_name_is_an_address(string text, string? address) =>
        Assert.Equal(address, PciAddress.TryParseNodeDevice(text, out var found) ? found.ToString() : null);

    [Fact]
    public void Addresses_sort_by_segment_bus_device_function() => Assert.Equal(
        ["0000:00:1f.0", "0000:09:00.0", "0000:09:00.1", "0000:10:00.0", "10000:00:00.0"],
        ((string[])["10000:00:00.0", "0000:10:00.0", "0000:09:00.1", "0000:09:00.0", "0000:00:1f.0"]).Select(text => PciAddress.Parse(text)).Order().Select(address => address.ToString()));

    [Fact]
    public void A_drivers_name_may_have_blanks_and_the_journal_keeps_them()
    {
        var step = new Rebind(PciAddress.Parse("0000:00:1b.0"), DriverName.Parse("HDA Intel"), null);
        Assert.Equal(@"rebind 0000:00:1b.0 HDA\040Intel -> -", step.Text);
        Assert.Equal(step, Step.Parse(step.Text));
    }

    [Theory]
    [InlineData("../../x")]
    [InlineData(" a")]
    [InlineData("a ")]
    [InlineData("a\tb")]
    [InlineData("a\nb")]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("-")]
    public void A_name_that_would_leave_its_folder_is_no_driver(string text) => Assert.False(DriverName.TryParse(text, out _));

    [Theory]
    [InlineData("-f")]
    [InlineData("0")]
    [InlineData("17")]
    [InlineData("a/b")]
    [InlineData("a b")]
    [InlineData(".hidden")]
    public void A_word_that_xl_would_take_otherwise_is_no_guest(string text) => Assert.False(GuestName.TryParse(text, out _));

    [Fact]
    public void Mounts_are_read_with_their_escapes()
    {
        var mount = Assert.Single(MountTable.ParseMountInfo("36 35 259:1 / /srv/a\\040b rw,noatime shared:1 - ext4 /dev/nvme0n1p1 rw\nrubbish\n"));
        Assert.Equal((259, 1, "/srv/a b", "/dev/nvme0n1p1"), (mount.Major, mount.Minor, mount.MountPoint, mount.Source));
    }

    [Fact]
    public void Swaps_are_read_without_the_heading() => Assert.Equal(["/dev/nvme0n1p2", "/swap file"],
        MountTable.ParseSwaps("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/nvme0n1p2                          partition\t1048572\t\t0\t\t-2\n/swap\\040file file 4 0 -3\n"));

    [Theory]
    [InlineData("10.0.2.9", "eth1")]
    [InlineData("10.0.3.9", "br0")]
    [InlineData("8.8.8.8", "eth0")]
    [InlineData("fd00::77", "eth1")]
    [InlineData("fe80::1%eth1", "eth1")]
    [InlineData("2001:db8::1", null)]
    [InlineData("filer", null)]
    public void The_way_to_an_address_is_the_longest_network_and_of_two_alike_the_better_route(string address, string? expected)
    {
        (string, string)[] own = [("eth1", "10.0.2.15/24"), ("eth1", "fd00::5/64"), ("eth1", "fe80::5/64"), ("", "2001:db8::/32")];
        Route[] routes = [new("wlan0", "default", "10.9.0.1", 600), new("eth0", "default", "10.0.2.2", 100), new("br0", "10.0.3.0/24", "10.0.2.3", 0), new("eth9", "10.0.0.0/16", null, 0), new("x", "10.0.3.0/33", null, 0)];
        Assert.Equal(expected, RouteLookup.InterfaceTo(address, own, routes));
    }

    [Fact]
    public void Default_routes_are_found_and_the_kernels_own_entry_is_none()
    {
        const string Four = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
            + "eth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth1\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        Assert.Equal(["eth0"], NetworkTables.ParseRoutes4(Four).Where(route => route.IsDefault).Select(route => route.Interface));
        const string Zeros = "00000000000000000000000000000000";
        var route = Assert.Single(NetworkTables.ParseRoutes6(
            $"{Zeros} 00 {Zeros} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth2\n{Zeros} 00 {Zeros} 00 {Zeros} ffffffff 00000001 00000000 00200200       lo\n"));
        Assert.Equal(new Route("eth2", "default", "fe80::1", 1024), route);
        Assert.Equal("default via fe80::1 metric 1024", route.Text);
        Assert.Equal([new Route("eth0", "default", "10.0.2.2", 0), new Route("eth1", "10.0.2.0/24", null, 0)], NetworkTables.ParseRoutes4(Four));
    }

    [Fact]
    public void The_partition_that_the_firmware_booted_from_is_read_from_its_variables()
    {
        var partition = Guid.Parse("0fc63daf-8483-4772-8e79-3d69d8477de4");
        byte[] entry =
        [
            7, 0, 0, 0, 1, 0, 0, 0, 46, 0, .. System.Text.Encoding.Unicode.GetBytes("debian\0"),
            // A hard drive: partition 1, start, size, GUID, kinds of table and signature; a file's path; the end.
            4, 1, 42, 0, 1, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, .. partition.ToByteArray(), 2, 2, 4, 4, 6, 0, 65, 0, 0x7f, 0xff, 4, 0,
        ];
        Assert.Equal(partition.ToString(), EfiBootEntry.PartitionOf(entry));
        Assert.Equal("Boot001F", EfiBootEntry.NameOf([7, 0, 0, 0, 0x1f, 0]));
        Assert.Null(EfiBootEntry.NameOf([7, 0, 0]));
        for (var cut = 0; cut < 24 + 42; cut++)
            Assert.Null(EfiBootEntry.PartitionOf(entry.AsSpan(0, cut)));
    }

    [Fact]
    public void Memory_that_AMDs_table_reserves_is_told_for_the_functions_that_are_there()
    {
        var functions = HostText.Parse("0000:01:00.0 020000\n0000:02:00.0 020000\n0000:02:00.1 020000").Functions;
        byte[] Block(byte type, ushort first, ushort last) =>
            [type, 8, 32, 0, (byte)first, (byte)(first >> 8), (byte)last, (byte)(last >> 8), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x7f, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0];
        byte[] table = [.. "IVRS"u8, .. new byte[44], .. Block(0x20, 0, 0), .. Block(0x21, 0x0100, 0), .. Block(0x22, 0x0200, 0x02ff)];
        Assert.Equal(["0000:01:00.0 7f100000-7f100fff False", "0000:02:00.0 7f100000-7f100fff True", "0000:02:00.1 7f100000-7f100fff True"],
            IvrsTable.Parse(table, functions).Select(region => $"{region.Address} {region.Start:x}-{region.End:x} {region.IsShared}"));
        Assert.Empty(IvrsTable.Parse(table.AsSpan(0, 60), functions));
    }

    [Fact]
    public void BARs_of_64_bits_are_told_from_those_of_32()
    {
        var bytes = new byte[64];
        // 64 bits at 40_0000_0000, prefetchable; ports; 32 bits; and half of a pair at the end, which makes no sense.
        (bytes[0x10], bytes[0x14], bytes[0x18], bytes[0x1f], bytes[0x24]) = (0x0c, 0x40, 0x01, 0xfe, 0x04);
        Assert.Equal(0x40_0000_0000UL, Assert.Single(new ConfigSpace(bytes).WideBars));
    }

    [Fact]
    public void An_interface_that_stands_on_one_of_another_namespace_is_read_from_the_kernels_messages()
    {
        byte[] dump =
        [
            // RTM_NEWLINK; IFLA_IFNAME mv0, IFLA_LINK 2, IFLA_LINK_NETNSID 0, IFLA_LINKINFO { IFLA_INFO_KIND macvlan }
            76, 0, 0, 0, 16, 0, 2, 0, .. new byte[8], .. new byte[16], 8, 0, 3, 0, 109, 118, 48, 0, 8, 0, 5, 0, 2, 0, 0, 0, 8, 0, 37, 0, 0, 0, 0, 0, 16, 0, 18, 0, 12, 0, 1, 0, .. "macvlan\0"u8, 0, 0, 0, 0,
            // eth7 on one of its own namespace
            48, 0, 0, 0, 16, 0, 2, 0, .. new byte[8], .. new byte[16], 8, 0, 3, 0, 101, 116, 104, 0, 8, 0, 5, 0, 2, 0, 0, 0,
        ];
        Assert.Equal([new ForeignLink("mv0", "macvlan", 2)], NetworkTables.ParseForeignLinks(dump));
        for (var cut = 0; cut < 76; cut++)
            Assert.Empty(NetworkTables.ParseForeignLinks(dump[..cut]));
    }

    [Fact]
    public void Addresses_are_read_from_the_kernels_messages()
    {
        byte[] dump =
        [
            // nlmsghdr: length 40, RTM_NEWADDR; ifaddrmsg: AF_INET, /24, index 3; IFA_ADDRESS (peer) 10.0.0.1, IFA_LOCAL 10.0.0.2
            40, 0, 0, 0, 20, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 24, 0, 0, 3, 0, 0, 0, 8, 0, 1, 0, 10, 0, 0, 1, 8, 0, 2, 0, 10, 0, 0, 2,
            // AF_INET6, /64, index 4; IFA_ADDRESS fe80::1:0:0:2
            44, 0, 0, 0, 20, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 64, 0, 0, 4, 0, 0, 0, 20, 0, 1, 0, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2,
        ];
        Assert.Equal([new InterfaceAddress(3, "10.0.0.2/24", false, IsForEver: false), new InterfaceAddress(4, "fe80::1:0:0:2/64", true, IsForEver: false)], NetworkTables.ParseAddresses(dump));
        for (var cut = 0; cut < dump.Length; cut++)
            Assert.True(NetworkTables.ParseAddresses(dump[..cut]).Count() <= 1);
    }

    [Theory]
    [InlineData("name = \"web1\"\npci = [ '09:00.0' ]\n", "web1", "0000:09:00.0")]
    [InlineData("pci=['0000:09:00.0,permissive=1','0a:00.1@7'] # both\nname='x'", "x", "0000:09:00.0 0000:0a:00.1")]
    [InlineData("# pci = ['01:00.0']\nname=\"a#b\"\npci = [\n  '09:00.0',   # first\n  \"bdf=0a:00.0,seize=1\",\n]\nvcpus=2\n", "a#b", "0000:09:00.0 0000:0a:00.0")]
    [InlineData("pci = ['09:00.1-2']\npci = ['0a:00.*']", null, "0000:0a:00.0 0000:0a:00.1 0000:0a:00.2 0000:0a:00.3 0000:0a:00.4 0000:0a:00.5 0000:0a:00.6 0000:0a:00.7")]
    [InlineData("memory = 256\nextra = \"pci=nomsi\"\n", null, "")]
    public void A_guests_file_tells_its_name_and_functions(string text, string? name, string functions)
    {
        var config = XlConfig.Parse(text);
        Assert.Equal((name, functions), (config.Name, string.Join(' ', config.Functions)));
    }

    [Fact]
    public void An_entry_that_is_no_function_is_told() => Assert.Equal("nonsense", Assert.Single(XlConfig.Parse("pci = [ 'nonsense', '09:00.0' ]").NotUnderstood));

    [Fact]
    public void Names_come_from_the_list_of_ids()
    {
        var list = "# comment\n8086  Intel Corporation\n\t10d3  82574L Gigabit Network Connection\n\t\t8086 0001  A board\n10de  NVIDIA Corporation\n\t10d3  Not this\nC 02  Network controller\n\t10d3  Nor this\n"u8;
        var names = ReadNames(new MemoryStream(list.ToArray()), [new PciIds(0x8086, 0x10d3, 0, 0)]);
        Assert.Equal("Intel 82574L Gigabit Network Connection", names.Name(new PciIds(0x8086, 0x10d3, 0, 0)));
        Assert.Equal("vendor 1234 device 5678", names.Name(new PciIds(0x1234, 0x5678, 0, 0)));
    }

    internal static PciIdsFile ReadNames(Stream list, IEnumerable<PciIds> wanted)
    {
        var names = new PciIdsFile(wanted);
        PciIdsReader.Read(list, names);
        return names;
    }

    /// <summary>The list is longer than a piece of it, and its lines do not end where the pieces do.</summary>
    [Theory]
    [InlineData(1000), InlineData(60_000), InlineData(128 * 1024 - 1), InlineData(128 * 1024)]
    public void Names_come_from_wherever_they_stand_in_the_list(int most)
    {
        var list = string.Concat(Enumerable.Range(1, 40_000).Select(id => $"{id:x4}  Vendor {id}, Inc.\n\t{id:x4}  Device {id}\n")) + "ffff  Last\n\tffff  One";
        var names = ReadNames(new Dripping(Encoding.UTF8.GetBytes(list), most), Enumerable.Range(1, 40_000).Append(0xffff).Select(id => new PciIds((ushort)id, (ushort)id, 0, 0)));
        Assert.All(Enumerable.Range(1, 40_000), id => Assert.Equal($"Vendor {id} Device {id}", names.Name(new PciIds((ushort)id, (ushort)id, 0, 0))));
        Assert.Equal("Last One", names.Name(new PciIds(0xffff, 0xffff, 0, 0)));
    }

    /// <summary>A file without a line's end in all of a piece is no list, and does not stop the reading.</summary>
    [Fact]
    public void A_line_that_does_not_end_is_read_in_pieces() =>
        Assert.Equal("vendor 0001 device 0001", ReadNames(new MemoryStream(new byte[1_000_000]), [new PciIds(1, 1, 0, 0)]).Name(new PciIds(1, 1, 0, 0)));

    /// <summary>Gives so many bytes at a time.</summary>
    sealed class Dripping(byte[] bytes, int most) : MemoryStream(bytes)
    {
        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(most, buffer.Length)]);
    }

    [Fact]
    public void A_serial_number_is_found_behind_other_extended_capabilities_and_a_list_that_goes_in_circles_ends()
    {
        var bytes = new byte[4096];
        bytes[0] = 0x86;
        bytes[1] = 0x80;
        BitConverter.TryWriteBytes(bytes.AsSpan(0x100), 0x14010001u);
        BitConverter.TryWriteBytes(bytes.AsSpan(0x140), 0x10010003u);
        BitConverter.TryWriteBytes(bytes.AsSpan(0x144), 0x0123456789abcdefUL);
        Assert.Equal(0x0123456789abcdefUL, new ConfigSpace(bytes).SerialNumber);
        bytes[0x140] = 4;
        Assert.Null(new ConfigSpace(bytes).SerialNumber);
        Assert.Null(new ConfigSpace(bytes.AsSpan(0, 64)).SerialNumber);
    }

    [Fact]
    public void An_identity_reads_back_and_says_what_differs()
    {
        var card = new PciIdentity("0000:00/05.0/00.0", new PciIds(0x8086, 0x10d3, 0x8086, 0xa01f), 0x5254_00ff_ff09_0000);
        Assert.Equal(card, PciIdentity.Parse(card.ToString()));
        Assert.Null(card.DifferenceTo(card with { SerialNumber = null }));
        Assert.Contains("expected 8086:10d3", card.DifferenceTo(card with { Ids = default })!, StringComparison.Ordinal);
        Assert.Contains("found it at 0000:00/06.0", card.DifferenceTo(card with { Path = "0000:00/06.0" })!, StringComparison.Ordinal);
        Assert.Throws<FormatException>(() => PciIdentity.Parse("a,b,c"));
    }
}
