using PciPass.Host;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract on real Linux with an IOMMU and without Xen, booted once for all rules.</summary>
[Trait("Category", "Lab")]
public sealed class VfioContractInLab(VfioContractInLab.Linux linux) : VfioContract, IClassFixture<VfioContractInLab.Linux>
{
    protected override HostSystem Host => linux.System;

    /// <summary>The contract's machine.</summary>
    public sealed class Linux : IDisposable
    {
        readonly LabMachine machine;

        public Linux()
        {
            machine = LabMachine.Boot(Machine.ContractLinux, "contract-linux");
            System = new LabSystem(machine);
        }

        public HostSystem System { get; }

        public void Dispose() => machine.Dispose();
    }
}
