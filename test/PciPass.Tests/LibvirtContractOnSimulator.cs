using PciPass.Host;
using PciPass.Sim;

namespace PciPass.Tests;

/// <summary>The contract on a simulated libvirt, a fresh one for each rule; and each rule leaves the host as it found it.</summary>
public sealed class LibvirtContractOnSimulator : LibvirtContract, IDisposable
{
    static readonly QemuPlan Plan = new("contract1") { IsLibvirts = true, Unplug = UnplugAnswer.Nothing };
    readonly SimHost host = SimHost.Linux().WithCardsOfTheContract().WithLibvirt("contract1", "contract2").WithQemu(Plan).Boot();
    readonly string before;

    public LibvirtContractOnSimulator()
    {
        before = WithoutProcess(host.ToText());
        Connection = Libvirt.Connect(host, TimeSpan.FromSeconds(5))!;
    }

    protected override HostSystem Host => host;
    private protected override Libvirt Connection { get; }

    protected override void End(string guest) => host.EndQemu(guest);

    protected override void Start(string guest) => host.StartQemu(Plan);

    public void Dispose()
    {
        Connection.Dispose();
        Xunit.Assert.Equal(before, WithoutProcess(host.ToText()));
    }

    static string WithoutProcess(string text) => string.Join('\n', text.Split('\n').Where(line => !line.StartsWith("qemu contract1 process=", StringComparison.Ordinal)));
}
