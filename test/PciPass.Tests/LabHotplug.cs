using System.Globalization;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>What hundreds of hot-plugs leave behind in dom0, in Xen and in the guest (docs/hotplug.md has the figures).</summary>
[Collection(LabDemo.Name)]
public sealed class LabHotplug(LabDemo host, ITestOutputHelper output) : LabTest(host)
{
    /// <summary>Each is a hot-plug and a hot-unplug: together more than 512.</summary>
    static readonly int Cycles = int.TryParse(Environment.GetEnvironmentVariable("PCIPASS_CYCLES"), NumberStyles.None, CultureInfo.InvariantCulture, out var cycles) ? cycles : 260;

    [Fact]
    [Trait("Category", "Nightly")]
    public void More_than_512_hot_plugs_of_a_card_with_its_driver_leave_no_interrupt_event_channel_or_grant_behind()
    {
        Host.StartGuest("often1");
        Host.Pcipass("hide --now 09:00.0 08:00.0").Exits(0);
        // A second card stays: without any, the guest takes its whole bus down each time.
        Host.Pcipass("attach 08:00.0 often1").Exits(0);
        Cycle();
        var (before, memory) = Sample();
        for (var cycle = 2; cycle <= Cycles; cycle++)
        {
            Cycle();
            if (cycle % 20 == 0)
                output.WriteLine($"{cycle} cycles: {Sample()}");
        }
        var (after, rest) = Sample();
        output.WriteLine($"before: {before}{memory}after {Cycles} cycles: {after}{rest}");
        Assert.Equal(before, after);
        Host.RunIn("often1", "dmesg | grep -E 'WARNING|BUG|Oops'").Exits(1);
        Host.Run("xl destroy often1").Exits(0);
        Host.Pcipass("unhide --now 08:00.0 09:00.0").Exits(0);
    }

    /// <summary>xl itself, and no more than the handshake: in, until the guest's driver has its MSI-X interrupts; and out.</summary>
    void Cycle() => Host.Run("""
        domain=$(xl domid often1)
        connected() { n=0; until [ "$(xenstore-read /local/domain/0/backend/pci/$domain/0/state /local/domain/$domain/device/pci/0/state | tr '\n' ' ')" = '4 4 ' ]; do n=$((n + 1)); [ $n -lt 1000 ] || return 1; usleep 50000; done; }
        driven() { n=0; until [ $((0x$(setpci -s 09:00.0 CAP_MSIX+2.w) & 0x8000)) -ne 0 ]; do n=$((n + 1)); [ $n -lt 1000 ] || return 1; usleep 50000; done; }
        xl pci-attach $domain 09:00.0 && connected && driven && xl pci-detach $domain 09:00.0 && connected
        """).Exits(0);

    /// <summary>What must not grow, and what may a little.</summary>
    (string Counts, string Memory) Sample()
    {
        var counts = Host.Run("""
            domain=$(xl domid often1)
            echo "dom0 interrupts $(grep -c '^ *[0-9]*:' /proc/interrupts)"
            xl dmesg -c >/dev/null; xl debug-keys e; xl dmesg >/tmp/events
            for d in 0 $domain; do
                echo "event channels of $d: $(awk -v d="domain $d:" '/Event channel information for domain/ { on = index($0, d) > 0 } on && /s=[1-9]/ { c++ } END { print c + 0 }' /tmp/events)"
            done
            xl dmesg -c >/dev/null; xl debug-keys g; xl dmesg >/tmp/grants
            echo "grants: $(awk -v d="remote d$domain " '/grant-table for remote/ { on = index($0, d) > 0 } on && /\[0x/ { c++ } END { print c + 0 }' /tmp/grants)"
            """).Exits(0).Stdout + Host.RunIn("often1", "echo \"guest interrupts $(grep -c '^ *[0-9]*:' /proc/interrupts)\"").Exits(0).Stdout;
        var memory = "grep -E 'MemFree|SUnreclaim' /proc/meminfo";
        return (counts, $"\ndom0:\n{Host.Run(memory).Exits(0).Stdout}guest:\n{Host.RunIn("often1", memory).Exits(0).Stdout}");
    }
}
