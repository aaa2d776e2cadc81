using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;

namespace PciPass.Tests;

/// <summary>The contract between two simulated hosts.</summary>
public sealed class MoveContractOnSimulator : MoveContract
{
    readonly SimHost here, there = Xen().Boot();

    public MoveContractOnSimulator() => here = Xen().WithGuest(new GuestPlan("web1")).WithGuest(new GuestPlan("hvm1") { Type = GuestType.Hvm }).Boot().WithToolstackPeer("box2", () => there);

    protected override HostSystem Here => here;
    protected override HostSystem There => there;

    static SimHost Xen() => SimHost.Xen().WithCardsOfTheContract();
}
