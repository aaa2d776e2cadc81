using System.Globalization;
using Xunit;

namespace PciPass.Tests;

/// <summary>What shows whether a guest of Xen went on: a process in it that counts.</summary>
static class CountingGuest
{
    /// <summary>Has a guest count, five a second, and note the longest time that it stood still by its own clock, which goes on with the host's.</summary>
    public static void Start(LabHost host, string guest) => host.RunIn(guest, """
        [ ! -e /run/counter ] || kill $(cat /run/counter)
        rm -f /run/count
        (i=0; g=0; l=$(date +%s); while :; do i=$((i+1)); n=$(date +%s); [ $((n - l)) -le $g ] || g=$((n - l)); l=$n; echo $i $g >/run/count.new; mv /run/count.new /run/count; usleep 200000; done) >/dev/null 2>&1 &
        echo $! >/run/counter
        until [ -e /run/count ]; do usleep 50000; done
        """, TimeSpan.FromMinutes(5)).Exits(0);

    /// <summary>How far it has counted, and how many seconds it stood still at most; fails where it counts no more.</summary>
    public static (int Count, int Still) Counted(LabHost host, string guest)
    {
        var words = host.RunIn(guest, "read a g </run/count; sleep 2; read b g </run/count; echo $a $b $g").Exits(0).Stdout.Trim().Split(' ').Select(word => int.Parse(word, CultureInfo.InvariantCulture)).ToArray();
        Assert.True(words[1] > words[0], $"{guest} no longer counts: {words[0]}, {words[1]}");
        return (words[1], words[2]);
    }

    /// <summary>A guest that was started from an image, or came from elsewhere, has booted long ago: nobody need wait for it to say so.</summary>
    public static void WasReady(LabHost host, string guest) => host.Run($": >/run/lab/guest-$(xl domid {guest}).ready").Exits(0);
}
