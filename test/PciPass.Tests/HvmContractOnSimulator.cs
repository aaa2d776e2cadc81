using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract on a simulated dom0 with an HVM guest, a fresh one for each rule.</summary>
public sealed class HvmContractOnSimulator : HvmContract
{
    readonly SimHost host = SimHost.Xen().WithCardsOfTheContract().WithGuest(new GuestPlan("hvm1") { Type = GuestType.Hvm }).Boot();

    protected override HostSystem Host => host;

    protected override void Settle(string place, bool has)
    {
        host.Clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(has, host.FindGuest("hvm1")!.Functions.ContainsKey(place));
    }
}
