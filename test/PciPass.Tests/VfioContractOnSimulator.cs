using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract on simulated Linux, a fresh one for each rule; and each rule leaves it as it found it.</summary>
public sealed class VfioContractOnSimulator : VfioContract, IDisposable
{
    readonly SimHost host = SimHost.Linux().WithCardsOfTheContract().Boot().WithFile("/lib/modules/6.1.0/modules.dep", "kernel/drivers/net/macvlan.ko:\n");
    readonly string before;

    public VfioContractOnSimulator() => before = host.ToText();

    protected override HostSystem Host => host;

    public void Dispose() => Assert.Equal(before, host.ToText());
}
