using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>Other topologies than the demonstration's.</summary>
public sealed partial class LabRich(LabRich.Rich host) : LabTest(host), IClassFixture<LabRich.Rich>
{
    /// <summary>The lab's machine with everything that the demonstration's has not.</summary>
    public sealed class Rich() : LabHost(Machine.Rich, "test-rich", "web1", "db1");

    [Fact]
    public void Every_function_is_listed_with_its_name_and_its_reason()
    {
        var list = Host.Pcipass("list").Exits(0);
        list.Says("Intel 82574L Gigabit Network Connection", "Intel 82540EM Gigabit Ethernet Controller", "QEMU NVM Express Controller", "Red Hat QEMU XHCI Host Controller", "Inter-VM shared memory");
        foreach (var function in (string[])["04:00.0", "05:00.0", "00:10.0", "3b:00.0"])
            Assert.Contains(list.Stdout.Split('\n'), line => line.StartsWith($"0000:{function} ", StringComparison.Ordinal) && line.Contains(" free   confined ", StringComparison.Ordinal));
        foreach (var function in (string[])["01:00.0", "01:00.1"])
            Assert.Contains(list.Stdout.Split('\n'), line => line.StartsWith($"0000:{function} ", StringComparison.Ordinal) && line.Contains(" stays  shared ", StringComparison.Ordinal));
        Assert.Contains(list.Stdout.Split('\n'), line => line.StartsWith("0000:03:01.0 ", StringComparison.Ordinal) && line.Contains(" stays ", StringComparison.Ordinal));
        Assert.Equal(Host.Run("ls /sys/bus/pci/devices | wc -l").Stdout.Trim(), $"{list.Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length - 1}");
    }

    [Fact]
    public void One_function_of_a_card_goes_alone_once_that_risk_is_accepted_and_the_other_works_on_for_the_host()
    {
        var name = InterfaceOf("0000:01:00.0");
        Host.Pcipass("attach 01:00.1 web1").Exits(1).Says("[group-shared]", "past the IOMMU it can reach 0000:01:00.0 (Ethernet, e1000e): the functions of one device are not isolated from each other (it has no ACS)");
        Host.Pcipass("attach 01:00.1 web1 --accept group-shared").Exits(0).Says("web1 has 0000:01:00.1 as 0000:00:00.1 ");
        Host.RunIn("web1", "show-pci").Exits(0).Says("0000:00:00.1 8086:10d3 020000 e1000e eth0");
        Host.RunIn("web1", "net-check eth0").Exits(0).Says(", 0% packet loss");
        Host.Run($"net-check {name}").Exits(0).Says(", 0% packet loss");
        Host.Pcipass("detach 01:00.1 web1").Exits(0).Says("the host has 0000:01:00.1, with driver e1000e");
    }

    [Fact]
    public void Both_functions_of_a_card_go_together_and_come_back()
    {
        var said = Host.Pcipass("attach 01:00.0 01:00.1 web1").Exits(0);
        // Where the guest sees the second one is pciback's business: what is told is what the guest shows.
        var seen = Host.RunIn("web1", "show-pci").Exits(0).Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, seen.Length);
        Assert.All(seen, line => Assert.Contains(" 8086:10d3 020000 e1000e eth", line, StringComparison.Ordinal));
        Assert.Equal(seen.Select(line => line.Split(' ')[0]).Order(StringComparer.Ordinal),
            said.Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')[5]).Order(StringComparer.Ordinal));
        Host.Pcipass("detach 01:00.0 01:00.1 web1").Exits(0);
        Host.Run($"net-check {InterfaceOf("0000:01:00.1")}").Exits(0).Says(", 0% packet loss");
    }

    [Fact]
    public void Behind_a_conventional_bridge_the_cards_go_together_or_not_at_all_and_work_in_the_guest_and_on_the_host_again()
    {
        Host.Pcipass("attach 03:01.0 web1").Exits(1).Says("[shared-requester]", "behind the bridge 0000:02:00.0 the IOMMU cannot tell it from 0000:03:02.0 (Ethernet, e1000)",
            "pcipass attach 0000:03:01.0 0000:03:02.0 web1     passes all of them");
        Host.Pcipass("attach 03:01.0 03:02.0 web1").Exits(0);
        Host.RunIn("web1", "show-pci").Says("0000:00:00.0 8086:100e 020000 e1000 eth0", "0000:00:01.0 8086:100e 020000 e1000 eth1");
        Host.RunIn("web1", "net-check eth1").Exits(0).Says(", 0% packet loss");
        Host.Pcipass("detach 03:01.0 03:02.0 web1").Exits(0);
        Host.Run($"net-check {InterfaceOf("0000:03:02.0")}").Exits(0).Says(", 0% packet loss");
    }

    [Fact]
    public void Behind_a_conventional_bridge_no_card_goes_to_the_host_or_to_another_guest_while_a_guest_has_the_other()
    {
        Host.Pcipass("attach 03:01.0 03:02.0 web1").Exits(0);
        Host.Pcipass("detach 03:02.0 web1").Exits(1).Says("[shared-requester]", "0000:03:01.0 (Ethernet, guest web1", "pcipass detach 0000:03:02.0 0000:03:01.0 web1");
        Host.Pcipass("detach 03:01.0 03:02.0 web1").Exits(0);

        Host.Pcipass("hide 03:01.0 03:02.0").Exits(0);
        Host.Pcipass("attach 03:01.0 web1").Exits(0);
        Host.Pcipass("attach 03:02.0 db1").Exits(1).Says("[shared-requester]", "0000:03:01.0 (Ethernet, guest web1");
        Host.Pcipass("unhide 03:02.0").Exits(1).Says("[shared-requester]", "0000:03:01.0 (Ethernet, guest web1");
        Host.Pcipass("detach 03:01.0 web1").Exits(0);
        Host.Pcipass("unhide 03:01.0 03:02.0").Exits(0);
    }

    [Fact]
    public void A_virtual_function_goes_and_its_physical_function_stays()
    {
        // dom0's driver binds to them, finds no queues given to them, and lets go again a moment later.
        Host.Run("""
            echo 2 >/sys/bus/pci/devices/0000:04:00.0/sriov_numvfs
            while [ -e /sys/bus/pci/devices/0000:04:00.1/driver ] || [ -e /sys/bus/pci/devices/0000:04:00.2/driver ]; do usleep 50000; done
            """).Exits(0);
        var before = Host.Picture();
        Host.Pcipass("show 04:00.1").Exits(0).Says("virtual function of: 0000:04:00.0", "1b36:0010", "interrupt pin:       none");
        Host.Pcipass("attach 04:00.0 web1").Exits(1).Says("[has-virtual-functions]", "it is the physical function of 2 virtual ones (0000:04:00.1, 0000:04:00.2)");

        Host.Pcipass("attach 04:00.1 web1").Exits(0).Says("web1 has 0000:04:00.1 as 0000:00:00.1 ");
        Host.RunIn("web1", "show-pci").Exits(0).Says("0000:00:00.1 1b36:0010");
        Host.Pcipass("attach 04:00.1 db1").Exits(1).Says("[attached]");
        Host.Pcipass("detach 04:00.1 web1").Exits(0);
        Assert.Equal(before, Host.Picture());
        Host.Run("echo 0 >/sys/bus/pci/devices/0000:04:00.0/sriov_numvfs").Exits(0);
    }

    [Theory]
    [InlineData("05:00.0", "1b36:000d", "xhci_hcd")]
    [InlineData("00:10.0", "1af4:1110", "-")]
    public void What_the_guest_has_no_driver_for_goes_all_the_same(string function, string ids, string driver)
    {
        Assert.Equal(driver, Host.DriverOf($"0000:{function}"));
        Host.Pcipass($"attach {function} web1").Exits(0).Says($"web1 has 0000:{function} as 0000:00:00.0 ");
        Host.RunIn("web1", "show-pci").Exits(0).Says($"0000:00:00.0 {ids}");
        Host.Pcipass($"detach {function} web1").Exits(0);
        Assert.Equal(driver, Host.DriverOf($"0000:{function}"));
    }

    [Fact]
    public void A_card_on_a_bus_whose_number_has_letters_goes_to_one_guest_and_then_to_another()
    {
        Host.Pcipass("attach 3b:00.0 web1").Exits(0);
        Host.RunIn("web1", "net-check eth0").Exits(0).Says(", 0% packet loss");
        Host.Pcipass("detach 3b:00.0 web1").Exits(0);
        Host.Pcipass("attach 3B:00.0 db1").Exits(0);
        Host.RunIn("db1", "net-check eth0").Exits(0).Says(", 0% packet loss");
        Host.Pcipass("detach pci_0000_3b_00_0 db1").Exits(0).Says("the host has 0000:3b:00.0, with driver e1000e");
    }

    string InterfaceOf(string function) => Host.Run($"ls /sys/bus/pci/devices/{function}/net").Exits(0).Stdout.Trim();
}
