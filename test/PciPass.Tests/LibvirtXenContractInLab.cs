using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract on a real libvirt in a real dom0, its guest booted.</summary>
[Trait("Category", "Nightly")]
[Collection(nameof(LibvirtXenMachine))]
public sealed class LibvirtXenContractInLab(LibvirtXenMachine machine) : LibvirtXenContract
{
    protected override HostSystem Host => machine.Contract.Host;
    private protected override Libvirt Connection => machine.Contract.Connection;

    protected override void Settle(bool has) => machine.RunIn("virt1", $"until {(has ? "" : "! ")}[ -e /sys/class/net/eth0 ]; do sleep 1; done").Exits(0);
}
