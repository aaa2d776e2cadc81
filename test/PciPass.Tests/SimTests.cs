using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>What the simulated host has beyond the contract: faults, crashes, power, guests that misbehave, machines other than the demonstration's.</summary>
public sealed class SimTests
{
    const string Card = "0000:09:00.0";
    const string Drivers = "/sys/bus/pci/drivers", Devices = "/sys/bus/pci/devices", Journal = "/var/lib/pcipass/journal";

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    static ProgramResult Xl(SimHost host, params string[] arguments) => host.Run("xl", arguments, Patience);

    static void Write(SimHost host, string path, string value) => host.Files.WriteAttribute(path, value, Patience);

    static int Refused(Action act) => Assert.ThrowsAny<HostFailure>(act).ErrorNumber;

    static void Settle(SimHost host) => host.Clock.Advance(TimeSpan.FromSeconds(1));

    static string? Store(SimHost host, string path) =>
        host.Run("xenstore-read", [path], Patience) is { ExitCode: 0 } read ? read.Output.TrimEnd('\n') : null;

    /// <summary>Hides and attaches by raw operations.</summary>
    static void Attach(SimHost host, string function, string guest)
    {
        Assert.Equal(0, Xl(host, "pci-assignable-add", function).ExitCode);
        Assert.Equal(0, Xl(host, "pci-attach", guest, function).ExitCode);
        Settle(host);
    }

    // ---- time ----------------------------------------------------------------------------------------------------------------------

    [Fact]
    public void Time_passes_only_while_somebody_waits()
    {
        var clock = new SimClock();
        var seen = new List<string>();
        clock.After(TimeSpan.FromSeconds(2), () => seen.Add($"second at {clock.Elapsed.TotalSeconds}"));
        clock.After(TimeSpan.FromSeconds(1), () => seen.Add($"first at {clock.Elapsed.TotalSeconds}"));
        Assert.Empty(seen);
        Assert.True(clock.WaitFor(() => seen.Count == 1, Patience));
        Assert.Equal(1, clock.Elapsed.TotalSeconds);
        Assert.False(clock.WaitFor(() => seen.Count == 3, Patience));
        Assert.Equal(61, clock.Elapsed.TotalSeconds);
        Assert.Equal(["first at 1", "second at 2"], seen);
    }

    [Fact]
    public void A_wait_without_end_for_nothing_is_a_mistake_that_shows()
    {
        var clock = new SimClock();
        Assert.Throws<InvalidOperationException>(() => clock.WaitFor(static () => false, Timeout.InfiniteTimeSpan));
    }

    [Fact]
    public void Timers_of_the_framework_run_in_virtual_time()
    {
        var clock = new SimClock();
        var rounds = 0;
        using (clock.CreateTimer(_ => rounds++, null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2)))
            clock.Advance(TimeSpan.FromSeconds(6));
        clock.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(3, rounds);
    }

    // ---- faults ----------------------------------------------------------------------------------------------------------------------

    [Fact]
    public void A_path_can_fail_a_number_of_times_or_for_one_value_only()
    {
        var host = SimHost.Demo();
        host.Faults.Fail($"{Drivers}/e1000e/unbind", Errno.EIO, times: 1, value: Card);
        Write(host, $"{Drivers}/e1000e/unbind", "0000:08:00.0");
        Assert.Equal(Errno.EIO, Refused(() => Write(host, $"{Drivers}/e1000e/unbind", Card)));
        Write(host, $"{Drivers}/e1000e/unbind", Card);
    }

    [Fact]
    public void A_path_that_fails_also_fails_for_xl()
    {
        var host = SimHost.Demo();
        host.Faults.Fail($"{Drivers}/pciback/bind", Errno.EINVAL);
        var result = Xl(host, "pci-assignable-add", Card);
        Assert.Equal(1, result.ExitCode);
        Assert.StartsWith("libxl: error: libxl_pci.c:380:sysfs_write_bdf: write to /sys/bus/pci/drivers/pciback/bind returned -1: Invalid argument\n", result.Errors);
        Assert.Null(host.Function(Card).Driver);
    }

    [Fact]
    public void A_program_can_fail_by_its_arguments()
    {
        var host = SimHost.Demo();
        host.Faults.FailProgram("xl pci-attach", 1, "told to\n", times: 1);
        Xl(host, "pci-assignable-add", Card);
        Assert.Equal(new ProgramResult(1, "", "told to\n"), Xl(host, "pci-attach", "web1", Card));
        Assert.Equal(0, Xl(host, "pci-attach", "web1", Card).ExitCode);
        host.Faults.Fail("xl", Errno.ENOENT);
        Assert.Equal(Errno.ENOENT, Refused(() => Xl(host, "list")));
    }

    [Fact]
    public void A_driver_can_refuse_its_function()
    {
        var host = SimHost.Demo();
        Write(host, $"{Drivers}/e1000e/unbind", Card);
        host.WithBrokenDriver("e1000e", Errno.EIO);
        Assert.Equal(Errno.EIO, Refused(() => Write(host, $"{Drivers}/e1000e/bind", Card)));
        Write(host, "/sys/bus/pci/drivers_probe", Card);
        Assert.Null(host.Function(Card).Driver);
    }

    [Fact]
    public void A_write_that_hangs_passes_its_deadline_and_happens_when_the_kernel_lets_go()
    {
        var host = SimHost.Demo();
        var path = $"{Drivers}/e1000e/unbind";
        host.Faults.Hang(path);
        var begin = host.Clock.Elapsed;
        Assert.Throws<DeadlinePassed>(() => host.Files.WriteAttribute(path, Card, TimeSpan.FromSeconds(20)));
        Assert.Equal(20, (host.Clock.Elapsed - begin).TotalSeconds);
        Assert.Equal("e1000e", host.Function(Card).Driver);
        host.Faults.Release(path);
        Settle(host);
        Assert.Null(host.Function(Card).Driver);
    }

    [Fact]
    public void A_program_that_hangs_in_the_kernel_is_left_running()
    {
        var host = SimHost.Demo();
        host.Faults.Hang($"{Drivers}/e1000e/unbind");
        Assert.Throws<DeadlinePassed>(() => Xl(host, "pci-assignable-add", Card));
        Assert.Equal("e1000e", host.Function(Card).Driver);
        host.Faults.Release($"{Drivers}/e1000e/unbind");
        Settle(host);
        Assert.Equal(("pciback", "d[IO]"), (host.Function(Card).Driver, host.OwnerOf(host.Function(Card).Address)));
    }

    [Fact]
    public void Reading_the_quirks_after_an_unbind_crashes_the_kernel()
    {
        var host = SimHost.Demo();
        Assert.Equal("", host.Files.ReadText($"{Drivers}/pciback/quirks"));
        Xl(host, "pci-assignable-add", Card);
        Xl(host, "pci-assignable-remove", Card);
        Assert.Throws<SimKernelCrash>(() => host.Files.ReadText($"{Drivers}/pciback/quirks"));
    }

    // ---- the process dies ----------------------------------------------------------------------------------------------------------

    static void Hide(SimHost host)
    {
        Write(host, $"{Drivers}/e1000e/unbind", Card);
        Write(host, $"{Devices}/{Card}/driver_override", "pciback");
        Write(host, $"{Drivers}/pciback/bind", Card);
    }

    [Fact]
    public void A_crash_stops_after_exactly_the_wanted_number_of_changes()
    {
        string[] expected = ["driver=e1000e override=-", "driver=- override=-", "driver=- override=pciback", "driver=pciback override=pciback"];
        for (var n = 0; n <= 3; n++)
        {
            var host = SimHost.Demo();
            host.CrashAfter(n);
            Assert.Throws<SimCrash>(() => Hide(host));
            Assert.Equal(n, host.Changes);
            host.StartProcess();
            Assert.Contains($"function {Card} 8086:10d3 {expected[n]} ", host.ToText());
        }
        var whole = SimHost.Demo();
        whole.CrashAfter(4);
        Hide(whole);
        Assert.Equal(3, whole.Changes);
    }

    [Fact]
    public void A_dead_process_cannot_tidy_up()
    {
        var host = SimHost.Demo();
        host.CrashAfter(1);
        Assert.Throws<SimCrash>(() =>
        {
            try
            {
                Hide(host);
            }
            finally
            {
                Write(host, $"{Drivers}/e1000e/bind", Card);
            }
        });
        Assert.Null(host.Function(Card).Driver);
        Assert.Equal(1, host.Changes);
    }

    [Fact]
    public void A_crash_can_be_counted_in_all_operations()
    {
        var host = SimHost.Demo();
        host.CrashAfterOperations(2);
        host.Files.ReadText($"{Devices}/{Card}/vendor");
        host.Files.ReadLink($"{Devices}/{Card}");
        Assert.Throws<SimCrash>(() => host.Files.Exists("/proc"));
    }

    [Fact]
    public void A_program_outlives_the_process_that_started_it()
    {
        var host = SimHost.Demo();
        host.CrashDuring("xl pci-assignable-add");
        Assert.Throws<SimCrash>(() => Xl(host, "pci-assignable-add", Card));
        host.StartProcess();
        Assert.Equal("e1000e", host.Function(Card).Driver);
        Settle(host);
        Assert.Equal("pciback", host.Function(Card).Driver);
    }

    [Fact]
    public void Every_change_is_in_the_trace()
    {
        var host = SimHost.Demo();
        host.Files.MakeDirectory(Journal);
        host.Files.CreateFile($"{Journal}/1", "begin\n"u8);
        host.Files.Append($"{Journal}/1", "doing\n"u8, flush: true);
        host.Files.Append($"{Journal}/1", "done\n"u8, flush: false);
        Write(host, $"{Drivers}/e1000e/unbind", Card);
        Xl(host, "list");
        Xl(host, "pci-assignable-add", Card);
        Assert.Equal(
            [
                "mkdir /var/lib/pcipass", "mkdir /var/lib/pcipass/journal", $"create {Journal}/1", $"append {Journal}/1 6 bytes", $"flush {Journal}/1",
                $"append {Journal}/1 6 bytes", $"flush {Journal}/1", $"append {Journal}/1 5 bytes", $"write {Drivers}/e1000e/unbind {Card}", $"run xl pci-assignable-add {Card}",
            ],
            host.Trace);
    }

    // ---- locks, files, power ---------------------------------------------------------------------------------------------------------

    [Fact]
    public void A_lock_has_one_holder_and_a_dead_one_has_none()
    {
        var host = SimHost.Demo();
        host.Files.MakeDirectory("/run/pcipass");
        using (host.Files.Lock("/run/pcipass/lock", Patience))
            Assert.Null(host.Files.Lock("/run/pcipass/lock", TimeSpan.FromSeconds(5)));
        Assert.NotNull(host.Files.Lock("/run/pcipass/lock", TimeSpan.Zero));
        host.StartProcess();
        Assert.NotNull(host.Files.Lock("/run/pcipass/lock", TimeSpan.Zero));
    }

    [Theory]
    [InlineData(0, "begin\n")]
    [InlineData(3, "begin\ndoi")]
    [InlineData(99, "begin\ndoing\n")]
    public void A_power_loss_keeps_what_was_flushed_and_perhaps_a_piece_more(int torn, string left)
    {
        var host = SimHost.Demo();
        host.Files.MakeDirectory(Journal);
        host.Files.CreateFile($"{Journal}/1", "begin\n"u8);
        host.Files.Append($"{Journal}/1", "doing\n"u8, flush: false);
        host.PowerLoss(torn);
        Assert.Equal(left, System.Text.Encoding.UTF8.GetString(host.Files.ReadAll($"{Journal}/1")!));
    }

    [Fact]
    public void A_file_that_was_not_flushed_is_gone_after_a_power_loss_but_not_after_a_crash()
    {
        var host = SimHost.Demo();
        host.Files.MakeDirectory(Journal);
        host.CrashAfter(2);
        Assert.Throws<SimCrash>(() => host.Files.CreateFile($"{Journal}/1", "begin\n"u8));
        host.StartProcess();
        Assert.Equal("begin", host.Files.ReadText($"{Journal}/1"));
        host.PowerLoss();
        Assert.False(host.Files.Exists($"{Journal}/1"));
    }

    [Fact]
    public void A_restart_begins_anew_apart_from_the_files()
    {
        var host = SimHost.Demo();
        var before = host.ToText();
        var boot = host.Files.ReadText("/proc/sys/kernel/random/boot_id");
        host.Files.MakeDirectory("/run/pcipass");
        host.Files.MakeDirectory(Journal);
        host.Files.CreateFile($"{Journal}/1", "begin\n"u8);
        Write(host, $"{Devices}/0000:08:00.0/driver_override", "none");
        Attach(host, Card, "web1");
        host.Reboot();
        Assert.Equal(before, host.ToText());
        Assert.NotEqual(boot, host.Files.ReadText("/proc/sys/kernel/random/boot_id"));
        Assert.False(host.Files.Exists("/run/pcipass"));
        Assert.Equal("begin", host.Files.ReadText($"{Journal}/1"));
    }

    [Fact]
    public void Files_that_are_not_what_they_should_be_are_refused()
    {
        var host = SimHost.Demo().WithLink("/var/lib/evil", "/etc/xen/web1.cfg");
        Assert.Equal(Errno.ELOOP, Refused(() => host.Files.Append("/var/lib/evil", "x"u8, flush: true)));
        Assert.Equal(Errno.EEXIST, Refused(() => host.Files.CreateFile("/var/lib/evil", "x"u8)));
        Assert.Equal(Errno.EEXIST, Refused(() => host.Files.CreateFile("/etc/xen/web1.cfg", "x"u8)));
        Assert.Equal(Errno.ENOENT, Refused(() => host.Files.Append("/var/lib/nothing", "x"u8, flush: true)));
        Assert.Equal(Errno.EISDIR, Refused(() => host.Files.Append("/etc/xen", "x"u8, flush: true)));
        host.Faults.Fail("/var/*", Errno.ENOSPC);
        Assert.Equal(Errno.ENOSPC, Refused(() => host.Files.CreateFile("/var/lib/new", "x"u8)));
    }

    [Fact]
    public void An_ordinary_user_reads_64_bytes_and_changes_nothing()
    {
        var host = SimHost.Demo().As(1000, "anna");
        Assert.Equal(64, host.Files.ReadAll($"{Devices}/{Card}/config")!.Length);
        Assert.Equal(Errno.EACCES, Refused(() => Write(host, $"{Drivers}/e1000e/unbind", Card)));
        Assert.Equal(Errno.EACCES, Refused(() => host.Files.MakeDirectory(Journal)));
        Assert.Equal(1, Xl(host, "pci-assignable-add", Card).ExitCode);
        Assert.Equal("e1000e", host.Function(Card).Driver);
    }

    // ---- guests that misbehave -----------------------------------------------------------------------------------------------------

    [Fact]
    public void A_guest_without_a_frontend_leaves_the_backend_waiting_and_xl_content()
    {
        var host = SimHost.Demo();
        host.FindGuest("web1")!.Habit = FrontendHabit.NeverAnswers;
        Attach(host, Card, "web1");
        Assert.Equal(("3", "3", "0000:00:00.00", "1"), (Store(host, "/local/domain/0/backend/pci/1/0/state"), Store(host, "/local/domain/0/backend/pci/1/0/state-0"),
            Store(host, "/local/domain/0/backend/pci/1/0/vdev-0"), Store(host, "/local/domain/1/device/pci/0/state")));
        var begin = host.Clock.Elapsed;
        var detach = Xl(host, "pci-detach", "web1", Card);
        Assert.Equal(new ProgramResult(0, "", "libxl: error: libxl_device.c:1470:libxl__wait_for_backend: Backend /local/domain/0/backend/pci/1/0 not ready\n"), detach);
        Assert.InRange((host.Clock.Elapsed - begin).TotalSeconds, 10, 11);
        Assert.Equal(("d[IO]", Card), (host.OwnerOf(host.Function(Card).Address), Store(host, "/local/domain/0/backend/pci/1/0/dev-0")));
        Assert.Equal($"{Card} \n", Xl(host, "pci-assignable-list").Output);
    }

    [Fact]
    public void A_second_function_for_a_guest_that_does_not_answer_stays_assigned_though_xl_fails()
    {
        var host = SimHost.Demo();
        host.FindGuest("web1")!.Habit = FrontendHabit.NeverAnswers;
        Attach(host, Card, "web1");
        Xl(host, "pci-assignable-add", "0000:08:00.0");
        Assert.Equal(1, Xl(host, "pci-attach", "web1", "0000:08:00.0").ExitCode);
        Assert.Equal(("1", "domid 1"), (Store(host, "/local/domain/0/backend/pci/1/0/num_devs"), host.OwnerOf(host.Function("08:00.0").Address)));
    }

    [Fact]
    public void A_slow_guest_lets_go_after_xl_has_given_up()
    {
        var host = SimHost.Demo();
        Attach(host, Card, "web1");
        host.FindGuest("web1")!.Habit = FrontendHabit.LetsGoAfter(TimeSpan.FromSeconds(30));
        Assert.Equal(0, Xl(host, "pci-detach", "web1", Card).ExitCode);
        Assert.Single(host.FindGuest("web1")!.Functions);
        Assert.Equal(("7", "5", 1), (Store(host, "/local/domain/0/backend/pci/1/0/state"), Store(host, "/local/domain/0/backend/pci/1/0/state-0"), host.Pciback!.Slots.Count));
        host.Clock.Advance(TimeSpan.FromSeconds(30));
        Assert.Empty(host.FindGuest("web1")!.Functions);
        Assert.Equal(("4", "5"), (Store(host, "/local/domain/0/backend/pci/1/0/state"), Store(host, "/local/domain/0/backend/pci/1/0/state-0")));
    }

    [Fact]
    public void A_guest_that_dies_when_asked_leaves_nothing_but_the_quarantine()
    {
        var host = SimHost.Demo();
        Attach(host, Card, "web1");
        host.FindGuest("web1")!.Habit = FrontendHabit.Dies;
        Xl(host, "pci-detach", "web1", Card);
        Assert.Null(host.FindGuest("web1"));
        Assert.Null(Store(host, "/local/domain/0/backend/pci/1/0/dev-0"));
        Assert.Equal("d[IO]", host.OwnerOf(host.Function(Card).Address));
    }

    [Fact]
    public void A_destroyed_guest_can_leave_nodes_that_own_nothing()
    {
        var host = SimHost.Demo();
        Attach(host, Card, "web1");
        host.DestroyGuest("web1", leavesNodes: true);
        Assert.Equal(("6", Card), (Store(host, "/local/domain/0/backend/pci/1/0/state"), Store(host, "/local/domain/0/backend/pci/1/0/dev-0")));
        Assert.Null(Store(host, "/local/domain/1/name"));
        Attach(host, Card, "db1");
        Assert.Single(host.FindGuest("db1")!.Functions);
    }

    [Fact]
    public void A_backend_that_cannot_find_the_function_closes_the_guests_bus()
    {
        var host = SimHost.Demo();
        Xl(host, "pci-assignable-add", Card);
        host.Clock.After(TimeSpan.FromMilliseconds(200.5), () => Write(host, $"{Drivers}/pciback/unbind", Card));
        Xl(host, "pci-attach", "web1", Card);
        Settle(host);
        // The backend closes (5), the frontend follows (6), and so does the backend.
        Assert.Equal("6", Store(host, "/local/domain/0/backend/pci/1/0/state"));
        Assert.Empty(host.FindGuest("web1")!.Functions);
    }

    [Fact]
    public void Functions_of_one_device_share_a_virtual_slot()
    {
        var host = SimHost.Xen().WithDrivers("e1000e").WithRootPort("00:02.0", 1).WithNetworkCard("01:00.0", "52:54:00:01:00:00").WithNetworkCard("01:00.1", "52:54:00:01:00:01")
            .WithGuest(new GuestPlan("web1")).Boot();
        Attach(host, "0000:01:00.1", "web1");
        Attach(host, "0000:01:00.0", "web1");
        Assert.Equal(["0000:00:00.0", "0000:00:00.1"], host.FindGuest("web1")!.Functions.Keys);
        // Named in the order of their coming.
        Assert.Equal("0000:00:00.0 8086:10d3 020000 e1000e eth1\n0000:00:00.1 8086:10d3 020000 e1000e eth0\n", host.Shell.InGuest("web1", "show-pci").Output);
    }

    [Fact]
    public void A_configured_function_goes_into_the_guest_at_its_start()
    {
        var host = SimHost.Xen().WithDrivers("e1000e").WithRootPort("00:02.0", 1).WithNetworkCard("01:00.0", "52:54:00:01:00:00").WithHiddenAtBoot("(01:00.0)")
            .WithGuest(new GuestPlan("web1") { Functions = [PciAddress.Parse("01:00.0")] }).Boot();
        Assert.Equal("0000:00:00.0 8086:10d3 020000 e1000e eth0\n", host.Shell.InGuest("web1", "show-pci").Output);
        Assert.Equal(0, host.Shell.InGuest("web1", "net-check eth0").ExitCode);
        Assert.Contains("pci = [ \"0000:01:00.0\" ]", host.ToText());
    }

    [Fact]
    public void What_the_small_programs_print_follows_from_the_state()
    {
        var host = SimHost.Demo();
        Assert.Contains($"{Card} 8086:10d3 020000 e1000e eth1\n", host.Shell.OnHost("show-pci").Output);
        Assert.Contains(" 0% packet loss", host.Shell.OnHost("net-check eth1").Output);
        Assert.Equal("", host.Shell.InGuest("web1", "show-pci").Output);
        Attach(host, Card, "web1");
        Assert.Equal(1, host.Shell.OnHost("net-check eth1").ExitCode);
        Assert.Equal("0000:00:00.0 8086:10d3 020000 e1000e eth0\n", host.Shell.InGuest("web1", "show-pci").Output);
        Assert.Contains(" 0% packet loss", host.Shell.InGuest("web1", "net-check eth0").Output);
    }

    // ---- boot ------------------------------------------------------------------------------------------------------------------------

    static SimHost OneCard() => SimHost.Xen().WithDrivers("e1000e").WithRootPort("00:02.0", 9).WithNetworkCard("09:00.0", "52:54:00:09:00:00");

    [Theory]
    [InlineData("(0000:09:00.0)", true, "pciback", 1)]
    [InlineData("(09:00.0)(0a:04.1)", true, "pciback", 2)]
    [InlineData("(09:00.*)", true, "pciback", 8)]
    [InlineData("(00:02.0)", true, "pciback", 1)]
    [InlineData("(0000:09:00.0)", false, "e1000e", 1)]
    [InlineData("(0000:0a:00.0)", true, "e1000e", 1)]
    public void Hiding_at_boot_works_when_pciback_comes_first(string list, bool first, string driver, int slots)
    {
        var host = OneCard().WithHiddenAtBoot(list, first);
        host.Boot();
        Assert.Equal((driver, slots), (host.Function(Card).Driver, host.Pciback!.Slots.Count));
        Assert.Equal("dom0", host.OwnerOf(host.Function(Card).Address));
    }

    [Theory]
    [InlineData("(09:00.0)(rubbish)")]
    [InlineData("0000:09:00.0")]
    public void One_bad_entry_makes_the_whole_module_fail(string list)
    {
        var host = OneCard().WithHiddenAtBoot(list);
        host.Boot();
        Assert.Null(host.Pciback);
        Assert.False(host.Files.Exists($"{Drivers}/pciback"));
        Assert.Equal("e1000e", host.Function(Card).Driver);
    }

    [Fact]
    public void Without_an_iommu_xl_leaves_the_function_on_pciback_and_fails()
    {
        var host = OneCard().WithIommu(false).WithGuest(new GuestPlan("web1")).Boot();
        var result = Xl(host, "pci-assignable-add", Card);
        Assert.Equal(new ProgramResult(1, "", $"libxl: error: libxl_pci.c:848:libxl__device_pci_assignable_add: failed to quarantine {Card}\n"), result);
        Assert.Equal("pciback", host.Function(Card).Driver);
        Assert.DoesNotContain("directio", Xl(host, "info").Output);
        Assert.Contains("xc_assign_device failed: Operation not supported", Xl(host, "pci-attach", "web1", Card).Errors);
        Assert.Equal(1, Xl(host, "pci-assignable-remove", Card).ExitCode);
    }

    // ---- other machines ----------------------------------------------------------------------------------------------------------------

    static SimHost WithVirtualFunctions()
    {
        var host = SimHost.Xen().WithDrivers("igb", "igbvf").WithRootPort("00:02.0", 1, lastBus: 2).WithSriovCard("01:00.0", "52:54:00:01:00:00").WithGuest(new GuestPlan("web1")).Boot();
        Write(host, $"{Devices}/0000:01:00.0/sriov_numvfs", "2");
        return host;
    }

    [Fact]
    public void Virtual_functions_come_with_ids_of_all_ones_in_their_own_configuration_space()
    {
        var host = WithVirtualFunctions();
        Assert.Equal(["0000:00:02.0", "0000:01:00.0", "0000:01:00.1", "0000:01:00.2"], host.Files.List(Devices));
        Assert.Equal("../0000:01:00.1", host.Files.ReadLink($"{Devices}/0000:01:00.0/virtfn0"));
        Assert.Equal("../0000:01:00.0", host.Files.ReadLink($"{Devices}/0000:01:00.1/physfn"));
        Assert.Equal(("0x8086", "0x10ca"), (host.Files.ReadText($"{Devices}/0000:01:00.1/vendor"), host.Files.ReadText($"{Devices}/0000:01:00.1/device")));
        Assert.Equal([0xff, 0xff, 0xff, 0xff], host.Files.ReadAll($"{Devices}/0000:01:00.1/config")![..4]);
        Assert.Equal("igbvf", host.Function("01:00.1").Driver);
    }

    [Fact]
    public void Without_autoprobe_a_virtual_function_is_left_alone_unless_the_override_says_otherwise()
    {
        var host = WithVirtualFunctions();
        Write(host, $"{Devices}/0000:01:00.0/sriov_numvfs", "0");
        Write(host, $"{Devices}/0000:01:00.0/sriov_drivers_autoprobe", "0");
        Write(host, $"{Devices}/0000:01:00.0/sriov_numvfs", "1");
        Assert.Null(host.Function("01:00.1").Driver);
        Write(host, $"{Drivers}/pciback/new_slot", "0000:01:00.1");
        Assert.Equal(Errno.ENODEV, Refused(() => Write(host, $"{Drivers}/pciback/bind", "0000:01:00.1")));
        Write(host, $"{Devices}/0000:01:00.1/driver_override", "pciback");
        Write(host, $"{Drivers}/pciback/bind", "0000:01:00.1");
    }

    [Fact]
    public void The_number_of_virtual_functions_changes_only_by_way_of_none_and_never_under_pciback()
    {
        var host = WithVirtualFunctions();
        var path = $"{Devices}/0000:01:00.0/sriov_numvfs";
        Assert.Equal(Errno.EBUSY, Refused(() => Write(host, path, "3")));
        Assert.Equal(34, Refused(() => Write(host, path, "8")));
        Xl(host, "pci-assignable-add", "0000:01:00.1");
        Assert.Equal(Errno.EPERM, Refused(() => Write(host, path, "0")));
        Xl(host, "pci-assignable-remove", "0000:01:00.1");
        Write(host, path, "0");
        Assert.Equal("0", host.Files.ReadText(path));
    }

    [Fact]
    public void The_physical_functions_driver_takes_its_virtual_functions_along()
    {
        var host = WithVirtualFunctions();
        Write(host, $"{Drivers}/igb/unbind", "0000:01:00.0");
        Assert.Equal(["0000:00:02.0", "0000:01:00.0"], host.Files.List(Devices));
        Assert.Equal(Errno.ENOENT, Refused(() => Write(host, $"{Devices}/0000:01:00.0/sriov_numvfs", "1")));
    }

    [Fact]
    public void Virtual_functions_of_one_device_share_a_virtual_slot()
    {
        var host = WithVirtualFunctions();
        Attach(host, "0000:01:00.1", "web1");
        Attach(host, "0000:01:00.2", "web1");
        Assert.Equal(["0000:00:00.1", "0000:00:00.2"], host.FindGuest("web1")!.Functions.Keys);
    }

    [Fact]
    public void On_plain_linux_iommu_groups_follow_the_topology()
    {
        var host = SimHost.Linux().WithDrivers("e1000e", "e1000", "ahci")
            .With("00:1f.0", "8086:2918", "060100").With("00:1f.2", "8086:2922", "010601")
            .WithRootPort("00:02.0", 1).WithNetworkCard("01:00.0", "52:54:00:01:00:00").WithNetworkCard("01:00.1", "52:54:00:01:00:01")
            .WithRootPort("00:02.1", 2, lastBus: 3).WithPciBridge("02:00.0", 3).With("03:01.0", "8086:100e", "020000").With("03:02.0", "8086:100e", "020000")
            .WithRootPort("00:02.2", 4).WithNetworkCard("04:00.0", "52:54:00:04:00:00").Boot();
        var groups = host.Functions.GroupBy(function => host.Files.ReadLink($"{Devices}/{function}/iommu_group")!.Split('/')[^1]).Select(group => string.Join(' ', group));
        Assert.Equal(
            [
                "0000:00:02.0", "0000:00:02.1", "0000:00:02.2", "0000:00:1f.0 0000:00:1f.2", "0000:01:00.0 0000:01:00.1", "0000:02:00.0 0000:03:01.0 0000:03:02.0", "0000:04:00.0",
            ],
            groups);
        Assert.Equal(["0000:01:00.0", "0000:01:00.1"], host.Files.List($"/sys/kernel/iommu_groups/{host.Function("01:00.0").IommuGroup}/devices"));
    }

    [Fact]
    public void Vfio_takes_by_override_or_by_a_new_id()
    {
        var host = SimHost.Linux().WithDrivers("e1000e").WithRootPort("00:02.0", 1).WithNetworkCard("01:00.0", "52:54:00:01:00:00").Boot();
        const string Function = "0000:01:00.0";
        Write(host, $"{Drivers}/e1000e/unbind", Function);
        Assert.Equal(Errno.ENODEV, Refused(() => Write(host, $"{Drivers}/vfio-pci/bind", Function)));
        Write(host, $"{Devices}/{Function}/driver_override", "vfio-pci");
        Write(host, "/sys/bus/pci/drivers_probe", Function);
        Assert.Equal("vfio-pci", host.Function(Function).Driver);
        Write(host, $"{Drivers}/vfio-pci/unbind", Function);
        Write(host, $"{Devices}/{Function}/driver_override", "\n");
        Write(host, $"{Drivers}/vfio-pci/new_id", "8086 10d3");
        Assert.Equal("vfio-pci", host.Function(Function).Driver);
        Assert.Equal(Errno.EEXIST, Refused(() => Write(host, $"{Drivers}/vfio-pci/new_id", "8086 10d3")));
        Assert.Equal(Errno.EINVAL, Refused(() => Write(host, $"{Drivers}/vfio-pci/new_id", "rubbish")));
        Write(host, $"{Drivers}/vfio-pci/remove_id", "8086 10d3");
        Assert.Equal(Errno.ENODEV, Refused(() => Write(host, $"{Drivers}/vfio-pci/remove_id", "8086 10d3")));
        Assert.Equal(Errno.ENOENT, Refused(() => host.Run("xl", ["list"], Patience)));
    }

    [Fact]
    public void What_is_configured_on_an_interface_goes_with_its_driver()
    {
        var host = SimHost.Demo().WithAddress("eth1", "192.168.7.5", 24).WithAddress("eth1", "fd00::5", 64).WithDefaultRoute("eth1", "192.168.7.1").WithBridgePort("eth0", "xenbr0");
        Assert.Equal(
            ["127.0.0.1", "192.168.7.5", "::1", "fd00::5"],
            NetworkTables.ParseAddresses(host.DumpAddresses()).Select(static address => address.Text.Split('/')[0]).Order(StringComparer.Ordinal));
        Assert.Equal(["eth1"], NetworkTables.ParseRoutes4(host.Files.ReadText("/proc/net/route")!).Where(route => route.IsDefault).Select(route => route.Interface));
        Assert.EndsWith("/net/xenbr0", host.Files.ReadLink("/sys/class/net/eth0/master"));
        Write(host, $"{Drivers}/e1000e/unbind", Card);
        Assert.Equal(["127.0.0.1", "::1"], NetworkTables.ParseAddresses(host.DumpAddresses()).Select(static address => address.Text.Split('/')[0]).Order(StringComparer.Ordinal));
        Assert.Empty(NetworkTables.ParseRoutes4(host.Files.ReadText("/proc/net/route")!));
    }

    [Fact]
    public void A_mounted_partition_is_in_the_tables_with_its_device_number()
    {
        var host = SimHost.Xen().WithDrivers("nvme").WithRootPort("00:02.0", 7).WithNvme("07:00.0", 1, 2).Boot().WithMount("/dev/nvme0n1p1", "/data").WithSwap("/dev/nvme0n1p2");
        var number = host.Files.ReadText("/sys/class/block/nvme0n1p1/dev");
        Assert.Contains($" {number} / /data rw,relatime ", host.Files.ReadText("/proc/self/mountinfo"));
        Assert.EndsWith("/nvme0n1/nvme0n1p1", host.Files.ReadLink($"/sys/dev/block/{number}"));
        Assert.Contains("/dev/nvme0n1p2 ", host.Files.ReadText("/proc/swaps"));
    }

    [Fact]
    public void The_whole_host_is_readable_text()
    {
        var host = OneCard().WithGuest(new GuestPlan("web1")).Boot().WithAddress("eth0", "192.168.7.5", 24);
        Attach(host, Card, "web1");
        Assert.Equal(
            """
            host xen, iommu
            function 0000:00:02.0 1b36:000c driver=- override=- owner=dom0
            function 0000:09:00.0 8086:10d3 driver=pciback override=- owner=domid-1 exported=1
            slot 0000:09:00.0
            guest web1 domid=1
            guest web1 has 0000:09:00.0 at 0000:00:00.0 driver=e1000e
            xenstore /libxl/pci/0000-09-00-0/domid = 1
            xenstore /libxl/pci/0000-09-00-0/driver_path = /sys/bus/pci/drivers/e1000e
            xenstore /local/domain/0/backend/pci/1/0/dev-0 = 0000:09:00.0
            xenstore /local/domain/0/backend/pci/1/0/domain = web1
            xenstore /local/domain/0/backend/pci/1/0/frontend = /local/domain/1/device/pci/0
            xenstore /local/domain/0/backend/pci/1/0/frontend-id = 1
            xenstore /local/domain/0/backend/pci/1/0/key-0 = 0000:09:00.0
            xenstore /local/domain/0/backend/pci/1/0/num_devs = 1
            xenstore /local/domain/0/backend/pci/1/0/online = 1
            xenstore /local/domain/0/backend/pci/1/0/opts-0 = msitranslate=0,power_mgmt=0,permissive=0,rdm_policy=strict
            xenstore /local/domain/0/backend/pci/1/0/root-0 = 0000:00
            xenstore /local/domain/0/backend/pci/1/0/root_num = 1
            xenstore /local/domain/0/backend/pci/1/0/state = 4
            xenstore /local/domain/0/backend/pci/1/0/state-0 = 3
            xenstore /local/domain/0/backend/pci/1/0/vdev-0 = 0000:00:00.00
            file /etc/xen/web1.cfg
              name = "web1"
              type = "pv"
              memory = 256
              passthrough = "enabled"
              e820_host = 1

            """,
            host.ToText());
    }

    [Fact]
    public void Ten_thousand_attaches_and_detaches_leave_nothing_behind()
    {
        var host = SimHost.Demo();
        var before = host.ToText();
        for (var n = 0; n < 10_000; n++)
        {
            Hide(host);
            Assert.Equal(0, Xl(host, "pci-assignable-add", Card).ExitCode);
            Assert.Equal(0, Xl(host, "pci-attach", "web1", Card).ExitCode);
            Settle(host);
            Assert.Single(host.FindGuest("web1")!.Functions);
            Assert.Equal(0, Xl(host, "pci-detach", "web1", Card).ExitCode);
            Assert.Equal(0, Xl(host, "pci-assignable-remove", Card).ExitCode);
            Write(host, $"{Devices}/{Card}/driver_override", "\n");
            Write(host, $"{Drivers}/e1000e/bind", Card);
        }
        Assert.Empty(host.FindGuest("web1")!.Functions);
        Assert.Equal(before, host.ToText());
    }
}
