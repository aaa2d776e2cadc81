using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>What libvirt's driver for Xen really does when it is told over its socket to give a function to a guest, as far as pcipass depends on it.</summary>
public abstract class LibvirtXenContract
{
    protected const string Card = "0000:09:00.0";

    protected abstract HostSystem Host { get; }

    /// <summary>A connection where virt1 runs, virt2 is defined and stopped, and none of both has anything.</summary>
    private protected abstract Libvirt Connection { get; }

    static readonly string Element = DomainXml.Element(PciAddress.Parse(Card), managed: false);

    LibvirtDomain Guest(string name) => Connection.Find(name)!;

    IEnumerable<PciAddress> Listed => Connection.ReadLive(Guest("virt1")).Functions;

    void Xl(params string[] arguments)
    {
        var result = Host.Run("xl", arguments, TimeSpan.FromMinutes(2));
        Assert.True(result.ExitCode == 0, $"xl {string.Join(' ', arguments)}: {result}");
    }

    string DriverOf => Host.Files.ReadLink($"/sys/bus/pci/devices/{Card}/driver") is string link ? link[(link.LastIndexOf('/') + 1)..] : "-";

    void Write(string path, string value) => Host.Files.WriteAttribute(path, value, TimeSpan.FromSeconds(60));

    /// <summary>Waits until the guest has taken the function up, or until it has let go.</summary>
    protected abstract void Settle(bool has);

    void Hide()
    {
        Write("/sys/bus/pci/drivers/e1000e/unbind", Card);
        Xl("pci-assignable-add", Card);
    }

    void GiveBack()
    {
        Xl("pci-assignable-add", Card);
        Xl("pci-assignable-remove", Card);
        Write($"/sys/bus/pci/devices/{Card}/driver_override", "\n");
        Write("/sys/bus/pci/drivers/e1000e/bind", Card);
        Host.Run("xenstore-rm", ["/libxl/pci/0000-09-00-0"], TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void Running_guests_are_listed_by_their_domids_and_a_file_names_the_domain()
    {
        Assert.Equal(["virt1"], Connection.RunningDomains().Select(domain => domain.Name).Intersect(["virt1", "virt2"]));
        Assert.Equal(["virt1", "virt2"], Connection.DefinedDomains().Select(domain => domain.Name).Intersect(["virt1", "virt2"]).Order(StringComparer.Ordinal));
        var guest = Guest("virt1");
        Assert.True(guest.Id > 0);
        Assert.True(LibvirtReader.RunsDomain(Host.Files, GuestName.Parse("virt1"), guest.Id));
        Assert.False(LibvirtReader.RunsDomain(Host.Files, GuestName.Parse("virt1"), guest.Id + 1));
        Assert.False(LibvirtReader.RunsDomain(Host.Files, GuestName.Parse("virt2"), guest.Id));
        Assert.Equal(GuestType.Pv, new GuestDefinition(GuestName.Parse("virt2"), Connection.ReadDefinition(Guest("virt2"))).Type);
    }

    [Fact]
    public void The_control_domain_is_a_running_guest_with_the_number_0() => Assert.Equal(0, Assert.Single(Connection.RunningDomains(), domain => domain.Name == "Domain-0").Id);

    [Fact]
    public void A_function_that_pciback_has_not_is_refused()
    {
        // In its own words as long as it has not seen the function unmanaged before, later in libxl's.
        Assert.Throws<LibvirtRefusal>(() => Connection.Attach(Guest("virt1"), Element));
        Assert.Empty(Listed);
        Assert.Equal("e1000e", DriverOf);
    }

    [Fact]
    public void A_definition_takes_a_function_once_and_gives_it_back_and_the_running_guest_has_none_of_it()
    {
        foreach (var name in (string[])["virt1", "virt2"])
        {
            Connection.Define(Guest(name), Element);
            Assert.Equal((PciAddress.Parse(Card), false), Connection.ReadDefinition(Guest(name)).HostDevices.Select(device => (device.Address, device.Managed)).Single());
            Assert.Throws<LibvirtRefusal>(() => Connection.Define(Guest(name), Element));
            Assert.Empty(Listed);
            Connection.Undefine(Guest(name), Element);
            Assert.Empty(Connection.ReadDefinition(Guest(name)).HostDevices);
            Assert.Throws<LibvirtRefusal>(() => Connection.Undefine(Guest(name), Element));
        }
    }

    [Fact]
    public void What_libvirt_gives_it_lists_and_takes_and_pciback_keeps_it()
    {
        Hide();
        Connection.Attach(Guest("virt1"), Element);
        Settle(has: true);
        Assert.Equal([PciAddress.Parse(Card)], Listed);
        Assert.Contains($"target pci device {Card} already exists", Assert.Throws<LibvirtRefusal>(() => Connection.Attach(Guest("virt1"), Element)).Words, StringComparison.Ordinal);
        Connection.Take(Guest("virt1"), Element);
        Settle(has: false);
        Assert.Empty(Listed);
        Assert.Equal("pciback", DriverOf);
        GiveBack();
    }

    [Fact]
    public void What_it_manages_it_takes_from_its_driver_and_does_not_give_back()
    {
        var managed = DomainXml.Element(PciAddress.Parse(Card), managed: true);
        Connection.Attach(Guest("virt1"), managed);
        Settle(has: true);
        Connection.Take(Guest("virt1"), managed);
        Settle(has: false);
        Assert.Equal("pciback", DriverOf);
        GiveBack();
    }

    [Fact]
    public void What_xl_gives_it_does_not_list_and_does_not_take()
    {
        Hide();
        Xl("pci-attach", "virt1", Card);
        Settle(has: true);
        Assert.Empty(Listed);
        Assert.Contains($"host pci device {Card} not found", Assert.Throws<LibvirtRefusal>(() => Connection.Take(Guest("virt1"), Element)).Words, StringComparison.Ordinal);
        Xl("pci-detach", "virt1", Card);
        Settle(has: false);
        GiveBack();
    }
}
