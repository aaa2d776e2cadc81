using PciPass.Core;
using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>
/// What the kernel really does with PCI functions, one rule a test, as far as pcipass depends on it. The same tests run on the simulated host
/// and on a real kernel in the lab, on Xen and without it: a rule that holds on one side only is fiction.
/// </summary>
/// <remarks>
/// Each test begins with the contract's machine at rest and leaves it so. They speak to the host by <see cref="HostSystem.Files"/>, the kernel's log and
/// <see cref="HostSystem.Run"/> alone.
/// </remarks>
public abstract class PciContract
{
    protected const string Card = "0000:09:00.0", Disk = "0000:07:00.0", OtherCard = "0000:08:00.0", SriovDisk = "0000:0a:00.0";
    protected const string VirtualDisk = "0000:0a:00.1", Nobody = "0000:0f:03.1";
    protected const string Drivers = "/sys/bus/pci/drivers", Devices = "/sys/bus/pci/devices", Probe = "/sys/bus/pci/drivers_probe";

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    protected abstract HostSystem Host { get; }

    // ---- small words -------------------------------------------------------------------------------------------------------------

    protected SysTree Files => Host.Files;

    protected void Write(string path, string value) => Files.WriteAttribute(path, value, Patience);

    protected int Refused(string path, string value) => Assert.ThrowsAny<HostFailure>(() => Write(path, value)).ErrorNumber;

    protected ProgramResult Run(string program, params string[] arguments) => Host.Run(program, arguments, Patience);

    protected string? DriverOf(string function) => LastPart(Files.ReadLink($"{Devices}/{function}/driver"));

    protected static string? LastPart(string? link) => link?[(link.LastIndexOf('/') + 1)..];

    protected string? OverrideOf(string function) => Files.ReadText($"{Devices}/{function}/driver_override");

    protected static void Eventually(Func<bool> condition, string what)
    {
        for (var attempt = 0; attempt < 300; attempt++)
        {
            if (condition())
                return;
        }
        Assert.Fail($"never came true: {what}");
    }

    protected void Unbind(string function) => Write($"{Drivers}/{DriverOf(function)}/unbind", function);

    protected void SetOverride(string function, string value) => Write($"{Devices}/{function}/driver_override", value);

    /// <summary>Brings a function back to its native driver and to the host, from wherever a test left it.</summary>
    protected virtual void GiveBack(string function, string driver)
    {
        SetOverride(function, "\n");
        if (DriverOf(function) is string other && other != driver)
            Unbind(function);
        if (DriverOf(function) is null)
            Write($"{Drivers}/{driver}/bind", function);
    }

    protected void WithCard(Action test)
    {
        try
        {
            test();
        }
        finally
        {
            GiveBack(Card, "e1000e");
        }
    }

    /// <summary>Makes one virtual function, without a driver, for the time of a test.</summary>
    void WithVirtualDisk(Action test)
    {
        Write($"{Devices}/{SriovDisk}/sriov_drivers_autoprobe", "0");
        Write($"{Devices}/{SriovDisk}/sriov_numvfs", "1");
        try
        {
            test();
        }
        finally
        {
            Write($"{Devices}/{SriovDisk}/sriov_numvfs", "0");
            Write($"{Devices}/{SriovDisk}/sriov_drivers_autoprobe", "1");
        }
    }

    // ---- what is configured on a card ------------------------------------------------------------------------------------------------

    string CardName => Assert.Single(Files.List($"{Devices}/{Card}/net"));

    bool IsUp => (Convert.ToInt32(Files.ReadText($"{Devices}/{Card}/net/{CardName}/flags"), 16) & 1) != 0;

    string[] Routes => [.. PciPass.Core.Formats.NetworkTables.ParseRoutes4(Files.ReadText("/proc/net/route")!).Where(route => route.Interface == CardName).Select(route => route.Text)];

    void Ip(string arguments) => Assert.Equal("", Run("ip", arguments.Split(' ')) is { ExitCode: 0 } ? "" : arguments);

    void Configure()
    {
        Ip($"link set dev {CardName} up");
        Ip($"address add 192.0.2.5/24 broadcast + dev {CardName}");
        Ip($"route add default via 192.0.2.1 metric 7 dev {CardName}");
    }

    void Unconfigure()
    {
        Ip($"address flush dev {CardName}");
        Ip($"link set dev {CardName} down");
    }

    [Fact]
    public void An_address_brings_its_networks_route_and_a_gateway_can_be_named_then() => WithCard(() =>
    {
        Configure();
        Assert.Equal(["192.0.2.0/24", "default via 192.0.2.1 metric 7"], Routes.Order(StringComparer.Ordinal));
        Assert.NotEqual(0, Run("ip", "address", "add", "192.0.2.5/24", "broadcast", "+", "dev", CardName).ExitCode);
        Unconfigure();
    });

    [Fact]
    public void A_route_needs_an_interface_that_is_on_and_a_gateway_within_reach() => WithCard(() =>
    {
        Assert.NotEqual(0, Run("ip", "route", "add", "default", "via", "192.0.2.1", "dev", CardName).ExitCode);
        Ip($"link set dev {CardName} up");
        Assert.NotEqual(0, Run("ip", "route", "add", "default", "via", "192.0.2.1", "dev", CardName).ExitCode);
        Unconfigure();
    });

    [Fact]
    public void An_interface_that_is_switched_off_loses_its_routes_and_keeps_its_address() => WithCard(() =>
    {
        Configure();
        Ip($"link set dev {CardName} down");
        Assert.Empty(Routes);
        Ip($"link set dev {CardName} up");
        Assert.Equal(["192.0.2.0/24"], Routes);
        Unconfigure();
    });

    [Fact]
    public void What_was_configured_on_a_card_is_gone_when_it_comes_back_with_its_driver() => WithCard(() =>
    {
        Configure();
        Unbind(Card);
        Write($"{Drivers}/e1000e/bind", Card);
        Assert.False(IsUp);
        Assert.Empty(Routes);
        Ip($"link set dev {CardName} up");
        Assert.Empty(Routes);
        Unconfigure();
    });

    // ---- modules and the kernel's log ------------------------------------------------------------------------------------------------

    [Fact]
    public void A_module_that_is_not_there_is_not_loaded_and_modprobe_says_so()
    {
        var told = Run("modprobe", "no-such-module");
        Assert.Equal(1, told.ExitCode);
        Assert.Contains("modprobe: FATAL: Module no-such-module not found in directory /lib/modules/", told.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_module_that_is_loaded_is_asked_for_again_without_a_change()
    {
        var (module, driver) = Files.Exists($"{Drivers}/pciback") ? ("xen-pciback", "pciback") : ("vfio-pci", "vfio-pci");
        var before = Files.List($"{Drivers}/{driver}");
        Assert.Equal(0, Run("modprobe", module).ExitCode);
        Assert.Equal(before, Files.List($"{Drivers}/{driver}"));
    }

    [Fact]
    public void A_line_written_to_kmsg_stands_in_the_kernels_log_with_its_level()
    {
        Write("/dev/kmsg", "<3>pcipass: a rule of the contract\n");
        Write("/dev/kmsg", "<6>pcipass: and another\n");
        var log = Run("dmesg", "-r").Output;
        // The kernel adds the facility of what comes from a program, user (1), to the level (devkmsg_write in kernel/printk/printk.c).
        Assert.Matches(@"<(3|11)>\[[ 0-9.]+\] pcipass: a rule of the contract\n(.*\n)*<(6|14)>\[[ 0-9.]+\] pcipass: and another\n", log);
    }

    [Fact]
    public void A_module_that_depmod_lists_is_loaded_by_modprobe_and_shows_until_it_is_removed()
    {
        Assert.False(Files.Exists("/sys/module/macvlan"));
        Assert.Equal(0, Run("modprobe", "macvlan").ExitCode);
        Assert.True(Files.Exists("/sys/module/macvlan"));
        Assert.Contains("macvlan ", Files.ReadText("/proc/modules"), StringComparison.Ordinal);
        Assert.Equal(0, Run("modprobe", "-r", "macvlan").ExitCode);
        Assert.False(Files.Exists("/sys/module/macvlan"));
        Assert.DoesNotContain("macvlan ", Files.ReadText("/proc/modules"), StringComparison.Ordinal);
    }

    // ---- the tree ----------------------------------------------------------------------------------------------------------------

    [Fact]
    public void A_function_is_a_link_into_the_tree_of_bridges() =>
        Assert.Equal($"../../../devices/pci0000:00/0000:00:05.0/{Card}", Files.ReadLink($"{Devices}/{Card}"));

    [Fact]
    public void A_function_on_the_root_bus_has_no_bridge_above() =>
        Assert.Equal("../../../devices/pci0000:00/0000:00:1f.2", Files.ReadLink($"{Devices}/0000:00:1f.2"));

    [Fact]
    public void The_machine_has_exactly_the_functions_of_the_simulated_one() => Assert.Equal(
        [
            "0000:00:00.0", "0000:00:04.0", "0000:00:04.1", "0000:00:04.2", "0000:00:04.3", "0000:00:04.4", "0000:00:04.5", "0000:00:04.6", "0000:00:04.7",
            "0000:00:05.0", "0000:00:06.0", "0000:00:07.0", "0000:00:08.0", "0000:00:1f.0", "0000:00:1f.2", "0000:00:1f.3", Disk, OtherCard, Card, SriovDisk,
            "0000:0b:00.0", "0000:0c:01.0", "0000:0d:00.0", "0000:0d:00.1",
        ],
        Files.List(Devices));

    [Fact]
    public void Functions_have_the_drivers_of_the_demonstration() =>
        Assert.Equal(["nvme", "e1000e", "e1000e", null, null, null], new[] { Disk, OtherCard, Card, "0000:00:05.0", "0000:00:1f.2", "0000:00:00.0" }.Select(DriverOf));

    [Fact]
    public void The_driver_link_leads_to_the_drivers_directory_by_way_of_sys() =>
        Assert.Equal("../../../../bus/pci/drivers/e1000e", Files.ReadLink($"{Devices}/{Card}/driver"));

    [Fact]
    public void The_drivers_directory_has_a_link_for_each_of_its_functions() =>
        Assert.Equal($"../../../../devices/pci0000:00/0000:00:05.0/{Card}", Files.ReadLink($"{Drivers}/e1000e/{Card}"));

    [Fact]
    public void A_network_interface_leads_to_its_function() =>
        Assert.Equal($"../../devices/pci0000:00/0000:00:05.0/{Card}/net/eth1", Files.ReadLink("/sys/class/net/eth1"));

    [Fact]
    public void A_disk_leads_to_its_function() => Assert.Contains($"/{Disk}/", Files.ReadLink("/sys/class/block/nvme0n1"));

    [Fact]
    public void A_disk_is_found_by_its_device_number()
    {
        var number = Files.ReadText("/sys/class/block/nvme0n1/dev");
        Assert.EndsWith("/nvme0n1", Files.ReadLink($"/sys/dev/block/{number}"));
    }

    [Fact]
    public void The_configuration_space_has_4096_bytes_for_root() => Assert.Equal(4096, Files.ReadAll($"{Devices}/{Card}/config")!.Length);

    [Fact]
    public void The_configuration_space_of_a_conventional_function_has_256_bytes() =>
        Assert.Equal(256, Files.ReadAll($"{Devices}/0000:00:1f.3/config")!.Length);

    [Fact]
    public void The_configuration_space_says_what_the_attributes_say()
    {
        foreach (var function in (string[])["0000:00:05.0", "0000:00:1f.2", Disk, Card])
        {
            var config = new ConfigSpace(Files.ReadAll($"{Devices}/{function}/config"));
            Assert.Equal(Files.ReadText($"{Devices}/{function}/vendor"), $"0x{config.Ids.Vendor:x4}");
            Assert.Equal(Files.ReadText($"{Devices}/{function}/device"), $"0x{config.Ids.Device:x4}");
            Assert.Equal(Files.ReadText($"{Devices}/{function}/class"), $"0x{config.Class}");
            if (config.HeaderType == 0)
            {
                Assert.Equal(Files.ReadText($"{Devices}/{function}/subsystem_vendor"), $"0x{config.Ids.SubVendor:x4}");
                Assert.Equal(Files.ReadText($"{Devices}/{function}/subsystem_device"), $"0x{config.Ids.SubDevice:x4}");
            }
        }
    }

    [Theory]
    [InlineData("0000:00:00.0", "8086:29c0", "1af4:1100", "060000", 0, null, 0, null)]
    [InlineData("0000:00:05.0", "1b36:000c", "0000:0000", "060400", 1, PciExpressType.RootPort, 1, null)]
    [InlineData("0000:00:1f.2", "8086:2922", "1af4:1100", "010601", 0, null, 1, null)]
    [InlineData("0000:00:1f.3", "8086:2930", "1af4:1100", "0c0500", 0, null, 1, null)]
    [InlineData(Disk, "1b36:0010", "1af4:1100", "010802", 0, PciExpressType.Endpoint, 1, null)]
    [InlineData(OtherCard, "8086:10d3", "8086:0000", "020000", 0, PciExpressType.Endpoint, 1, 0x525400ffff080000ul)]
    [InlineData(Card, "8086:10d3", "8086:0000", "020000", 0, PciExpressType.Endpoint, 1, 0x525400ffff090000ul)]
    public void Functions_are_what_they_are(string function, string ids, string board, string @class, int header, PciExpressType? express, int pin, ulong? serial)
    {
        var config = new ConfigSpace(Files.ReadAll($"{Devices}/{function}/config"));
        Assert.Equal((ids, board, @class, header, express, pin, serial),
            ($"{config.Ids}", $"{config.Ids.SubVendor:x4}:{config.Ids.SubDevice:x4}", $"{config.Class}", config.HeaderType, config.ExpressType, config.InterruptPin, config.SerialNumber));
    }

    [Theory]
    [InlineData(Card, "pm bus")]
    [InlineData(Disk, "flr bus")]
    [InlineData("0000:00:1f.3", null)]
    public void Functions_tell_how_they_can_be_reset(string function, string? methods) => Assert.Equal(methods, Files.ReadText($"{Devices}/{function}/reset_method"));

    [Fact]
    public void A_boot_has_an_id() => Assert.True(Guid.TryParse(Files.ReadText("/proc/sys/kernel/random/boot_id"), out _));

    [Fact]
    public void Reading_what_is_not_there_is_no_error()
    {
        Assert.Null(Files.ReadText($"{Devices}/{Nobody}/config"));
        Assert.Null(Files.ReadLink($"{Devices}/{Nobody}"));
        Assert.Empty(Files.List($"{Devices}/{Nobody}"));
        Assert.False(Files.Exists($"{Devices}/{Nobody}"));
    }

    [Fact]
    public void Writing_to_what_is_not_there_is_ENOENT() => Assert.Equal(Errno.ENOENT, Refused($"{Drivers}/nodriver/bind", Card));

    [Fact]
    public void Writing_to_an_attribute_for_reading_is_EACCES() => Assert.Equal(Errno.EACCES, Refused($"{Devices}/{Card}/vendor", "1"));

    [Fact]
    public void Reading_an_attribute_for_writing_is_EACCES() =>
        Assert.Equal(Errno.EACCES, Assert.Throws<HostFailure>(() => Files.ReadText($"{Drivers}/e1000e/unbind")).ErrorNumber);

    // ---- bind and unbind -----------------------------------------------------------------------------------------------------------

    [Fact]
    public void Unbind_takes_the_driver_and_the_network_interface_away() => WithCard(() =>
    {
        Unbind(Card);
        Assert.Null(DriverOf(Card));
        Assert.False(Files.Exists("/sys/class/net/eth1"));
        Assert.False(Files.Exists($"{Drivers}/e1000e/{Card}"));
    });

    [Fact]
    public void Bind_brings_the_network_interface_back() => WithCard(() =>
    {
        Unbind(Card);
        Write($"{Drivers}/e1000e/bind", Card);
        Assert.Equal("e1000e", DriverOf(Card));
        Assert.True(Files.Exists("/sys/class/net/eth1"));
    });

    [Fact]
    public void A_disk_goes_and_comes_with_its_driver()
    {
        Unbind(Disk);
        Assert.False(Files.Exists("/sys/class/block/nvme0n1"));
        Write($"{Drivers}/nvme/bind", Disk);
        Eventually(() => Files.Exists("/sys/class/block/nvme0n1"), "the disk is back");
    }

    [Fact]
    public void Unbind_from_a_driver_that_does_not_have_it_is_ENODEV() => Assert.Equal(Errno.ENODEV, Refused($"{Drivers}/nvme/unbind", Card));

    [Fact]
    public void Bind_with_the_wrong_driver_is_ENODEV() => WithCard(() =>
    {
        Unbind(Card);
        Assert.Equal(Errno.ENODEV, Refused($"{Drivers}/nvme/bind", Card));
        Assert.Null(DriverOf(Card));
    });

    [Fact]
    public void Bind_of_a_function_that_has_a_driver_is_EBUSY()
    {
        Assert.Equal(Errno.EBUSY, Refused($"{Drivers}/e1000e/bind", Card));
        Assert.Equal("e1000e", DriverOf(Card));
    }

    [Fact]
    public void Bind_of_what_is_not_there_is_ENODEV()
    {
        Assert.Equal(Errno.ENODEV, Refused($"{Drivers}/e1000e/bind", Nobody));
        Assert.Equal(Errno.ENODEV, Refused($"{Drivers}/e1000e/bind", "rubbish"));
    }

    [Fact]
    public void A_function_is_named_with_its_segment_in_sysfs() => WithCard(() =>
    {
        Unbind(Card);
        Assert.Equal(Errno.ENODEV, Refused($"{Drivers}/e1000e/bind", Card[5..]));
    });

    [Fact]
    public void Probe_finds_the_native_driver() => WithCard(() =>
    {
        Unbind(Card);
        Write(Probe, Card);
        Assert.Equal("e1000e", DriverOf(Card));
    });

    [Fact]
    public void Probe_of_a_function_that_has_a_driver_changes_nothing()
    {
        Write(Probe, Card);
        Assert.Equal("e1000e", DriverOf(Card));
    }

    [Fact]
    public void Probe_that_finds_no_driver_is_no_error()
    {
        Write(Probe, "0000:00:1f.3");
        Assert.Null(DriverOf("0000:00:1f.3"));
    }

    [Fact]
    public void Probe_of_what_is_not_there_is_ENODEV() => Assert.Equal(Errno.ENODEV, Refused(Probe, Nobody));

    // ---- driver_override -------------------------------------------------------------------------------------------------------------

    [Fact]
    public void An_override_that_is_not_set_reads_null_in_parentheses() => Assert.Equal("(null)", OverrideOf(Card));

    [Fact]
    public void An_override_is_set_by_writing_and_cleared_by_a_newline() => WithCard(() =>
    {
        SetOverride(Card, "pciback");
        Assert.Equal("pciback", OverrideOf(Card));
        SetOverride(Card, "\n");
        Assert.Equal("(null)", OverrideOf(Card));
    });

    [Fact]
    public void An_override_may_name_a_driver_that_does_not_exist() => WithCard(() =>
    {
        SetOverride(Card, "none");
        Assert.Equal("none", OverrideOf(Card));
    });

    [Fact]
    public void An_override_leaves_the_driver_alone_that_has_the_function() => WithCard(() =>
    {
        SetOverride(Card, "pciback");
        Assert.Equal("e1000e", DriverOf(Card));
    });

    [Fact]
    public void An_override_keeps_every_other_driver_away() => WithCard(() =>
    {
        SetOverride(Card, "none");
        Unbind(Card);
        Assert.Equal(Errno.ENODEV, Refused($"{Drivers}/e1000e/bind", Card));
        Write(Probe, Card);
        Assert.Null(DriverOf(Card));
    });

    // ---- remove, rescan, reset -------------------------------------------------------------------------------------------------------

    [Fact]
    public void A_function_that_is_removed_is_gone_with_its_driver_and_its_override()
    {
        SetOverride(Card, "none");
        Write($"{Devices}/{Card}/remove", "1");
        Assert.False(Files.Exists($"{Devices}/{Card}"));
        Assert.False(Files.Exists($"{Drivers}/e1000e/{Card}"));
        Assert.False(Files.Exists("/sys/class/net/eth1"));
        Write("/sys/bus/pci/rescan", "1");
        Assert.Equal(("e1000e", "(null)"), (DriverOf(Card), OverrideOf(Card)));
        Assert.True(Files.Exists("/sys/class/net/eth1"));
    }

    [Fact]
    public void A_bridge_that_is_removed_takes_all_behind_it_along()
    {
        Write($"{Devices}/0000:00:05.0/remove", "1");
        Assert.Equal((false, false), (Files.Exists($"{Devices}/0000:00:05.0"), Files.Exists($"{Devices}/{Card}")));
        Write("/sys/bus/pci/rescan", "1");
        Assert.Equal("e1000e", DriverOf(Card));
    }

    [Fact]
    public void A_rescan_that_finds_nothing_new_changes_nothing() => WithCard(() =>
    {
        Unbind(Card);
        Write("/sys/bus/pci/rescan", "1");
        Assert.Null(DriverOf(Card));
    });

    [Fact]
    public void A_reset_is_asked_for_with_1()
    {
        Write($"{Devices}/{Disk}/reset", "1");
        Assert.Equal(Errno.EINVAL, Refused($"{Devices}/{Disk}/reset", "0"));
        Assert.Equal(Errno.EINVAL, Refused($"{Devices}/{Disk}/reset", "rubbish"));
        Assert.Equal("nvme", DriverOf(Disk));
    }

    // ---- virtual functions -----------------------------------------------------------------------------------------------------------

    [Fact]
    public void Only_a_physical_function_has_a_number_of_virtual_functions()
    {
        Assert.Equal(("2", "0"), (Files.ReadText($"{Devices}/{SriovDisk}/sriov_totalvfs"), Files.ReadText($"{Devices}/{SriovDisk}/sriov_numvfs")));
        Assert.Null(Files.ReadText($"{Devices}/{Disk}/sriov_totalvfs"));
    }

    [Fact]
    public void A_virtual_function_leads_to_its_physical_function_and_back() => WithVirtualDisk(() =>
    {
        Assert.Equal($"../{SriovDisk}", Files.ReadLink($"{Devices}/{VirtualDisk}/physfn"));
        Assert.Equal($"../{VirtualDisk}", Files.ReadLink($"{Devices}/{SriovDisk}/virtfn0"));
        Assert.Equal("1", Files.ReadText($"{Devices}/{SriovDisk}/sriov_numvfs"));
    });

    [Fact]
    public void The_ids_of_a_virtual_function_are_known_to_the_kernel_alone() => WithVirtualDisk(() =>
    {
        Assert.False(new ConfigSpace(Files.ReadAll($"{Devices}/{VirtualDisk}/config")).Answers);
        Assert.Equal(("0x1b36", "0x0010"), (Files.ReadText($"{Devices}/{VirtualDisk}/vendor"), Files.ReadText($"{Devices}/{VirtualDisk}/device")));
    });

    [Fact]
    public void Without_autoprobe_a_virtual_function_has_no_driver_and_takes_only_the_one_of_its_override() => WithVirtualDisk(() =>
    {
        Assert.Null(DriverOf(VirtualDisk));
        Write(Probe, VirtualDisk);
        Assert.Null(DriverOf(VirtualDisk));
    });

    [Fact]
    public void The_number_of_virtual_functions_goes_by_way_of_zero() => WithVirtualDisk(() =>
    {
        Assert.Equal(Errno.EBUSY, Refused($"{Devices}/{SriovDisk}/sriov_numvfs", "2"));
        Write($"{Devices}/{SriovDisk}/sriov_numvfs", "1");
        Assert.Equal("1", Files.ReadText($"{Devices}/{SriovDisk}/sriov_numvfs"));
    });

    [Fact]
    public void More_virtual_functions_than_there_can_be_are_ERANGE()
    {
        Assert.Equal(Errno.ERANGE, Refused($"{Devices}/{SriovDisk}/sriov_numvfs", "3"));
        Assert.Equal(Errno.EINVAL, Refused($"{Devices}/{SriovDisk}/sriov_numvfs", "rubbish"));
    }

    [Fact]
    public void Without_the_driver_of_the_physical_function_there_are_no_virtual_ones()
    {
        Unbind(SriovDisk);
        try
        {
            Assert.Equal(Errno.ENOENT, Refused($"{Devices}/{SriovDisk}/sriov_numvfs", "1"));
        }
        finally
        {
            Write($"{Drivers}/nvme/bind", SriovDisk);
        }
    }

    [Fact]
    public void A_driver_that_goes_may_leave_its_virtual_functions_behind() => WithVirtualDisk(() =>
    {
        Unbind(SriovDisk);
        try
        {
            Assert.True(Files.Exists($"{Devices}/{VirtualDisk}"));
        }
        finally
        {
            Write($"{Drivers}/nvme/bind", SriovDisk);
        }
    });
}
