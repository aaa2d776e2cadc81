using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>
/// What libvirt really does when it is told over its socket to give a function to a guest, as far as pcipass depends on it. The guests run no
/// system, so they answer nothing: what booted guests do is in LabLibvirt.
/// </summary>
public abstract class LibvirtContract
{
    protected const string Card = "0000:09:00.0";

    protected abstract HostSystem Host { get; }

    /// <summary>A connection where contract1 runs, contract2 is defined and stopped, and none of both has anything.</summary>
    private protected abstract Libvirt Connection { get; }

    static string Element(bool managed = false) => DomainXml.Element(PciAddress.Parse(Card), managed);

    LibvirtDomain Guest(string name) => Connection.Find(name)!;

    void Vfio(string? driver)
    {
        Write($"/sys/bus/pci/devices/{Card}/driver_override", driver ?? "\n");
        if (DriverOf is string now)
            Write($"/sys/bus/pci/drivers/{now}/unbind", Card);
        Write("/sys/bus/pci/drivers_probe", Card);
    }

    string? DriverOf => Host.Files.ReadLink($"/sys/bus/pci/devices/{Card}/driver") is string link ? link[(link.LastIndexOf('/') + 1)..] : null;

    void Write(string path, string value) => Host.Files.WriteAttribute(path, value, TimeSpan.FromSeconds(60));

    [Fact]
    public void Running_guests_and_defined_ones_are_listed_and_a_file_names_the_process()
    {
        Assert.Equal(["contract1"], Connection.RunningDomains().Select(domain => domain.Name).Intersect(["contract1", "contract2"]));
        Assert.Equal(["contract1", "contract2"], Connection.DefinedDomains().Select(domain => domain.Name).Intersect(["contract1", "contract2"]).Order(StringComparer.Ordinal));
        Assert.True(Guest("contract1").Id > 0);
        Assert.Equal(-1, Guest("contract2").Id);
        var process = Assert.Single(QemuProcess.All(Host.Files), process => process.Start.Number == LibvirtReader.ProcessOf(Host.Files, "contract1"));
        Assert.Equal(("contract1", Toolstack.Libvirt), ($"{process.Name}", process.Start.Toolstack));
        Assert.Null(LibvirtReader.ProcessOf(Host.Files, "contract2"));
    }

    [Fact]
    public void A_name_that_is_none_finds_nothing() => Assert.Null(Connection.Find("nobody"));

    [Fact]
    public void Empty_root_ports_are_free() => Assert.Equal("bus 1 bus 2", string.Join(' ', Connection.ReadLive(Guest("contract1")).FreePorts!.Value));

    [Fact]
    public void A_function_with_a_driver_of_the_hosts_is_refused_where_libvirt_does_not_manage_it()
    {
        // In its own words as long as it has not seen the function unmanaged before, later in QEMU's.
        Assert.Throws<LibvirtRefusal>(() => Connection.Attach(Guest("contract1"), Element()));
        Assert.Empty(Connection.ReadLive(Guest("contract1")).HostDevices);
        Assert.Equal("e1000e", DriverOf);
    }

    [Fact]
    public void A_definition_takes_a_function_once_and_gives_it_back_and_the_running_guest_has_none_of_it()
    {
        foreach (var name in (string[])["contract1", "contract2"])
        {
            var before = Connection.ReadDefinition(Guest(name));
            Assert.Empty(before.HostDevices);
            Connection.Define(Guest(name), Element());
            var device = Assert.Single(Connection.ReadDefinition(Guest(name)).HostDevices);
            Assert.Equal((PciAddress.Parse(Card), false), (device.Address, device.Managed));
            Assert.Throws<LibvirtRefusal>(() => Connection.Define(Guest(name), Element()));
            Assert.Empty(Connection.ReadLive(Guest("contract1")).HostDevices);
            Connection.Undefine(Guest(name), Element());
            Assert.Empty(Connection.ReadDefinition(Guest(name)).HostDevices);
        }
        Assert.Equal("e1000e", DriverOf);
    }

    [Fact]
    public void What_is_not_there_cannot_be_taken_out()
    {
        Assert.Equal(99, Assert.Throws<LibvirtRefusal>(() => Connection.Undefine(Guest("contract2"), Element())).Code);
        var none = DomainXml.Parse($"<domain><devices>{Element()}</devices></domain>").HostDevices[0];
        Connection.Detach(Guest("contract1"), Element(), none, TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void A_running_guest_takes_a_function_shows_it_and_a_guest_without_a_system_does_not_let_go()
    {
        var guest = Guest("contract1");
        Vfio("vfio-pci");
        Connection.Attach(guest, Element());
        var live = Connection.ReadLive(guest);
        var device = Assert.Single(live.HostDevices);
        Assert.Equal((PciAddress.Parse(Card), false, "hostdev0", PciAddress.Parse("0000:01:00.0")), (device.Address, device.Managed, device.Alias, device.Slot));
        Assert.Equal("bus 2", Assert.Single(live.FreePorts!.Value));
        Assert.Empty(Connection.ReadDefinition(guest).HostDevices);
        Assert.Throws<LibvirtRefusal>(() => Connection.Attach(guest, Element()));
        Assert.Throws<GuestHolds>(() => Connection.Detach(guest, live.TextOf(device), device, TimeSpan.FromSeconds(10)));
        // Asked once more it says so, and that is no other answer.
        Assert.Throws<GuestHolds>(() => Connection.Detach(guest, live.TextOf(device), device, TimeSpan.FromSeconds(10)));
        End(guest.Name);
        Assert.Equal("vfio-pci", DriverOf);
        Vfio(null);
        Assert.Equal("e1000e", DriverOf);
        Start(guest.Name);
    }

    [Fact]
    public void A_guest_is_saved_whole_and_ended_in_one_and_starts_again_from_its_image()
    {
        const string Image = "/var/lib/libvirt/qemu/save/contract";
        var guest = Guest("contract1");
        Connection.LetGoOn(guest);
        Assert.Equal(1, Connection.StateOf(guest).State);
        Connection.SaveTo(guest, Image, TimeSpan.FromMinutes(5));
        Assert.Equal(-1, Guest("contract1").Id);
        var start = new byte[1 << 16];
        var image = LibvirtImage.Parse(start.AsSpan(0, Host.Files.Read(Image, start)))!;
        Assert.Equal((true, "contract1", "bus 1 bus 2"), (image.IsWhole, image.Xml.Name, string.Join(' ', image.Xml.FreePorts!.Value)));
        Connection.StartFrom(Image, TimeSpan.FromMinutes(5));
        Assert.Equal(1, Connection.StateOf(Guest("contract1")).State);
        // It is no second one.
        Assert.Throws<LibvirtRefusal>(() => Connection.StartFrom(Image, TimeSpan.FromMinutes(5)));
        Host.Files.RemoveFile(Image);
        End("contract1");
        Start("contract1");
    }

    [Fact]
    public void What_cannot_be_saved_goes_on_and_no_image_is_left()
    {
        const string Image = "/var/lib/libvirt/qemu/save/contract";
        var guest = Guest("contract1");
        Connection.LetGoOn(guest);
        Vfio("vfio-pci");
        Connection.Attach(guest, Element());
        Assert.Contains("VFIO", Assert.Throws<LibvirtRefusal>(() => Connection.SaveTo(guest, Image, TimeSpan.FromMinutes(5))).Words, StringComparison.Ordinal);
        Assert.Equal(1, Connection.StateOf(guest).State);
        Assert.False(Host.Files.Exists(Image));
        End("contract1");
        Vfio(null);
        Start("contract1");
    }

    [Fact]
    public void What_cannot_be_moved_goes_on_and_nothing_stays_under_way()
    {
        const string Nowhere = "qemu+ssh://nobody.invalid/system?no_tty=1";
        var guest = Guest("contract1");
        Connection.LetGoOn(guest);
        Assert.False(Connection.IsAtWork(guest));
        Assert.Matches("ssh", Assert.Throws<LibvirtRefusal>(() => Connection.MoveTo(guest, Nowhere, TimeSpan.FromMinutes(5))).Words);
        Assert.Equal((false, 1), (Connection.IsAtWork(guest), Connection.StateOf(guest).State));
        End("contract1");
        Start("contract1");
        Assert.False(Connection.IsAtWork(Guest("contract1")));
        Assert.Throws<LibvirtRefusal>(() => Connection.MoveTo(Guest("contract2"), Nowhere, TimeSpan.FromMinutes(5)));
    }

    /// <summary>Ends a guest, and starts it again.</summary>
    protected abstract void End(string guest);

    protected abstract void Start(string guest);
}
