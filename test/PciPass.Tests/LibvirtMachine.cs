using PciPass.Host;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The machine of all tests with a real libvirtd on it.</summary>
[CollectionDefinition(nameof(LibvirtMachine))]
public sealed class LibvirtMachine() : LabHost(Machine.Libvirt, "test-libvirt"), ICollectionFixture<LibvirtMachine>
{
    LabMachine? startedOn;
    (HostSystem Host, Libvirt Connection)? contract;

    /// <summary>The first guest asked for starts libvirtd, which then asks QEMU what it can do: that takes its time here.</summary>
    protected override string Start => "lab-libvirt web1";

    /// <summary>contract1, which runs and is held before its first instruction, contract2, which does not run, and a connection through libvirt's own relay, which ends when nobody has its pipe open for reading: so it has that itself.</summary>
    internal (HostSystem Host, Libvirt Connection) Contract
    {
        get
        {
            if (contract is null || startedOn != Booted)
            {
                startedOn = Booted;
                startedOn.Run("lab-libvirt contract1 && lab-libvirt contract2 && virsh start contract1 --paused", TimeSpan.FromMinutes(5)).Ok();
                startedOn.Run("mkfifo /run/lab/libvirt.in /run/lab/libvirt.out; virt-ssh-helper qemu:///system <>/run/lab/libvirt.in 1<>/run/lab/libvirt.out 2>/run/lab/libvirt.log &").Ok();
                contract = (new LabSystem(startedOn), new Libvirt(new LibvirtClient(new LabPipes(startedOn, "/run/lab/libvirt"), TimeProvider.System, TimeSpan.FromSeconds(60), "qemu:///system")));
            }
            return contract.Value;
        }
    }
}
