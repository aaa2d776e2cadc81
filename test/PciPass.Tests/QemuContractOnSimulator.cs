using PciPass.Host;
using PciPass.Sim;

namespace PciPass.Tests;

/// <summary>The contract on a simulated QEMU, a fresh one for each rule; and each rule leaves the host as it found it.</summary>
public sealed class QemuContractOnSimulator : QemuContract, IDisposable
{
    readonly SimHost host = SimHost.Linux().WithCardsOfTheContract().WithQemu(new QemuPlan("contract1") { Unplug = UnplugAnswer.Nothing }).Boot();
    readonly string before;

    public QemuContractOnSimulator()
    {
        before = host.ToText();
        Monitor = new QmpClient(host.ConnectSocket("/run/qemu/contract1.qmp")!, host.Clock, TimeSpan.FromSeconds(5));
    }

    protected override HostSystem Host => host;
    protected override QmpClient Monitor { get; }
    protected override int ProcessId => host.Qemus[0].ProcessId;

    public void Dispose()
    {
        Monitor.Dispose();
        Xunit.Assert.Equal(before, host.ToText());
    }
}
