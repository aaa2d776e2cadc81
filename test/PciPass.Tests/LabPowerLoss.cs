using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The power goes in the middle of an operation: QEMU is killed, and the machine boots again from the same disk.</summary>
[Trait("Category", "Lab")]
public sealed class LabPowerLoss : IDisposable
{
    const string Mount = "modprobe ext4 && mkdir -p /var/lib/pcipass && mount -t ext4 /dev/nvme0n1 /var/lib/pcipass";

    readonly string disks = Directory.CreateTempSubdirectory("pcipass-disks-").FullName;

    [Fact]
    public void After_a_power_loss_in_the_middle_the_journal_is_there_and_the_host_begins_anew()
    {
        var description = Machine.Demo with { Files = [Images.Ensure().Program()], DiskFolder = disks };
        using (var before = LabMachine.Boot(description, "test-power-1"))
        {
            before.Run($"echo {LabRefusals.EmptyFileSystem} | base64 -d | gunzip >/dev/nvme0n1 && {Mount}").Ok();
            before.Run("xl create /etc/xen/web1.cfg").Ok();
            before.RunIn("web1", "true").Ok();
            // Stopped dead behind the second step's announcement: whatever is on disk is all there is.
            before.Run("""
                pcipass attach 09:00.0 web1 >/dev/null 2>&1 &
                until grep -q '^doing 3' /var/lib/pcipass/journal/00000001 2>/dev/null; do usleep 2000; done
                """).Ok();
        }
        using var after = LabMachine.Boot(description, "test-power-2");
        after.Run(Mount).Ok();
        var journal = after.Run("cat /var/lib/pcipass/journal/00000001").Ok().Stdout;
        Assert.Contains("\nbegin\ndoing 1\n", journal, StringComparison.Ordinal);
        Assert.Contains("\ndoing 3\n", journal, StringComparison.Ordinal);
        Assert.DoesNotContain("\nend ", journal, StringComparison.Ordinal);
        Assert.Contains("operation 1 (attach) is interrupted", after.Run("pcipass status").Ok().Stdout, StringComparison.Ordinal);

        var recovered = after.Run("pcipass recover 2>&1").Ok().Stdout;
        Assert.Contains("operation 1 is void: the host has restarted since", recovered, StringComparison.Ordinal);
        Assert.Contains("\nend void ", after.Run("cat /var/lib/pcipass/journal/00000001").Ok().Stdout, StringComparison.Ordinal);
        Assert.Equal("no function is away from the host\n", after.Run("pcipass status").Ok().Stdout);
        after.Run("net-check eth1").Ok();
        // And the next operation is an ordinary one. A file system without a journal of its own wants fsck before new files, which the
        // image has not: so the journal moves on, with all that it says.
        after.Run("cp -a /var/lib/pcipass/journal /tmp/ && umount /var/lib/pcipass && mv /tmp/journal /var/lib/pcipass/").Ok();
        after.Run("pcipass hide 09:00.0 && pcipass unhide 09:00.0").Ok();
    }

    public void Dispose() => Directory.Delete(disks, recursive: true);
}
