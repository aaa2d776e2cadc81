using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract on the simulated host, a fresh one for each rule; and each rule leaves it as it found it.</summary>
public sealed class ContractOnSimulator : Contract, IDisposable
{
    readonly SimHost host = SimHost.Demo();
    readonly string before;

    public ContractOnSimulator() => before = Comparable(host);

    protected override HostSystem Host => host;

    public void Dispose() => Assert.Equal(before, Comparable(host));

    // A guest that was started again has another number.
    static string Comparable(SimHost host) => string.Join('\n', host.ToText().Split('\n').Select(static line =>
        line.StartsWith("guest ", StringComparison.Ordinal) ? line[..line.IndexOf(" domid=", StringComparison.Ordinal)] : line));
}
