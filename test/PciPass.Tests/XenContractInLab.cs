using PciPass.Host;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract in a real dom0, booted once for all rules.</summary>
[Trait("Category", "Lab")]
public sealed class XenContractInLab(XenContractInLab.Dom0 dom0) : XenContract, IClassFixture<XenContractInLab.Dom0>
{
    protected override HostSystem Host => dom0.System;

    /// <summary>The contract's machine with the guests web1 and db1.</summary>
    public sealed class Dom0 : IDisposable
    {
        readonly LabMachine machine;

        public Dom0()
        {
            machine = LabMachine.Boot(Machine.Contract, "contract");
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
