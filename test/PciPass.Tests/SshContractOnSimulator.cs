using PciPass.Host;
using PciPass.Sim;

namespace PciPass.Tests;

/// <summary>The contract on the simulated ssh.</summary>
public sealed class SshContractOnSimulator : SshContract
{
    protected override HostSystem Host { get; } = SimHost.Linux().Boot().WithFile(Input, Content)
        .WithPeer("other", static (words, input) => new ProgramResult(3, $"{string.Concat(words.Skip(1).Select(static word => $"[{word}]"))}\n{Convert.ToBase64String(input)}\n", "told\n"));
}
