using PciPass.Cli;
using PciPass.Core;
using PciPass.Host;
using PciPass.Lab;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>A list reads less of each function, and what functions have in common once for all: it has to come to the same.</summary>
public class DetailTests
{
    [Theory]
    [MemberData(nameof(RecordedHostTests.Hosts), MemberType = typeof(RecordedHostTests))]
    public void A_recorded_host_is_the_same_with_less_detail(string name) => Compare(new RecordedHost(RecordedHostTests.Open(name)));

    [Fact]
    public void A_simulated_host_is_the_same_with_less_detail() => Compare(SimHost.Demo().WithMount("/dev/nvme0n1", "/srv"));

    [Fact]
    public void Many_functions_of_few_drivers_are_the_same_with_less_detail()
    {
        var host = SimHost.Linux().WithDrivers("e1000e");
        for (var bus = 1; bus <= 24; bus++)
            host.WithRootPort($"00:{bus:x2}.0", bus).WithNetworkCard($"{bus:x2}:00.0", $"52:54:00:00:00:{bus:x2}");
        Compare(host.Boot());
    }

    [Fact]
    public void Virtual_functions_are_told_by_their_physical_one()
    {
        byte[] bytes = new byte[4096];
        (bytes[0], bytes[1]) = (0x86, 0x80);
        // Device serial number, then SR-IOV with 2 virtual functions, 128 away and 2 from each other.
        (bytes[0x100], bytes[0x102], bytes[0x103]) = (0x03, 0x01, 0x14);
        (bytes[0x140], bytes[0x142]) = (0x10, 0x01);
        (bytes[0x150], bytes[0x154], bytes[0x156]) = (2, 128, 2);
        Assert.Equal((0, 0, 0), new ConfigSpace(bytes).VirtualFunctions);
        bytes[0x148] = 1;
        Assert.Equal((2, 128, 2), new ConfigSpace(bytes).VirtualFunctions);
    }

    [Theory]
    [InlineData("pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00", "8086:10d3", "020000")]
    [InlineData("pci:v000010DEd00002204sv00000000sd00000000bc03sc00i01", "10de:2204", "030001")]
    [InlineData("pci:v000010DEd00002204sv00000000sd00000000bc03sc00i0", null, null)]
    [InlineData("pci:v000110DEd00002204sv00000000sd00000000bc03sc00i00", null, null)]
    [InlineData("usb:v1D6Bp0002d0601dc09dsc00dp00ic09isc00ip00in00", null, null)]
    [InlineData("", null, null)]
    public void The_kernels_alias_tells_ids_and_class(string text, string? ids, string? kind)
    {
        Assert.Equal(ids is not null, PciPass.Core.Formats.PciAlias.TryParse(text, out var found, out var foundKind));
        Assert.Equal(ids ?? "0000:0000", found.ToString());
        Assert.Equal(kind ?? "000000", foundKind.ToString());
    }

    /// <summary>A host on which something is hidden, something attached, and something promised to a guest's next start.</summary>
    [Fact]
    public void Owners_are_the_same_with_less_detail()
    {
        var host = SimHost.Demo();
        Assert.Equal(0, Told.By(host, "attach 09:00.0 web1").ExitCode);
        Assert.Equal(0, Told.By(host, "hide 07:00.0").ExitCode);
        var owners = HostReader.Read(host, new Journal(host), Detail.Owner);
        Assert.Equal("web1", owners.FindGuest(owners.FindAttachment(PciAddress.Parse("0000:09:00.0"))!.Guest)!.Name.ToString());
        Assert.True(owners.IsHeld(owners.Find(PciAddress.Parse("0000:07:00.0"))!));
        Compare(host);
    }

    /// <summary>All that tells how a change came out.</summary>
    static void CompareOwners(HostSnapshot all, HostSnapshot owners)
    {
        Assert.Equal(all.Functions.Keys, owners.Functions.Keys);
        Assert.Equal(all.Guests.Select(guest => guest.ToString()), owners.Guests.Select(guest => guest.ToString()));
        Assert.Equal(all.Claims.Select(claim => claim.ToString()), owners.Claims.Select(claim => claim.ToString()));
        foreach (var (address, function) in all.Functions)
        {
            var owned = owners.Find(address)!;
            Assert.Equal((function.Driver, string.Join(',', function.KernelNames)), (owned.Driver, string.Join(',', owned.KernelNames)));
            Assert.Equal((all.FindAttachment(address), all.IsHeld(function)), (owners.FindAttachment(address), owners.IsHeld(owned)));
            Assert.Equal(all.Devices.Find(address)?.ToString(), owners.Devices.Find(address)?.ToString());
        }
    }

    static void Compare(HostSystem host)
    {
        var all = HostReader.Read(host, new Journal(host));
        var less = HostReader.Read(host, new Journal(host), Detail.State);
        CompareOwners(all, HostReader.Read(host, new Journal(host), Detail.Owner));
        Assert.Equal(all.Functions.Keys, less.Functions.Keys);
        foreach (var (address, function) in all.Functions)
        {
            var listed = less.Find(address)!;
            Assert.Equal(FunctionState.Of(all, function), FunctionState.Of(less, listed));
            Assert.Equal(all.Isolation.GradeOf(function), less.Isolation.GradeOf(listed));
            // Whatever a list reads at all is the same; of virtual functions it reads no configuration space.
            var expected = function with
            {
                Irq = 0,
                Resets = null,
                NumaNode = null,
                DriverOverride = null,
                KernelNames = [],
                WideBars = [],
            };
            if (function.PhysicalFunction is not null)
                expected = expected with
                {
                    ExpressType = listed.ExpressType,
                    AccessControl = listed.AccessControl,
                    HasMessageInterrupts = listed.HasMessageInterrupts,
                    Identity = expected.Identity with { SerialNumber = listed.Identity.SerialNumber },
                };
            Assert.Equal(expected, listed with { KernelNames = [], WideBars = [] });
            Assert.Equal(function.KernelNames.AsEnumerable(), listed.KernelNames.AsEnumerable());
            Assert.Equal(function.WideBars.AsEnumerable(), listed.WideBars.AsEnumerable());
        }
    }
}
