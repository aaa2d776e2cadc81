using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract on a real libvirt, its guests held before their first instruction.</summary>
[Trait("Category", "Nightly")]
[Collection(nameof(LibvirtMachine))]
public sealed class LibvirtContractInLab(LibvirtMachine machine) : LibvirtContract
{
    protected override HostSystem Host => machine.Contract.Host;
    private protected override Libvirt Connection => machine.Contract.Connection;

    protected override void End(string guest) => machine.Run($"virsh destroy {guest}").Exits(0);

    protected override void Start(string guest) => machine.Run($"virsh start {guest} --paused").Exits(0);
}
