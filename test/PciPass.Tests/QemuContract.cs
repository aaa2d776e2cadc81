using PciPass.Core;
using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>
/// What QEMU really does when it is told over its monitor to give a function to a guest, as far as pcipass depends on it. The guest runs
/// no system, so it answers nothing: what booted guests do is in LabKvm.
/// </summary>
public abstract class QemuContract
{
    protected const string Card = "0000:09:00.0", OtherCard = "0000:08:00.0", OneOfTwo = "0000:0d:00.0", OtherOfTwo = "0000:0d:00.1";

    protected abstract HostSystem Host { get; }

    /// <summary>A connection to the monitor of a guest with the free ports port1 and port2, which has nothing yet.</summary>
    protected abstract QmpClient Monitor { get; }

    /// <summary>The process of that guest.</summary>
    protected abstract int ProcessId { get; }

    void Vfio(string function, string? driver)
    {
        Write($"/sys/bus/pci/devices/{function}/driver_override", driver ?? "\n");
        if (Host.Files.ReadLink($"/sys/bus/pci/devices/{function}/driver") is string link)
            Write($"/sys/bus/pci/drivers/{link[(link.LastIndexOf('/') + 1)..]}/unbind", function);
        Write("/sys/bus/pci/drivers_probe", function);
    }

    void Write(string path, string value) => Host.Files.WriteAttribute(path, value, TimeSpan.FromSeconds(60));

    QmpRefusal Refused(string function, string bus, string id = "one") =>
        Assert.Throws<QmpRefusal>(() => Monitor.Execute("device_add", ("driver", "vfio-pci"), ("host", function), ("id", id), ("bus", bus)));

    string Group(string function) => Host.Files.ReadLink($"/sys/bus/pci/devices/{function}/iommu_group") is string link ? link[(link.LastIndexOf('/') + 1)..] : "";

    [Fact]
    public void A_guest_is_found_by_its_process_and_its_monitor()
    {
        var process = Assert.Single(QemuProcess.All(Host.Files), process => process.Start.Number == ProcessId);
        Assert.Equal("contract1", process.Name.ToString());
        Assert.NotNull(process.Socket);
        Assert.True(process.Start.Began > 0);
    }

    [Fact]
    public void Empty_root_ports_are_free() => Assert.Equal("port1 port2", string.Join(' ', new QemuMonitor(Monitor).FreePorts()));

    [Fact]
    public void A_function_with_a_driver_of_the_hosts_is_refused() => Assert.Contains(Group(Card), Refused(Card, "port1").Words, StringComparison.Ordinal);

    [Fact]
    public void A_group_with_a_driver_of_the_hosts_in_it_is_not_viable()
    {
        Vfio(OneOfTwo, "vfio-pci");
        try
        {
            Assert.Contains($"group {Group(OneOfTwo)} is not viable", Refused(OneOfTwo, "port1").Words, StringComparison.Ordinal);
        }
        finally
        {
            Vfio(OneOfTwo, null);
        }
    }

    [Fact]
    public void A_bus_that_is_not_there_is_refused()
    {
        Vfio(Card, "vfio-pci");
        try
        {
            Assert.Contains("Bus 'port9' not found", Refused(Card, "port9").Words, StringComparison.Ordinal);
        }
        finally
        {
            Vfio(Card, null);
        }
    }

    [Fact]
    public void What_is_not_there_cannot_be_taken_out() =>
        Assert.Equal("DeviceNotFound", Assert.Throws<QmpRefusal>(() => Monitor.Execute("device_del", ("id", "/machine/peripheral/nothing"))).Kind);
}
