using PciPass.Host;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The machine of all tests with a device model in dom0: hvm1 runs, fully virtualised.</summary>
[CollectionDefinition(nameof(HvmMachine))]
public sealed class HvmMachine() : LabHost(Machine.Hvm, "test-hvm", "hvm1"), ICollectionFixture<HvmMachine>
{
    /// <summary>Its dom0, for the contract.</summary>
    internal HostSystem System => new LabSystem(Booted);

    /// <summary>A guest that was started from an image, or moved, has booted long ago: nobody need wait for it to say so.</summary>
    public void WasReady() => Run(": >/run/lab/guest-$(xl domid hvm1).ready").Exits(0);
}
