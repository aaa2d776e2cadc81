using System.Globalization;
using PciPass.Host;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The machine of all tests with a real QEMU on it.</summary>
[CollectionDefinition(nameof(KvmMachine))]
public sealed class KvmMachine() : LabHost(Machine.Kvm, "test-kvm"), ICollectionFixture<KvmMachine>
{
    LabMachine? startedOn;
    HeldGuest? held;

    /// <summary>A guest without a system, started once, with a monitor that can be spoken to from here.</summary>
    public HeldGuest Held
    {
        get
        {
            if (held is null || startedOn != Booted)
            {
                startedOn = Booted;
                // A monitor at two pipes, beside the one at a socket, which no line leads to from here.
                startedOn.Run("mkfifo /run/lab/monitor.in /run/lab/monitor.out && lab-qemu contract1 -S -chardev pipe,id=lab,path=/run/lab/monitor -mon chardev=lab,mode=control").Ok();
                held = new HeldGuest(new LabSystem(startedOn), new QmpClient(new LabPipes(startedOn, "/run/lab/monitor"), TimeProvider.System, TimeSpan.FromSeconds(60)),
                    int.Parse(startedOn.Run("cat /run/lab/qemu-contract1.pid").Ok().Stdout, CultureInfo.InvariantCulture));
            }
            return held;
        }
    }

    /// <summary>That guest.</summary>
    /// <param name="Host">The machine that it runs on.</param>
    /// <param name="Monitor">A connection to its monitor.</param>
    /// <param name="ProcessId">Its process there.</param>
    public sealed record HeldGuest(HostSystem Host, QmpClient Monitor, int ProcessId);
}
