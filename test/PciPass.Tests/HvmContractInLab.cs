using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract in a real dom0, with a booted HVM guest.</summary>
[Trait("Category", "Lab")]
[Collection(nameof(HvmMachine))]
public sealed class HvmContractInLab(HvmMachine machine) : HvmContract
{
    protected override HostSystem Host => machine.System;

    protected override void Settle(string place, bool has) => machine.RunIn("hvm1", $"until {(has ? "" : "! ")}[ -e /sys/bus/pci/devices/{place} ]; do sleep 1; done").Exits(0);

    protected override void Restored() => CountingGuest.WasReady(machine, "hvm1");
}
