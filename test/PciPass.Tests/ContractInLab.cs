using PciPass.Host;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract in a real dom0, booted once for all rules.</summary>
[Trait("Category", "Lab")]
public sealed class ContractInLab(ContractInLab.Dom0 dom0) : Contract, IClassFixture<ContractInLab.Dom0>
{
    protected override HostSystem Host => dom0.System;

    /// <summary>The demonstration's machine with the guests web1 and db1.</summary>
    public sealed class Dom0 : IDisposable
    {
        readonly LabMachine machine;

        public Dom0()
        {
            machine = LabMachine.Boot(Machine.Demo, "contract");
            System = new LabSystem(machine);
            foreach (var guest in (string[])["web1", "db1"])
            {
                machine.Run($"xl create /etc/xen/{guest}.cfg").Ok();
                // Answers once its drivers are loaded.
                machine.RunIn(guest, "true").Ok();
            }
        }

        public HostSystem System { get; }

        public void Dispose() => machine.Dispose();
    }
}
