using System.Collections.Immutable;
using PciPass.Core;
using Xunit;

namespace PciPass.Tests;

public class PlannerTests
{
    const string Card = "0000:09:00.0 020000 driver=e1000e names=eth1";
    const string HiddenCard = "0000:09:00.0 020000 driver=pciback override=pciback";

    const string VfioCard = "no xen\n0000:09:00.0 020000 driver=vfio-pci override=vfio-pci";
    const string TwoInAGroup = "no xen\n0000:09:00.0 020000 driver=e1000e group=7\n0000:09:00.1 020000 driver=e1000e group=7\nqemu web1 4711 port1 port2";

    [Fact]
    public void Below_Linux_alone_vfio_holds_what_pciback_holds_on_Xen() => Check("""
        no xen
        0000:09:00.0 020000 driver=e1000e
        qemu web1 4711 port1
        """, "attach 09:00.0 web1", """
        rebind 0000:09:00.0 e1000e -> -
        driver_override 0000:09:00.0 - -> vfio-pci
        rebind 0000:09:00.0 - -> vfio-pci
        plug 0000:09:00.0 - -> qemu:web1/4711.88
        """);

    [Fact]
    public void Detach_from_a_guest_of_QEMU_gives_back_what_attach_took() => Check($"""
        {VfioCard}
        qemu web1 4711 port2
        attached 0000:09:00.0 4711 0000:01:00.0
        taken 0000:09:00.0 e1000e - web1
        """, "detach 09:00.0 web1", """
        plug 0000:09:00.0 qemu:web1/4711.88 -> -
        rebind 0000:09:00.0 vfio-pci -> -
        driver_override 0000:09:00.0 vfio-pci -> -
        rebind 0000:09:00.0 - -> e1000e
        """);

    [Fact]
    public void Unhide_of_what_others_gave_to_vfio_lets_the_kernel_choose_the_driver() => Check(VfioCard, "unhide 09:00.0", """
        rebind 0000:09:00.0 vfio-pci -> -
        driver_override 0000:09:00.0 vfio-pci -> -
        probe 0000:09:00.0
        """);

    [Fact]
    public void A_group_that_is_not_viable_cannot_be_accepted_for_a_guest() =>
        Assert.Equal(["group-shared"], Plan(TwoInAGroup, "attach 09:00.0 web1", "group-shared").Refusals.Select(finding => finding.Code));

    [Fact]
    public void Several_guests_of_one_name_are_told_apart_by_what_runs_them()
    {
        var refusal = Assert.Single(Plan("no xen\n0000:09:00.0 020000 driver=e1000e\nqemu web1 4711 port1\nlibvirt web1 4712", "attach 09:00.0 web1").Refusals);
        Assert.Equal("running are qemu:web1 (process 4711), libvirt:web1 (process 4712)", refusal.Why);
        Assert.Equal("name the one that is meant: qemu:web1 or libvirt:web1", refusal.Remedy);
    }

    [Fact]
    public void Attach_hides_first_and_plugs_last() => Check($"""
        {Card}
        guest web1 3 pv
        """, "attach 09:00.0 web1", """
        rebind 0000:09:00.0 e1000e -> -
        driver_override 0000:09:00.0 - -> pciback
        assignable 0000:09:00.0 no -> yes
        plug 0000:09:00.0 - -> web1/3
        """);

    [Fact]
    public void Attach_of_two_hides_both_before_the_first_is_plugged() => Check("""
        0000:07:00.0 010802 driver=nvme
        0000:09:00.0 020000 driver=e1000e override=e1000e
        guest web1 3 pv
        """, "attach 09:00.0 07:00.0 web1", """
        rebind 0000:09:00.0 e1000e -> -
        driver_override 0000:09:00.0 e1000e -> pciback
        assignable 0000:09:00.0 no -> yes
        rebind 0000:07:00.0 nvme -> -
        driver_override 0000:07:00.0 - -> pciback
        assignable 0000:07:00.0 no -> yes
        plug 0000:09:00.0 - -> web1/3
        plug 0000:07:00.0 - -> web1/3
        """);

    [Fact]
    public void Attach_of_a_hidden_function_only_plugs() => Check($"""
        {HiddenCard}
        guest web1 3 hvm
        """, "attach 09:00.0 web1", "plug 0000:09:00.0 - -> web1/3");

    [Fact]
    public void Hide_of_a_function_without_a_driver_has_nothing_to_unbind() => Check("0000:09:00.0 020000", "hide 09:00.0", """
        driver_override 0000:09:00.0 - -> pciback
        assignable 0000:09:00.0 no -> yes
        """);

    [Fact]
    public void Hide_empties_a_slot_that_lost_against_the_native_driver() => Check($"{Card} slot", "hide 09:00.0", """
        rebind 0000:09:00.0 e1000e -> -
        slot 0000:09:00.0 yes -> no
        driver_override 0000:09:00.0 - -> pciback
        assignable 0000:09:00.0 no -> yes
        """);

    [Fact]
    public void Hide_of_a_hidden_function_does_nothing() => Check(HiddenCard, "hide 09:00.0", "");

    [Fact]
    public void Detach_gives_back_what_attach_took() => Check($"""
        {HiddenCard}
        guest web1 3 pv
        attached 0000:09:00.0 3 0000:00:00.0
        taken 0000:09:00.0 e1000e nvme web1
        """, "detach 09:00.0 web1", """
        plug 0000:09:00.0 web1/3 -> -
        assignable 0000:09:00.0 yes -> no
        driver_override 0000:09:00.0 pciback -> -
        rebind 0000:09:00.0 - -> e1000e
        driver_override 0000:09:00.0 - -> nvme
        """);

    [Fact]
    public void Hide_clears_an_override_for_another_driver_before_it_unbinds() => Check("0000:09:00.0 020000 driver=e1000e override=vfio-pci", "hide 09:00.0", """
        driver_override 0000:09:00.0 vfio-pci -> -
        rebind 0000:09:00.0 e1000e -> -
        driver_override 0000:09:00.0 - -> pciback
        assignable 0000:09:00.0 no -> yes
        """);

    [Fact]
    public void Detach_leaves_hidden_what_was_hidden_before() => Check($"""
        {HiddenCard}
        guest web1 3 pv
        attached 0000:09:00.0 3 0000:00:00.0
        taken 0000:09:00.0 e1000e - -
        """, "detach 09:00.0 web1", "plug 0000:09:00.0 web1/3 -> -");

    [Fact]
    public void Detach_from_a_guest_that_is_gone_gives_back() => Check($"""
        {HiddenCard}
        taken 0000:09:00.0 e1000e - web1
        """, "detach 09:00.0 web1", """
        assignable 0000:09:00.0 yes -> no
        driver_override 0000:09:00.0 pciback -> -
        rebind 0000:09:00.0 - -> e1000e
        """);

    [Fact]
    public void Unhide_of_what_others_hid_lets_the_kernel_choose_the_driver_last() => Check("""
        0000:07:00.0 010802 driver=pciback
        0000:09:00.0 020000 driver=pciback override=pciback
        taken 0000:09:00.0 e1000e - -
        """, "unhide 07:00.0 09:00.0", """
        assignable 0000:07:00.0 yes -> no
        assignable 0000:09:00.0 yes -> no
        driver_override 0000:09:00.0 pciback -> -
        rebind 0000:09:00.0 - -> e1000e
        probe 0000:07:00.0
        """);

    [Theory]
    [InlineData("", "attach 09:00.0 web1", "not-found,guest-unknown")]
    [InlineData("0000:00:00.0 060000", "hide 00:00.0", "not-passable")]
    [InlineData("0000:00:05.0 060400 type1 driver=pcieport", "hide 00:05.0", "not-passable")]
    [InlineData("0000:00:1f.3 0c0500 driver=i801_smbus", "hide 00:1f.3", "not-passable")]
    [InlineData(Card, "attach 09:00.0 web1", "guest-unknown")]
    [InlineData(Card + "\nguest web1 3 pvh", "attach 09:00.0 web1", "guest-type")]
    [InlineData(Card + "\nguest web1 3 unknown", "attach 09:00.0 web1", "guest-type")]
    [InlineData(Card + "\nguest web1 3 pv\nno pciback", "attach 09:00.0 web1", "no-pciback")]
    [InlineData(Card + "\nno xen", "hide 09:00.0", "")]
    [InlineData(Card + "\nno xen\nno vfio", "hide 09:00.0", "no-vfio")]
    [InlineData(Card + "\nno xen\nno iommu", "hide 09:00.0", "unconfined-dma")]
    [InlineData(Card + "\nno xen", "attach 09:00.0 web1", "guest-unknown")]
    [InlineData(Card + "\nno xen\nqemu web1 4711 port1", "attach 09:00.0 web1", "")]
    [InlineData(Card + "\nno xen\nqemu web1 4711 port1", "attach 09:00.0 qemu:web1", "")]
    [InlineData(Card + "\nno xen\nqemu web1 4711 port1", "attach 09:00.0 xen:web1", "guest-unknown")]
    [InlineData(Card + "\nno xen\nqemu web1 4711 none", "attach 09:00.0 web1", "guest-full")]
    [InlineData(Card + "\nno xen\nqemu web1 4711", "attach 09:00.0 web1", "guest-monitor")]
    [InlineData(Card + "\nno xen\nlibvirt web1 4711", "attach 09:00.0 web1", "guest-monitor")]
    [InlineData(Card + "\nno xen\nqemu web1 4711 port1\nlibvirt web1 4712", "attach 09:00.0 web1", "guest-ambiguous")]
    [InlineData(Card + "\nno xen\nqemu web1 4711 port1\nlibvirt web1 4712", "attach 09:00.0 qemu:web1", "")]
    [InlineData(Card + "\nno xen\nqemu web1 4711 port1\nqemu web1 4712 port1", "attach 09:00.0 qemu:web1", "guest-ambiguous")]
    [InlineData(VfioCard + "\nqemu web1 4711 port2\nqemu db1 4712 port1\nattached 0000:09:00.0 4711 0000:01:00.0", "attach 09:00.0 db1", "attached")]
    [InlineData(VfioCard + "\nqemu web1 4711 port2\nattached 0000:09:00.0 4711 0000:01:00.0", "unhide 09:00.0", "still-attached")]
    [InlineData(VfioCard + "\nqemu web1 4711 port2", "detach 09:00.0 web1", "not-attached")]
    [InlineData(VfioCard + "\nuse 0000:09:00.0 OpenNode /dev/vfio/12 dpdk", "unhide 09:00.0", "open-node")]
    [InlineData(VfioCard + "\nuse 0000:09:00.0 OpenNode /dev/vfio/12 dpdk\nqemu web1 4711 port1", "attach 09:00.0 web1", "open-node")]
    [InlineData(TwoInAGroup, "hide 09:00.0", "group-shared")]
    [InlineData(TwoInAGroup, "hide 09:00.0 09:00.1", "")]
    [InlineData(TwoInAGroup, "attach 09:00.0 web1", "group-shared")]
    [InlineData(TwoInAGroup, "attach 09:00.0 09:00.1 web1", "")]
    [InlineData("no xen\n0000:00:06.0 060400 type1 driver=pcieport group=9\n0000:09:00.0 020000 driver=e1000e group=9 below=0000:00:06.0\nqemu web1 4711 port1", "attach 09:00.0 web1", "")]
    [InlineData(Card + "\nno iommu", "hide 09:00.0", "unconfined-dma")]
    [InlineData(Card + "\nuse 0000:09:00.0 NetworkAddress eth1 10.0.0.2/24", "hide 09:00.0", "in-use-network")]
    [InlineData(Card + "\nuse 0000:09:00.0 DefaultRoute eth1 IPv4", "hide 09:00.0", "in-use-network")]
    [InlineData(Card + "\nuse 0000:09:00.0 NetworkPort eth1 br0", "hide 09:00.0", "in-use-network")]
    [InlineData(Card + "\nuse 0000:09:00.0 NetworkLower eth1 eth1.5", "hide 09:00.0", "in-use-network")]
    [InlineData(Card + "\nuse 0000:09:00.0 Mount nvme0n1 /srv", "hide 09:00.0", "in-use-disk")]
    [InlineData(Card + "\nuse 0000:09:00.0 Swap nvme0n1 /dev/nvme0n1", "hide 09:00.0", "in-use-disk")]
    [InlineData(Card + "\nopen 0000:09:00.0 stuck", "hide 09:00.0", "busy")]
    [InlineData(Card + "\nguest web1 3 pv\nclaim 0000:09:00.0 db1 /etc/xen/db1.cfg", "attach 09:00.0 web1", "claimed")]
    [InlineData(Card + "\nguest web1 3 pv\nclaim 0000:09:00.0 web1 /etc/xen/web1.cfg", "attach 09:00.0 web1", "")]
    [InlineData(HiddenCard + "\nguest web1 3 pv\nguest db1 4 pv\nattached 0000:09:00.0 4 0000:00:00.0", "attach 09:00.0 web1", "attached")]
    [InlineData(HiddenCard + "\nguest web1 3 pv\nattached 0000:09:00.0 3 0000:00:00.0", "attach 09:00.0 web1", "attached")]
    [InlineData(HiddenCard + "\nguest web1 3 pv\nattached 0000:09:00.0 9 0000:00:00.0", "attach 09:00.0 web1", "")]
    [InlineData(HiddenCard + "\nguest web1 3 pv\nattached 0000:09:00.0 3 0000:00:00.0", "unhide 09:00.0", "still-attached")]
    [InlineData(HiddenCard + "\nguest web1 3 pv", "detach 09:00.0 web1", "not-attached")]
    [InlineData(Card, "unhide 09:00.0", "not-hidden")]
    [InlineData("0000:09:00.0 020000 driver=vfio-pci", "hide 09:00.0", "other-holder")]
    [InlineData("0000:03:00.0 020000 driver=igb\n0000:03:10.0 020000 pf=0000:03:00.0", "hide 03:00.0", "has-virtual-functions")]
    [InlineData("0000:03:00.0 020000 driver=igb\n0000:03:10.0 020000 pf=0000:03:00.0", "hide 03:10.0", "")]
    [InlineData(HiddenCard + "\ntaken 0000:09:00.0 tg3 - -", "unhide 09:00.0", "driver-gone")]
    [InlineData(Card + "\nguest web1 3 pv nomap", "attach 09:00.0 web1", "guest-no-host-map")]
    [InlineData(Card + "\nguest web1 3 hvm pod", "attach 09:00.0 web1", "guest-memory")]
    [InlineData(Card + "\nguest web1 3 hvm altp2m", "attach 09:00.0 web1", "guest-memory")]
    [InlineData("0000:00:05.5 010400 driver=vmd\n10000:01:00.0 010802 driver=nvme below=0000:00:05.5\nuse 10000:01:00.0 Mount nvme0n1 /srv", "hide 00:05.5", "in-use-disk")]
    [InlineData("0000:00:05.5 010400 driver=vmd\n10000:01:00.0 010802 driver=nvme below=0000:00:05.5", "hide 10000:01:00.0", "not-passable,group-shared")]
    [InlineData(Card + "\nno remapping", "hide 09:00.0", "no-interrupt-remapping")]
    [InlineData("0000:09:00.0 020000 driver=e1000e silent", "hide 09:00.0", "no-answer")]
    [InlineData("0000:09:00.0 020000 driver=e1000e mf\n0000:09:00.1 020000 driver=e1000e mf", "hide 09:00.0", "group-shared")]
    [InlineData("0000:09:00.0 020000 driver=e1000e mf\n0000:09:00.1 020000 driver=e1000e mf", "hide 09:00.0 09:00.1", "")]
    [InlineData("0000:09:00.0 020000 driver=e1000e mf\n0000:09:00.1 020000 mf", "hide 09:00.0", "")]
    [InlineData(Card + "\nrmrr 0000:09:00.0", "hide 09:00.0", "reserved-memory")]
    [InlineData("0000:09:00.0 0c0330 driver=xhci_hcd\nrmrr 0000:09:00.0", "hide 09:00.0", "")]
    [InlineData(Card + "\n0000:08:00.0 020000 driver=e1000e\nbar 0000:09:00.0 fe000000 fe0000ff\nbar 0000:08:00.0 fe000800 fe0008ff", "hide 09:00.0", "bar-shares-page")]
    [InlineData(Card + "\n0000:08:00.0 020000 driver=e1000e\nbar 0000:09:00.0 fe000000 fe0000ff\nbar 0000:08:00.0 fe001000 fe0010ff", "hide 09:00.0", "")]
    [InlineData("0000:09:00.0 010601 driver=ahci ids=1b4b:9230", "hide 09:00.0", "")]
    [InlineData("0000:09:00.0 010601 driver=ahci ids=1b4b:9230\n0000:09:00.1 010100 driver=pata_marvell", "hide 09:00.0", "dma-alias")]
    [InlineData(Card + "\nuse 0000:09:00.0 Mount nvme0n1p1 /", "hide 09:00.0", "root-file-system")]
    [InlineData(Card + "\nuse 0000:09:00.0 Holder nvme0n1 md0", "hide 09:00.0", "in-use-disk")]
    [InlineData(Card + "\nuse 0000:09:00.0 GuestDisk nvme0n1 db1", "hide 09:00.0", "in-use-disk")]
    [InlineData(Card + "\nuse 0000:09:00.0 CrashDump nvme0n1 /dev/nvme0n1", "hide 09:00.0", "in-use-disk")]
    [InlineData(Card + "\nuse 0000:09:00.0 Content nvme0n1 gpt", "hide 09:00.0", "")]
    [InlineData(Card + "\nuse 0000:09:00.0 Route eth1 10.8.0.0/16", "hide 09:00.0", "in-use-network")]
    [InlineData(Card + "\nuse 0000:09:00.0 NetworkPort eth1 ovs-system", "hide 09:00.0", "in-use-network")]
    [InlineData(Card + "\nuse 0000:09:00.0 WirelessLink wlan0 -", "hide 09:00.0", "in-use-network")]
    [InlineData(Card + "\nuse 0000:09:00.0 NetworkStorage eth1 /", "hide 09:00.0", "in-use-network")]
    [InlineData(Card + "\nuse 0000:09:00.0 SshSession eth1 10.0.0.2", "hide 09:00.0", "ssh-session")]
    [InlineData(Card + "\nuse 0000:09:00.0 OtherNetworkNamespace e1000e net1", "hide 09:00.0", "other-namespace")]
    [InlineData(Card + "\nuse 0000:09:00.0 OpenNode /dev/nvme0 smartd", "hide 09:00.0", "open-node")]
    [InlineData(Card + "\nuse 0000:09:00.0 Console ttyS4 serial", "hide 09:00.0", "in-use-console")]
    [InlineData(Card + "\nuse 0000:09:00.0 Keyboard input Cherry", "hide 09:00.0", "in-use-console")]
    [InlineData(Card + "\nuse 0000:09:00.0 BootDisplay boot_vga -", "hide 09:00.0", "in-use-console")]
    [InlineData(Card + "\nuse 0000:09:00.0 Watchdog watchdog0 iTCO", "hide 09:00.0", "in-use-watchdog")]
    [InlineData(Card + "\nuse 0000:09:00.0 Held nvme0n1 held", "hide 09:00.0", "in-use-disk")]
    [InlineData(Card + "\nuse 0000:09:00.0 BootPartition nvme0n1p1 esp", "hide 09:00.0", "root-file-system")]
    [InlineData("0000:00:00.2 080600", "hide 00:00.2", "not-passable")]
    [InlineData("0000:00:07.0 080700", "hide 00:07.0", "not-passable")]
    [InlineData("0000:01:00.4 0c0701", "hide 01:00.4", "not-passable")]
    [InlineData("0000:00:1f.0 060100\n0000:00:1f.5 0c8000", "hide 00:1f.5", "not-passable")]
    [InlineData("0000:09:00.0 0c8000", "hide 09:00.0", "")]
    [InlineData("0000:09:00.0 080501 driver=sdhci-pci", "hide 09:00.0", "")]
    [InlineData(Card + "\nbar 0000:09:00.0 c0000000 cfffffff BOOTFB", "hide 09:00.0", "boot-framebuffer")]
    public void Refuses_with_the_code(string host, string command, string codes) =>
        Assert.Equal(codes, string.Join(',', Plan(host, command).Refusals.Select(finding => finding.Code)));

    [Fact]
    public void A_guest_has_32_slots_and_no_more()
    {
        var host = Card + "\nguest web1 3 pv\n" + string.Concat(Enumerable.Range(0, 32).Select(n => $"0000:{n + 0x20:x2}:00.0 020000 driver=pciback\nattached 0000:{n + 0x20:x2}:00.0 3\n"));
        Assert.Equal(["guest-full"], Plan(host, "attach 09:00.0 web1").Refusals.Select(finding => finding.Code));
    }

    [Theory]
    [InlineData("0000:09:00.0 020000 driver=e1000e noreset", "no-reset")]
    [InlineData(Card + "\nuse 0000:09:00.0 Content nvme0n1 gpt", "holds-data")]
    [InlineData("0000:09:00.0 020000 driver=e1000 irq=22 line\n0000:08:00.0 0c0330 driver=xhci_hcd irq=22", "shared-interrupt")]
    [InlineData("0000:09:00.0 010601 driver=ahci ids=1b4b:9230", "dma-alias")]
    [InlineData("0000:09:00.0 030000 driver=nouveau d3cold", "d3cold")]
    [InlineData(Card + "\nbar 0000:09:00.0 fe000400 fe0007ff", "bar-not-aligned")]
    public void Warns_with_the_code(string host, string code) =>
        Assert.Equal([code], Plan(host, "hide 09:00.0").Findings.Where(finding => finding.Severity == Severity.Warn).Select(finding => finding.Code));

    [Theory]
    [InlineData("0000:09:00.0 030000 driver=nouveau rom=shadow", "rom")]
    [InlineData("0000:09:00.0 030000 driver=nouveau rom=absent", "rom")]
    [InlineData("0000:09:00.0 030000 driver=nouveau rom=present", "")]
    [InlineData(Card + " node=1", "numa-node")]
    public void Notes_with_the_code(string host, string code) => Assert.Equal(code, string.Join(',', Plan(host, "hide 09:00.0").Findings.Select(finding => finding.Code)));

    [Theory]
    [InlineData("hvm", "e0000000 efffffff", "guest-mmio-hole")]
    [InlineData("hvm", "e0000000 e0ffffff", "")]
    [InlineData("hvm", "4000000000 403fffffff", "guest-mmio-hole")]
    [InlineData("pv", "e0000000 efffffff", "")]
    public void An_HVM_guest_has_little_room_below_4_GiB(string type, string bar, string code) =>
        Assert.Equal(code, string.Join(',', Plan($"{Card}\nguest web1 3 {type}\nbar 0000:09:00.0 {bar}", "attach 09:00.0 web1").Findings.Where(finding => finding.Severity == Severity.Warn).Select(finding => finding.Code)));

    [Fact]
    public void A_BAR_of_64_bits_needs_no_room_there()
    {
        var host = HostText.Parse($"{Card}\nguest web1 3 hvm\nbar 0000:09:00.0 e0000000 efffffff");
        var wide = host.Functions.Values.Single() with { WideBars = [0xe0000000] };
        host = host with { Functions = host.Functions.SetItem(wide.Address, wide) };
        Assert.DoesNotContain(Planner.Plan(host, new Request(Verb.Attach, [wide.Address], GuestReference.Parse("web1"), [])).Findings, finding => finding.Code == "guest-mmio-hole");
    }

    [Fact]
    public void A_shared_interrupt_line_is_worth_a_note_only_where_messages_can_take_its_place() =>
        Assert.Equal([Severity.Note], Plan("0000:09:00.0 020000 driver=e1000e irq=22\n0000:08:00.0 0c0330 driver=xhci_hcd irq=22", "hide 09:00.0").Findings.Select(finding => finding.Severity));

    [Theory]
    [InlineData("0000:09:00.0 020000 driver=e1000 irq=22 line")]
    [InlineData("0000:09:00.0 020000 driver=e1000 irq=22 line\n0000:08:00.0 0c0330 irq=22")]
    [InlineData("0000:09:00.0 020000 driver=e1000 irq=22 line\n0000:00:1c.0 060400 type1 driver=pcieport irq=22")]
    [InlineData("0000:09:00.0 020000 driver=e1000 irq=0 line\n0000:08:00.0 0c0330 driver=xhci_hcd irq=0")]
    public void A_line_is_shared_only_with_other_endpoints_that_a_driver_of_the_hosts_works_with(string host) => Assert.Empty(Plan(host, "hide 09:00.0").Findings);

    [Fact]
    public void What_comes_back_within_a_guests_reach_is_warned_of_and_comes_back()
    {
        var plan = Plan("""
            0000:09:00.0 020000 driver=pciback override=pciback mf
            0000:09:00.1 020000 driver=pciback override=pciback mf
            guest web1 3 pv
            attached 0000:09:00.1 3
            """, "unhide 09:00.0");
        Assert.NotEmpty(plan.Steps);
        Assert.Equal(("group-shared", Severity.Warn), plan.Findings.Where(finding => finding.Severity == Severity.Warn).Select(finding => (finding.Code, finding.Severity)).Single());
    }

    [Fact]
    public void A_risk_that_is_accepted_by_name_refuses_no_more_and_one_that_is_not_acceptable_still_does()
    {
        const string Host = $"{Card}\nno iommu\nuse 0000:09:00.0 Mount nvme0n1 /srv";
        Assert.Equal(["in-use-disk"], Plan(Host, "hide 09:00.0", "unconfined-dma", "in-use-disk").Refusals.Select(finding => finding.Code));
    }

    [Fact]
    public void Behind_a_bridge_to_conventional_PCI_functions_go_together()
    {
        const string Host = """
            0000:00:06.0 060400 type1 driver=pcieport pcie=RootPort
            0000:01:00.0 060400 type1 below=0000:00:06.0 pcie=ExpressToPciBridge
            0000:02:01.0 020000 driver=e1000 below=0000:01:00.0
            0000:02:02.0 020000 driver=e1000 below=0000:01:00.0
            guest web1 3 pv
            """;
        Assert.Equal(["shared-requester"], Plan(Host, "attach 02:01.0 web1").Refusals.Select(finding => finding.Code));
        Assert.Contains("pcipass attach 0000:02:01.0 0000:02:02.0 web1", Plan(Host, "attach 02:01.0 web1").Refusals.First().Remedy, StringComparison.Ordinal);
        Assert.Empty(Plan(Host, "attach 02:01.0 02:02.0 web1").Refusals);
        Assert.Empty(Plan(Host.Replace("0000:02:02.0 020000 driver=e1000", "0000:02:02.0 020000", StringComparison.Ordinal), "attach 02:01.0 web1").Refusals);
    }

    [Theory]
    [InlineData("attach 02:02.0 db1")]
    [InlineData("unhide 02:02.0")]
    public void Behind_such_a_bridge_nothing_goes_elsewhere_while_a_guest_has_the_other(string command)
    {
        var refusal = Assert.Single(Plan("""
            0000:00:06.0 060400 type1 driver=pcieport pcie=RootPort
            0000:01:00.0 060400 type1 below=0000:00:06.0 pcie=ExpressToPciBridge
            0000:02:01.0 020000 driver=pciback below=0000:01:00.0
            0000:02:02.0 020000 driver=pciback below=0000:01:00.0
            guest web1 3 pv
            guest db1 4 pv
            attached 0000:02:01.0 3 0000:00:00.0
            """, command).Refusals);
        Assert.Equal("shared-requester", refusal.Code);
        Assert.Contains("0000:02:01.0 (Ethernet, guest web1 has it)", refusal.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_card_at_the_address_is_not_given_to_the_former_ones_driver()
    {
        var host = HostText.Parse($"{HiddenCard} serial=1\ntaken 0000:09:00.0 e1000e - -");
        var swapped = host.Functions.Values.Single() with { Identity = host.Functions.Values.Single().Identity with { SerialNumber = 2 } };
        host = host with { Functions = host.Functions.SetItem(swapped.Address, swapped) };
        var refusal = Assert.Single(Planner.Plan(host, new Request(Verb.Unhide, [swapped.Address], null, [])).Refusals);
        Assert.Equal("other-identity", refusal.Code);
        Assert.Contains("expected serial number 0000000000000001, found 0000000000000002", refusal.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_step_reads_back_from_its_text_and_reverses_to_itself()
    {
        foreach (var text in (string[])["rebind 0000:09:00.0 e1000e -> -", "rebind 0000:09:00.0 - -> e1000e", "driver_override 0000:09:00.0 - -> pciback",
            "driver_override 10000:e1:00.0 a -> b", "assignable 0000:09:00.0 no -> yes", "assignable 0000:09:00.0 yes -> no", "slot 0000:09:00.0 yes -> no",
            "plug 0000:09:00.0 - -> web1/3", "plug 0000:09:00.0 web1/3 -> -", "plug 0000:09:00.0 - -> qemu:web1/4711.88123", "plug 0000:09:00.0 libvirt:web1/4711.88123 -> -", "probe 0000:09:00.0"])
        {
            var step = Step.Parse(text);
            Assert.Equal(text, step.Text);
            Assert.Equal(step, step.Reverse()?.Reverse() ?? step);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("rebind 0000:09:00.0 - -> -")]
    [InlineData("rebind 0000:09:00.0 a -> b")]
    [InlineData("rebind 09:00 a -> -")]
    [InlineData("assignable 0000:09:00.0 yes -> yes")]
    [InlineData("plug 0000:09:00.0 - -> web1")]
    [InlineData("save image - -> web1/3")]
    [InlineData("save /image web1 -> -")]
    [InlineData("end web1")]
    [InlineData("start web1 image")]
    [InlineData("plug 0000:09:00.0 - -> ../3/x")]
    [InlineData("plug 0000:09:00.0 - -> web1/4711.88")]
    [InlineData("plug 0000:09:00.0 - -> qemu:web1/4711")]
    public void A_line_that_is_no_step_is_refused(string line) => Assert.Throws<FormatException>(() => Step.Parse(line));

    [Fact]
    public void A_list_finds_the_reason_that_all_rules_find_first()
    {
        var compared = 0;
        foreach (
            var data in typeof(PlannerTests)
                .GetMethod(nameof(Refuses_with_the_code))!
                .GetCustomAttributes(typeof(InlineDataAttribute), inherit: false)
                .Cast<InlineDataAttribute>()
        )
        {
            var words = data.GetData(null!).Single();
            var host = HostText.Parse((string)words[0]);
            foreach (var function in host.Functions.Keys)
            {
                var all = PciPass.Core.Rules.Catalogue.Check(host, new Request(Verb.Hide, [function], null, []));
                Assert.Equal(
                    all.FirstOrDefault(finding => finding.Severity >= Severity.Refuse && finding.Subject != "host"),
                    PciPass.Core.Rules.Catalogue.FirstRefusalToHide(host, function)
                );
                compared++;
            }
        }
        Assert.True(compared > 100, $"{compared} functions were compared");
    }

    [Fact]
    public void Every_finding_weighs_what_its_rule_says_it_may()
    {
        var rules = PciPass.Core.Rules.Catalogue.All.ToDictionary(rule => rule.Code);
        Assert.Equal(rules.Count, PciPass.Core.Rules.Catalogue.All.Length);
        Dictionary<string, PciPass.Core.Rules.Weights> seen = [];
        foreach (var name in (string[])[nameof(Refuses_with_the_code), nameof(Warns_with_the_code), nameof(Notes_with_the_code)])
        {
            foreach (var data in typeof(PlannerTests).GetMethod(name)!.GetCustomAttributes(typeof(InlineDataAttribute), inherit: false).Cast<InlineDataAttribute>())
            {
                var words = data.GetData(null!).Single();
                foreach (var finding in Plan((string)words[0], words.Length == 3 ? (string)words[1] : "hide 09:00.0").Findings)
                    seen[finding.Code] = seen.GetValueOrDefault(finding.Code) | PciPass.Core.Rules.WeightNames.Of(finding.Severity);
            }
        }
        Assert.All(seen, pair => Assert.True(rules[pair.Key].Weights.HasFlag(pair.Value), $"{pair.Key}: {pair.Value}, declared {rules[pair.Key].Weights}"));
        Assert.True(seen.Count > 40, $"{seen.Count} rules have spoken");
        Assert.All(rules.Values, rule => Assert.EndsWith(".", rule.Remedy, StringComparison.Ordinal));
    }

    static void Check(string host, string command, string expected)
    {
        var plan = Plan(host, command);
        Assert.Empty(plan.Refusals);
        Assert.Equal(expected, string.Join('\n', plan.Steps.Select(step => step.Text)));
    }

    static Plan Plan(string host, string command, params string[] accepted)
    {
        var words = command.Split(' ');
        var verb = Enum.Parse<Verb>(words[0], ignoreCase: true);
        var guest = verb is Verb.Attach or Verb.Detach ? GuestReference.Parse(words[^1]) : (GuestReference?)null;
        var functions = words[1..(guest is null ? words.Length : words.Length - 1)].Select(word => PciAddress.Parse(word));
        return Planner.Plan(HostText.Parse(host), new Request(verb, [.. functions], guest, [.. accepted]));
    }
}
