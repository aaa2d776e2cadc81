using PciPass.Host;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The machine of all tests with a real libvirtd in dom0: libvirt runs virt1, and has virt2 defined.</summary>
[CollectionDefinition(nameof(LibvirtXenMachine))]
public sealed class LibvirtXenMachine() : LabHost(Machine.LibvirtXen, "test-libvirt-xen"), ICollectionFixture<LibvirtXenMachine>
{
    LabMachine? connectedTo;
    (HostSystem Host, Libvirt Connection)? contract;

    protected override string Start => "lab-libvirt virt1 && lab-libvirt virt2 && virsh start virt1 && echo true | lab-guest virt1";

    /// <summary>A connection through libvirt's own relay.</summary>
    internal (HostSystem Host, Libvirt Connection) Contract
    {
        get
        {
            if (contract is null || connectedTo != Booted)
            {
                connectedTo = Booted;
                connectedTo.Run("mkfifo /run/lab/libvirt.in /run/lab/libvirt.out; virt-ssh-helper xen:///system <>/run/lab/libvirt.in 1<>/run/lab/libvirt.out 2>/run/lab/libvirt.log &").Ok();
                contract = (new LabSystem(connectedTo), new Libvirt(new LibvirtClient(new LabPipes(connectedTo, "/run/lab/libvirt"), TimeProvider.System, TimeSpan.FromSeconds(60), "xen:///system")));
            }
            return contract.Value;
        }
    }
}
