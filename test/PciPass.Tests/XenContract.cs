using System.Globalization;
using PciPass.Core.Formats;
using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>What Xen, its backend driver and its toolstack really do, as far as pcipass depends on it; and the rules of PCI in a dom0.</summary>
public abstract partial class XenContract : PciContract
{
    const string Pciback = $"{Drivers}/pciback";

    // ---- small words -------------------------------------------------------------------------------------------------------------

    void Xl(params string[] arguments)
    {
        var result = Run("xl", arguments);
        Assert.True(result.ExitCode == 0, $"xl {string.Join(' ', arguments)}: {result}");
    }

    string[] Slots() => Files.ReadText($"{Pciback}/slots")!.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    string? Store(string path) => Run("xenstore-read", path) is { ExitCode: 0 } read ? read.Output.TrimEnd('\n') : null;

    string DomainOf(string guest) => Run("xl", "domid", guest).Output.Trim();

    string BackendOf(string guest) => $"/local/domain/0/backend/pci/{DomainOf(guest)}/0";

    protected override void GiveBack(string function, string driver)
    {
        SetOverride(function, "\n");
        if (DriverOf(function) == "pciback")
        {
            Xl("pci-assignable-add", function);
            Xl("pci-assignable-remove", function);
        }
        if (Slots().Contains(function))
            Write($"{Pciback}/remove_slot", function);
        base.GiveBack(function, driver);
        Run("xenstore-rm", $"/libxl/pci/{function.Replace(':', '-').Replace('.', '-')}");
    }

    void Attach(string guest, string function)
    {
        Xl("pci-attach", guest, function);
        Eventually(() => Store($"{BackendOf(guest)}/state") == "4" && Store($"/local/domain/{DomainOf(guest)}/device/pci/0/state") == "4", $"{function} is connected");
    }

    // ---- the control domain ------------------------------------------------------------------------------------------------------

    [Fact]
    public void A_new_id_that_the_driver_knows_already_is_EEXIST()
    {
        Assert.Equal(Errno.EEXIST, Refused($"{Drivers}/e1000e/new_id", "8086 10d3"));
        Assert.Equal(Errno.EEXIST, Refused($"{Pciback}/new_id", "8086 10d3"));
        Assert.Equal(Errno.EINVAL, Refused($"{Drivers}/e1000e/new_id", "rubbish"));
    }

    [Fact]
    public void A_dom0_shows_no_iommu_groups()
    {
        Assert.Null(Files.ReadLink($"{Devices}/{Card}/iommu_group"));
        Assert.Empty(Files.List("/sys/kernel/iommu_groups"));
    }

    [Fact]
    public void A_dom0_is_told_by_its_capabilities_and_its_uuid()
    {
        Assert.Equal("xen", Files.ReadText("/sys/hypervisor/type"));
        Assert.Equal("00000000-0000-0000-0000-000000000000", Files.ReadText("/sys/hypervisor/uuid"));
        Assert.Equal("control_d", Files.ReadText("/proc/xen/capabilities"));
    }

    [Fact]
    public void Xl_info_tells_that_an_iommu_is_in_use() =>
        Assert.Contains(" pv_directio", Run("xl", "info").Output.Split('\n').Single(static line => line.StartsWith("virt_caps", StringComparison.Ordinal)));

    [Fact]
    public void Unbind_from_pciback_of_what_it_does_not_have_is_ENODEV() => Assert.Equal(Errno.ENODEV, Refused($"{Pciback}/unbind", Card));

    // ---- pciback ---------------------------------------------------------------------------------------------------------------------

    [Fact]
    public void Pciback_takes_nothing_without_a_slot() => WithCard(() =>
    {
        Unbind(Card);
        Assert.Equal(Errno.ENODEV, Refused($"{Pciback}/bind", Card));
    });

    [Fact]
    public void A_slot_alone_changes_no_driver() => WithCard(() =>
    {
        Write($"{Pciback}/new_slot", Card);
        Assert.Contains(Card, Slots());
        Assert.Equal("e1000e", DriverOf(Card));
    });

    [Fact]
    public void Pciback_takes_a_function_that_has_a_slot() => WithCard(() =>
    {
        Write($"{Pciback}/new_slot", Card);
        Unbind(Card);
        Write($"{Pciback}/bind", Card);
        Assert.Equal("pciback", DriverOf(Card));
    });

    [Fact]
    public void Pciback_takes_a_function_whose_bridge_has_a_slot() => WithCard(() =>
    {
        Write($"{Pciback}/new_slot", "0000:00:05.0");
        try
        {
            Unbind(Card);
            Write($"{Pciback}/bind", Card);
            Assert.Equal("pciback", DriverOf(Card));
            Assert.Equal(["0000:00:05.0"], Slots());
        }
        finally
        {
            Write($"{Pciback}/remove_slot", "0000:00:05.0");
        }
    });

    [Fact]
    public void With_the_override_pciback_needs_no_slot_and_makes_one() => WithCard(() =>
    {
        SetOverride(Card, "pciback");
        Unbind(Card);
        Write($"{Pciback}/bind", Card);
        Assert.Equal("pciback", DriverOf(Card));
        Assert.Equal([Card], Slots());
    });

    [Fact]
    public void With_the_override_a_probe_binds_to_pciback() => WithCard(() =>
    {
        SetOverride(Card, "pciback");
        Unbind(Card);
        Write(Probe, Card);
        Assert.Equal("pciback", DriverOf(Card));
        Assert.Equal([Card], Slots());
    });

    [Fact]
    public void Unbind_from_pciback_leaves_the_slot() => WithCard(() =>
    {
        SetOverride(Card, "pciback");
        Unbind(Card);
        Write(Probe, Card);
        Unbind(Card);
        Assert.Equal([Card], Slots());
    });

    [Fact]
    public void A_slot_that_stays_brings_the_function_back_to_pciback() => WithCard(() =>
    {
        SetOverride(Card, "pciback");
        Unbind(Card);
        Write(Probe, Card);
        Unbind(Card);
        SetOverride(Card, "\n");
        Write(Probe, Card);
        Assert.Equal("pciback", DriverOf(Card));
    });

    [Fact]
    public void A_slot_can_be_removed_under_a_function_that_stays_bound() => WithCard(() =>
    {
        SetOverride(Card, "pciback");
        Unbind(Card);
        Write(Probe, Card);
        Write($"{Pciback}/remove_slot", Card);
        Assert.Equal("pciback", DriverOf(Card));
        Assert.Empty(Slots());
    });

    [Fact]
    public void Without_its_slot_the_function_goes_to_the_native_driver() => WithCard(() =>
    {
        SetOverride(Card, "pciback");
        Unbind(Card);
        Write(Probe, Card);
        Write($"{Pciback}/remove_slot", Card);
        Unbind(Card);
        SetOverride(Card, "\n");
        Write(Probe, Card);
        Assert.Equal("e1000e", DriverOf(Card));
    });

    [Fact]
    public void A_slot_for_what_is_not_there_is_no_error()
    {
        Write($"{Pciback}/new_slot", Nobody);
        Assert.Equal([Nobody], Slots());
        Write($"{Pciback}/remove_slot", Nobody);
        Assert.Empty(Slots());
    }

    [Fact]
    public void The_same_slot_twice_is_one_slot()
    {
        Write($"{Pciback}/new_slot", Nobody);
        Write($"{Pciback}/new_slot", Nobody);
        var slots = Slots();
        Write($"{Pciback}/remove_slot", Nobody);
        Assert.Equal([Nobody], slots);
        Assert.Empty(Slots());
    }

    [Fact]
    public void A_slot_without_a_segment_is_in_segment_0()
    {
        Write($"{Pciback}/new_slot", Nobody[5..]);
        var slots = Slots();
        Write($"{Pciback}/remove_slot", Nobody);
        Assert.Equal([Nobody], slots);
    }

    [Fact]
    public void A_slot_with_a_star_is_eight_slots()
    {
        Write($"{Pciback}/new_slot", "0000:0f:03.*");
        var slots = Slots();
        Write($"{Pciback}/remove_slot", "0000:0f:03.*");
        Assert.Equal(Enumerable.Range(0, 8).Select(static f => $"0000:0f:03.{f}"), slots);
        Assert.Empty(Slots());
    }

    [Theory]
    [InlineData("rubbish")]
    [InlineData("0000:09:00")]
    [InlineData("0000:09:00.8")]
    [InlineData("0000:09:20.0")]
    [InlineData("0000:09:00.0 0000:08:00.0")]
    public void A_slot_for_rubbish_is_EINVAL(string rubbish)
    {
        Assert.Equal(Errno.EINVAL, Refused($"{Pciback}/new_slot", rubbish));
        Assert.Empty(Slots());
    }

    [Fact]
    public void Removing_a_slot_that_is_not_there_is_ENOENT() => Assert.Equal(Errno.ENOENT, Refused($"{Pciback}/remove_slot", Nobody));

    // ---- xl hides and gives back -----------------------------------------------------------------------------------------------------

    [Fact]
    public void Assignable_add_moves_a_function_to_pciback_and_remembers_its_driver() => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        Assert.Equal("pciback", DriverOf(Card));
        Assert.Equal([Card], Slots());
        Assert.Equal("(null)", OverrideOf(Card));
        Assert.Equal("/sys/bus/pci/drivers/e1000e", Store("/libxl/pci/0000-09-00-0/driver_path"));
        Assert.Equal($"{Card} \n", Run("xl", "pci-assignable-list").Output);
    });

    [Fact]
    public void Assignable_add_twice_is_a_success_with_a_warning() => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        var again = Run("xl", "pci-assignable-add", Card);
        Assert.Equal(0, again.ExitCode);
        Assert.Equal($"libxl: warning: libxl_pci.c:802:libxl__device_pci_assignable_add: {Card} already assigned to pciback\n", again.Errors);
    });

    [Fact]
    public void Assignable_add_takes_a_function_without_a_driver() => WithCard(() =>
    {
        Unbind(Card);
        var result = Run("xl", "pci-assignable-add", Card);
        Assert.Equal((0, "pciback"), (result.ExitCode, DriverOf(Card)));
        Assert.Equal($"libxl: warning: libxl_pci.c:822:libxl__device_pci_assignable_add: {Card} not bound to a driver, will not be rebound.\n", result.Errors);
    });

    [Fact]
    public void Assignable_add_works_with_the_override_on_pciback() => WithCard(() =>
    {
        Unbind(Card);
        SetOverride(Card, "pciback");
        Xl("pci-assignable-add", Card);
        Assert.Equal(("pciback", "pciback"), (DriverOf(Card), OverrideOf(Card)));
    });

    [Fact]
    public void Assignable_add_against_another_override_leaves_the_function_without_a_driver_and_with_a_slot() => WithCard(() =>
    {
        SetOverride(Card, "none");
        var result = Run("xl", "pci-assignable-add", Card);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("write to /sys/bus/pci/drivers/pciback/bind returned -1: No such device\n", result.Errors);
        Assert.Null(DriverOf(Card));
        Assert.Equal([Card], Slots());
    });

    [Fact]
    public void Assignable_add_of_what_is_not_there_fails()
    {
        var result = Run("xl", "pci-assignable-add", Nobody);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains($"Couldn't lstat /sys/bus/pci/devices/{Nobody}: No such file or directory\n", result.Errors);
    }

    [Fact]
    public void Assignable_add_of_rubbish_ends_with_2()
    {
        var result = Run("xl", "pci-assignable-add", "rubbish");
        Assert.Equal((2, "pci-assignable-add: malformed BDF \"rubbish\"\n"), (result.ExitCode, result.Errors));
    }

    [Fact]
    public void Assignable_remove_leaves_the_function_without_a_driver_and_without_a_slot() => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        Xl("pci-assignable-remove", Card);
        Assert.Null(DriverOf(Card));
        Assert.Empty(Slots());
        Assert.Equal("/sys/bus/pci/drivers/e1000e", Store("/libxl/pci/0000-09-00-0/driver_path"));
    });

    [Fact]
    public void Assignable_remove_r_binds_the_old_driver() => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        var result = Run("xl", "pci-assignable-remove", "-r", Card);
        Assert.Equal((0, "e1000e"), (result.ExitCode, DriverOf(Card)));
        Assert.Equal("libxl: info: libxl_pci.c:925:libxl__device_pci_assignable_remove: Rebinding to driver at /sys/bus/pci/drivers/e1000e\n", result.Errors);
        Assert.Null(Store("/libxl/pci/0000-09-00-0/driver_path"));
    });

    [Fact]
    public void Assignable_remove_of_what_is_not_in_quarantine_fails_and_changes_nothing() => WithCard(() =>
    {
        SetOverride(Card, "pciback");
        Unbind(Card);
        Write(Probe, Card);
        var result = Run("xl", "pci-assignable-remove", Card);
        Assert.Equal(1, result.ExitCode);
        Assert.Equal($"libxl: error: libxl_pci.c:906:libxl__device_pci_assignable_remove: failed to de-quarantine {Card}\n", result.Errors);
        Assert.Equal("pciback", DriverOf(Card));
        Assert.Equal([Card], Slots());
    });

    [Fact]
    public void Assignable_remove_gives_back_what_was_unbound_behind_its_back() => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        Unbind(Card);
        Write($"{Pciback}/remove_slot", Card);
        var result = Run("xl", "pci-assignable-remove", Card);
        Assert.Equal(0, result.ExitCode);
        Assert.Equal("libxl: warning: libxl_pci.c:917:libxl__device_pci_assignable_remove: Not bound to pciback\n", result.Errors);
    });

    // ---- into a guest ------------------------------------------------------------------------------------------------------------------

    [Fact]
    public void Guests_have_a_name_and_a_type_in_xenstore()
    {
        var domain = DomainOf("web1");
        Assert.Equal(("web1", "pv"), (Store($"/local/domain/{domain}/name"), Store($"/libxl/{domain}/type")));
        Assert.Null(Store($"/local/domain/{domain}/device/pci/0/state"));
    }

    [Fact]
    public void A_guests_configuration_says_whether_it_may_get_functions()
    {
        var domain = DomainOf("web1");
        var uuid = Store($"/local/domain/{domain}/vm")!["/vm/".Length..];
        var json = Files.ReadText($"/var/lib/xen/userdata-d.{domain}.{uuid}.libxl-json")!;
        Assert.Matches("\"passthrough\": *\"enabled\"", json);
        Assert.Matches("\"e820_host\": *\"True\"", json);
        Assert.EndsWith("}\n\0", json);
    }

    [Fact]
    public void Attach_of_a_function_on_its_native_driver_fails()
    {
        var result = Run("xl", "pci-attach", "web1", Card);
        Assert.Equal(1, result.ExitCode);
        var domain = DomainOf("web1");
        Assert.Equal(
            $"libxl: error: libxl_pci.c:1677:libxl__device_pci_add: Domain {domain}:PCI device 0:9:0.0 is not assignable\n"
            + $"libxl: error: libxl_pci.c:1809:device_pci_add_done: Domain {domain}:libxl__device_pci_add failed for PCI device 0:9:0.0 (rc -3)\n"
            + "libxl: error: libxl_device.c:1486:device_addrm_aocomplete: unable to add device\n",
            result.Errors);
        Assert.Null(Store($"{BackendOf("web1")}/num_devs"));
    }

    [Fact]
    public void Attach_to_a_guest_that_does_not_run_fails()
    {
        var result = Run("xl", "pci-attach", "nobody", Card);
        Assert.Equal((1, "nobody is an invalid domain identifier (rc=-6)\n"), (result.ExitCode, result.Errors));
    }

    [Fact]
    public void The_first_function_makes_the_guests_bus() => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        Attach("web1", Card);
        var (domain, backend) = (DomainOf("web1"), BackendOf("web1"));
        try
        {
            Assert.Equal(
                [
                    "domain = web1", "dev-0 = " + Card, "frontend = /local/domain/" + domain + "/device/pci/0", "frontend-id = " + domain, "key-0 = " + Card, "num_devs = 1",
                    "online = 1", "opts-0 = msitranslate=0,power_mgmt=0,permissive=0,rdm_policy=strict", "root-0 = 0000:00", "root_num = 1", "state = 4", "state-0 = 3",
                    "vdev-0 = 0000:00:00.00",
                ],
                Run("xenstore-list", backend).Output.TrimEnd('\n').Split('\n').Select(node => $"{node} = {Store($"{backend}/{node}")}").Order(NodeOrder.Instance));
            Assert.Equal(["backend", "backend-id", "event-channel", "magic", "pci-op-ref", "state"],
                Run("xenstore-list", $"/local/domain/{domain}/device/pci/0").Output.TrimEnd('\n').Split('\n').Order(StringComparer.Ordinal));
            Assert.Equal(domain, Store("/libxl/pci/0000-09-00-0/domid"));
        }
        finally
        {
            Xl("pci-detach", "web1", Card);
        }
    });

    sealed class NodeOrder : IComparer<string>
    {
        public static readonly NodeOrder Instance = new();

        // The one expectation whose order would depend on the domid's text.
        public int Compare(string? x, string? y) => string.CompareOrdinal(Key(x!), Key(y!));

        static string Key(string line) => line.StartsWith("domain ", StringComparison.Ordinal) ? "a" : line.Split(' ')[0];
    }

    [Fact]
    public void An_attached_function_stays_on_pciback_and_is_assignable_no_more() => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        Attach("web1", Card);
        try
        {
            Assert.Equal("pciback", DriverOf(Card));
            Assert.Equal("", Run("xl", "pci-assignable-list").Output);
        }
        finally
        {
            Xl("pci-detach", "web1", Card);
        }
    });

    [Theory]
    [InlineData("web1")]
    [InlineData("db1")]
    public void An_attached_function_cannot_be_attached_again(string guest) => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        Attach("web1", Card);
        try
        {
            var result = Run("xl", "pci-attach", guest, Card);
            Assert.Equal(1, result.ExitCode);
            Assert.Contains("PCI device 0:9:0.0 is not assignable\n", result.Errors);
        }
        finally
        {
            Xl("pci-detach", "web1", Card);
        }
    });

    [Fact]
    public void A_refused_second_attach_makes_the_first_guests_function_look_assignable() => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        Attach("web1", Card);
        try
        {
            Run("xl", "pci-attach", "db1", Card);
            Assert.Null(Store("/libxl/pci/0000-09-00-0/domid"));
            Assert.Equal($"{Card} \n", Run("xl", "pci-assignable-list").Output);
            Assert.Equal(Card, Store($"{BackendOf("web1")}/dev-0"));
            var third = Run("xl", "pci-attach", "db1", Card);
            Assert.Equal(1, third.ExitCode);
            Assert.Contains("xc_assign_device failed: Device or resource busy\n", third.Errors);
        }
        finally
        {
            Xl("pci-detach", "web1", Card);
        }
    });

    [Fact]
    public void Assignable_add_puts_what_sysfs_alone_hid_into_quarantine() => WithCard(() =>
    {
        SetOverride(Card, "pciback");
        Unbind(Card);
        Write(Probe, Card);
        Xl("pci-assignable-add", Card);
        Xl("pci-assignable-remove", Card);
        Assert.Null(DriverOf(Card));
        Assert.Null(Store("/libxl/pci/0000-09-00-0/driver_path"));
    });

    [Fact]
    public void The_kernels_log_names_each_function_that_a_guest_gets() => WithTwoInGuest(() =>
    {
        var domain = int.Parse(DomainOf("web1"), CultureInfo.InvariantCulture);
        var told = PcibackLog.Parse(Host.ReadKernelLog(), TimeSpan.Zero).TakeLast(2).Select(each => (each.Address.ToString(), each.DomId));
        Assert.Equal([(Card, domain), (Disk, domain)], told);
        // Its times count from the kernel's start, as /proc/uptime does.
        var uptime = double.Parse(Files.ReadText("/proc/uptime")!.Split(' ')[0], CultureInfo.InvariantCulture);
        Assert.Empty(PcibackLog.Parse(Host.ReadKernelLog(), TimeSpan.FromSeconds(uptime + 1)));
    });

    [Fact]
    public void Xl_shows_every_virtual_slot_as_zero() => WithTwoInGuest(() =>
    {
        Assert.Equal($"Vdev Device\n00.0 {Card}\n00.0 {Disk}\n", Run("xl", "pci-list", "web1").Output);
        Assert.Equal(("0000:00:00.00", "0000:00:01.00"), (Store($"{BackendOf("web1")}/vdev-0"), Store($"{BackendOf("web1")}/vdev-1")));
    });

    [Fact]
    public void Detach_moves_the_functions_behind_it_down_but_not_in_the_guest() => WithTwoInGuest(() =>
    {
        Xl("pci-detach", "web1", Card);
        var backend = BackendOf("web1");
        Assert.Equal(("1", Disk, "0000:00:01.00", "3"), (Store($"{backend}/num_devs"), Store($"{backend}/dev-0"), Store($"{backend}/vdev-0"), Store($"{backend}/state-0")));
        Assert.Null(Store($"{backend}/dev-1"));
        Assert.Equal(("4", "4"), (Store($"{backend}/state"), Store($"/local/domain/{DomainOf("web1")}/device/pci/0/state")));
    });

    void WithTwoInGuest(Action test) => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        Xl("pci-assignable-add", Disk);
        Attach("web1", Card);
        Attach("web1", Disk);
        try
        {
            test();
        }
        finally
        {
            Run("xl", "pci-detach", "web1", Card);
            Run("xl", "pci-detach", "web1", Disk);
            GiveBack(Disk, "nvme");
            Eventually(() => Files.Exists("/sys/class/block/nvme0n1"), "the disk is back");
        }
    });

    [Fact]
    public void Detach_of_the_last_function_removes_the_guests_bus() => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        Attach("web1", Card);
        var (domain, backend) = (DomainOf("web1"), BackendOf("web1"));
        Xl("pci-detach", "web1", Card);
        Assert.Equal(1, Run("xenstore-exists", backend).ExitCode);
        Assert.Equal(1, Run("xenstore-exists", $"/local/domain/{domain}/device/pci/0").ExitCode);
        Assert.Equal(1, Run("xenstore-exists", "/libxl/pci/0000-09-00-0/domid").ExitCode);
        Assert.Equal(("pciback", $"{Card} \n"), (DriverOf(Card), Run("xl", "pci-assignable-list").Output));
        Assert.Equal([Card], Slots());
    });

    [Fact]
    public void Detach_of_a_function_that_the_guest_does_not_have_fails()
    {
        var result = Run("xl", "pci-detach", "web1", Card);
        Assert.Equal((1, "libxl: error: libxl_device.c:1486:device_addrm_aocomplete: unable to remove device\n"), (result.ExitCode, result.Errors));
    }

    [Fact]
    public void A_function_can_go_from_one_guest_to_the_next_without_passing_dom0() => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        Attach("web1", Card);
        Xl("pci-detach", "web1", Card);
        Attach("db1", Card);
        Assert.Equal(Card, Store($"{BackendOf("db1")}/dev-0"));
        Xl("pci-detach", "db1", Card);
    });

    [Fact]
    public void The_hosts_network_works_through_the_card() => Assert.Contains(" 0% packet loss", Run("net-check", "eth1").Output);

    [Fact]
    public void After_a_detach_the_hosts_driver_has_the_card_but_no_network_until_xl_gives_it_back() => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        Attach("web1", Card);
        Xl("pci-detach", "web1", Card);
        Unbind(Card);
        Write($"{Pciback}/remove_slot", Card);
        Write(Probe, Card);
        Assert.Equal("e1000e", DriverOf(Card));
        var quarantined = Run("net-check", "eth1");
        Assert.Contains("100% packet loss", quarantined.Output);
        Assert.NotEqual(0, quarantined.ExitCode);
        Xl("pci-assignable-remove", Card);
        Assert.Equal("e1000e", DriverOf(Card));
        Assert.Contains(" 0% packet loss", Run("net-check", "eth1").Output);
    });

    [Fact]
    public void Attach_to_a_guest_without_passthrough_fails_and_leaves_the_function_assignable() => WithCard(() =>
    {
        Xl("create", "/etc/xen/plain1.cfg");
        try
        {
            Xl("pci-assignable-add", Card);
            var result = Run("xl", "pci-attach", "plain1", Card);
            Assert.Equal(1, result.ExitCode);
            Assert.Contains("xc_assign_device failed: Operation not supported\n", result.Errors);
            Assert.Equal($"{Card} \n", Run("xl", "pci-assignable-list").Output);
            Assert.Null(Store($"{BackendOf("plain1")}/num_devs"));
        }
        finally
        {
            Xl("destroy", "plain1");
        }
    });

    [Fact]
    public void Destroying_a_guest_removes_its_nodes_and_leaves_the_function_on_pciback() => WithCard(() =>
    {
        Xl("pci-assignable-add", Card);
        Attach("db1", Card);
        var (domain, backend) = (DomainOf("db1"), BackendOf("db1"));
        Xl("destroy", "db1");
        try
        {
            Assert.Equal(1, Run("xenstore-exists", $"/local/domain/{domain}/name").ExitCode);
            Eventually(() => Run("xenstore-exists", $"{backend}/dev-0").ExitCode == 1, "the backend's nodes are gone");
            Assert.Equal(("pciback", $"{Card} \n"), (DriverOf(Card), Run("xl", "pci-assignable-list").Output));
            Assert.Equal([Card], Slots());
        }
        finally
        {
            Xl("create", "/etc/xen/db1.cfg");
        }
    });

    // ---- saving guests -----------------------------------------------------------------------------------------------------------

    /// <summary>The fourth word of what xl tells of a domain, behind its memory and its processors.</summary>
    string StateOf(string domain) => Run("xl", "list", domain).Output.TrimEnd('\n').Split('\n')[^1].Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[^2];

    [Fact]
    public void A_saved_guest_waits_paused_goes_on_when_told_to_and_starts_again_as_another_domain_with_its_uuid_that_takes_functions()
    {
        const string Function = "0000:0c:01.0", Image = "/tmp/db1.image";
        // A start of its own, that never had a function with an interrupt pin.
        Xl("destroy", "db1");
        Xl("create", "/etc/xen/db1.cfg");
        var domain = DomainOf("db1");
        Xl("pci-assignable-add", Function);
        try
        {
            Attach("db1", Function);
            // What tells later who has had it, whoever did it.
            var log = Run("dmesg").Output;
            Assert.Contains("] Linux version ", log, StringComparison.Ordinal);
            Assert.Matches($"pciback {Function}: registering for {domain}\n", log);
            Xl("pci-detach", "db1", Function);

            Xl("save", "-p", domain, Image);
            Assert.Equal('p', StateOf(domain)[2]);
            var header = new byte[32];
            Assert.Equal(32, Files.Read(Image, header));
            Assert.Equal("Xen saved domain, xl format\n \0 \r"u8.ToArray(), header);
            Xl("unpause", domain);
            Assert.NotEqual('p', StateOf(domain)[2]);
            Attach("db1", Function);
            Xl("pci-detach", "db1", Function);
            // Telling it once more is no error by the exit code.
            Assert.Contains("Unpausing domain: Invalid argument", Run("xl", "unpause", domain).Errors, StringComparison.Ordinal);

            Xl("save", "-p", domain, Image);
            var uuid = Store($"/local/domain/{domain}/vm");
            Xl("destroy", domain);
            Xl("restore", Image);
            Assert.NotEqual(domain, DomainOf("db1"));
            Assert.Equal(uuid, Store($"/local/domain/{DomainOf("db1")}/vm"));
            Assert.NotNull(Store($"/local/domain/{DomainOf("db1")}/store/ring-ref"));
            Attach("db1", Function);
            Xl("pci-detach", "db1", Function);
            // xl takes what is there for an image only where it is one.
            Assert.Equal(1, Run("xl", "restore", "/etc/xen/db1.cfg").ExitCode);
        }
        finally
        {
            Run("xl", "destroy", "db1");
            Files.RemoveFile(Image);
            Xl("create", "/etc/xen/db1.cfg");
            Xl("pci-assignable-remove", Function);
            Run("xenstore-rm", $"/libxl/pci/{Function.Replace(':', '-').Replace('.', '-')}");
        }
    }
}
