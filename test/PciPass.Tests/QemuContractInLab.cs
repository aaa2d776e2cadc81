using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract on a real QEMU, held before its guest's first instruction.</summary>
[Trait("Category", "Lab")]
[Collection(nameof(KvmMachine))]
public sealed class QemuContractInLab(KvmMachine machine) : QemuContract
{
    protected override HostSystem Host => machine.Held.Host;
    protected override QmpClient Monitor => machine.Held.Monitor;
    protected override int ProcessId => machine.Held.ProcessId;
}
