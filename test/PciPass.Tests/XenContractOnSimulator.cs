using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract in the simulated dom0, a fresh one for each rule; and each rule leaves it as it found it.</summary>
public sealed class XenContractOnSimulator : XenContract, IDisposable
{
    readonly SimHost host = SimHost.Xen().WithCardsOfTheContract().WithGuestsOfTheDemo().Boot().WithFile("/lib/modules/6.1.0/modules.dep", "kernel/drivers/net/macvlan.ko:\n");
    readonly string before;

    public XenContractOnSimulator() => before = Comparable(host);

    protected override HostSystem Host => host;

    public void Dispose() => Assert.Equal(before, Comparable(host));

    // A guest that was started again has another number.
    static string Comparable(SimHost host) => string.Join('\n', host.ToText().Split('\n').Select(static line =>
        line.StartsWith("guest ", StringComparison.Ordinal) ? line[..line.IndexOf(" domid=", StringComparison.Ordinal)] : line));
}
