using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The machine of all tests with a device model in dom0: hvm1 runs, fully virtualised.</summary>
[CollectionDefinition(nameof(HvmMachine))]
public sealed class HvmMachine() : LabHost(Machine.Hvm, "test-hvm", "hvm1"), ICollectionFixture<HvmMachine>;
