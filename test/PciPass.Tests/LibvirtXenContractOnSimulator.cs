using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract on a simulated libvirt, a fresh one for each rule; and each rule leaves the host as it found it.</summary>
public sealed class LibvirtXenContractOnSimulator : LibvirtXenContract, IDisposable
{
    readonly SimHost host = SimHost.Xen().WithCardsOfTheContract().WithLibvirt("virt1", "virt2").WithGuest(new GuestPlan("virt1") { IsLibvirts = true }).Boot();
    readonly string before;

    public LibvirtXenContractOnSimulator()
    {
        before = host.ToText();
        Connection = Libvirt.Connect(host, TimeSpan.FromSeconds(5))!;
    }

    protected override HostSystem Host => host;
    private protected override Libvirt Connection { get; }

    protected override void Settle(bool has)
    {
        host.Clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(has, host.FindGuest("virt1")!.Functions.Count > 0);
    }

    public void Dispose()
    {
        Connection.Dispose();
        Assert.Equal(before, host.ToText());
    }
}
