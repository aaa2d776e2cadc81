using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>A driver that does not let go: its disk has 10 MB to write first, and takes its time.</summary>
public sealed class LabHang(LabHang.SlowDisk host) : LabTest(host), IClassFixture<LabHang.SlowDisk>
{
    public sealed class SlowDisk() : LabHost(Machine.SlowDisk, "test-hang");

    [Fact]
    public void An_unbind_that_does_not_return_ends_as_stuck_and_all_else_goes_on()
    {
        // A driver that is taken from its disk waits for what the disk has begun to write.
        Host.Run("""
            dd if=/dev/urandom of=/tmp/data bs=1M count=10 status=none
            dd if=/tmp/data of=/dev/nvme0n1 bs=10M count=1 conv=notrunc,fsync status=none >/dev/null 2>&1 & echo $! >/tmp/writer
            until [ "$(awk '{ print $2 }' /sys/block/nvme0n1/inflight)" -gt 8 ]; do usleep 100000; done
            """).Exits(0);
        var writer = Host.Run("cat /tmp/writer").Stdout.TrimEnd('\n');
        var stuck = Host.Pcipass("hide 07:00.0 --accept open-node").Exits(4);
        stuck.Says("error: hide is stuck between two states     [stuck]", $"could not unbind {Disk} from nvme", "no answer within 60 s", $"held:  dd (pid {writer}) has /dev/nvme0n1 open");
        Assert.InRange(stuck.Seconds, 60, 75);
        Host.Pcipass("status").Exits(0).Says("operation 1 (hide) is stuck: pcipass recover     ends it");
        Host.Pcipass("hide 07:00.0").Exits(1).Says("[busy]", "operation 1 (hide) is stuck");
        Host.Pcipass("hide 09:00.0").Exits(0).Says($"{Card} is hidden from the host");
        Host.Pcipass("unhide 09:00.0").Exits(0).Says($"the host has {Card}, with driver e1000e");

        Host.Run($"until [ ! -e /sys/bus/pci/devices/{Disk}/driver ]; do sleep 1; done").Exits(0);
        Host.Pcipass("recover").Exits(0).Says("(hide) was stuck", "is undone");
        Assert.Equal("nvme", Host.DriverOf(Disk));
        Host.Pcipass("status").Exits(0).Says("no function is away from the host");
        Host.Run("until [ -e /dev/nvme0n1 ]; do usleep 100000; done").Exits(0);
    }
}
