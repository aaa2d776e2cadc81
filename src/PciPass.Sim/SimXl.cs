using System.Globalization;
using System.Runtime.CompilerServices;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>
/// The toolstack <c>xl</c> of Xen 4.17: the same acts in the same order as libxl, with its exit codes and its messages on standard
/// error (tools/libs/light/libxl_pci.c, tools/xl/xl_pci.c). A text in the log carries the line of libxl's source that says it.
/// </summary>
sealed class SimXl
{
    const int Fail = -3, Invalid = -6;
    const string Drivers = "/sys/bus/pci/drivers", Devices = "/sys/bus/pci/devices", Pciback = Drivers + "/pciback";

    static readonly TimeSpan StartTime = TimeSpan.FromMilliseconds(200);
    static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);

    readonly SimHost host;
    readonly SimProcess process;

    SimXl(SimHost host, SimProcess process)
    {
        this.host = host;
        this.process = process;
    }

    SimXenstore Store => host.Store;

    /// <summary>Prepares a run of xl.</summary>
    public static SimProcess Start(SimHost host, IReadOnlyList<string> arguments)
    {
        var changes = (arguments.Count > 0 ? arguments[0] : "") is "pci-attach" or "pci-detach" or "pci-assignable-add" or "pci-assignable-remove" or "create" or "destroy" or "save" or "restore" or "migrate" or "pause" or "unpause";
        return new SimProcess(p => new SimXl(host, p).Main([.. arguments]), changes);
    }

    public static string Dashed(PciAddress address) => $"{address.Segment:x4}-{address.Bus:x2}-{address.Device:x2}-{address.Function}";

    /// <summary>A function that a guest's configuration names: the part of <c>xl create</c> that concerns it.</summary>
    public static void AttachAtStart(SimHost host, SimGuest guest, PciAddress address)
    {
        var start = new SimProcess(p => new SimXl(host, p).Add(guest.DomId, address, starting: true), changesSomething: true);
        start.Begin(host.Clock);
        host.Clock.WaitFor(() => start.HasEnded, TimeSpan.FromSeconds(60));
    }

    IEnumerable<TimeSpan> Main(string[] arguments)
    {
        yield return StartTime;
        if (!host.IsRoot)
        {
            process.Error("xencall: error: Could not obtain handle on privileged command interface: Permission denied");
            process.Error("libxl: error: libxl.c:102:libxl_ctx_alloc: cannot open libxc handle: Permission denied");
            process.Error("cannot init xl context");
            process.ExitCode = 1;
            yield break;
        }
        var steps = arguments switch
        {
            ["list", .. var names] when !names.Contains("-l") => List(names),
            ["list", "-l", .. var names] => ListLong(names),
            ["info"] => Info(),
            ["domid", var name] => DomId(name),
            ["domname", var domid] => DomName(domid),
            ["pci-list", var domain] => PciList(domain),
            ["pci-assignable-list"] => AssignableList(),
            ["pci-assignable-add", var bdf] => AssignableAdd(bdf),
            ["pci-assignable-remove", "-r", var bdf] => AssignableRemove(bdf, rebind: true),
            ["pci-assignable-remove", var bdf] => AssignableRemove(bdf, rebind: false),
            ["pci-attach", var domain, var bdf] => PciAttach(domain, bdf),
            ["pci-detach", "-f", var domain, var bdf] => PciDetach(domain, bdf, force: true),
            ["pci-detach", var domain, var bdf] => PciDetach(domain, bdf, force: false),
            ["create", var file] => Create(file),
            ["destroy", var domain] => Destroy(domain),
            ["save", "-p", var domain, var file] => Save(domain, file, leavesPaused: true, goesOn: true),
            ["save", "-c", var domain, var file] => Save(domain, file, leavesPaused: false, goesOn: true),
            ["save", var domain, var file] => Save(domain, file, leavesPaused: false, goesOn: false),
            ["restore", var file] => Restore(file),
            ["migrate", "-s", var way, var domain, var to] => new SimXlMove(host, process).Move(way, FindDomain(domain), to),
            ["pause", var domain] => Pause(domain, paused: true),
            ["unpause", var domain] => Pause(domain, paused: false),
            _ => NotImplemented(),
        };
        foreach (var wait in steps)
            yield return wait;
    }

    IEnumerable<TimeSpan> NotImplemented()
    {
        process.Error("command not implemented");
        process.ExitCode = 1;
        yield break;
    }

    // ---- what it says --------------------------------------------------------------------------------------------------------------

    void Log(string level, int line, string text, int errno = 0, string file = "libxl_pci.c", [CallerMemberName] string caller = "", string? function = null) =>
        process.Error($"libxl: {level}: {file}:{line}:{function ?? caller}: {text}{(errno == 0 ? "" : $": {ErrorText(errno)}")}");

    /// <summary>strerror(3).</summary>
    static string ErrorText(int errno) => errno switch
    {
        Errno.EPERM => "Operation not permitted",
        Errno.ENOENT => "No such file or directory",
        Errno.EIO => "Input/output error",
        Errno.ENXIO => "No such device or address",
        Errno.EAGAIN => "Resource temporarily unavailable",
        Errno.ENOMEM => "Cannot allocate memory",
        Errno.EACCES => "Permission denied",
        Errno.EBUSY => "Device or resource busy",
        Errno.EEXIST => "File exists",
        Errno.ENODEV => "No such device",
        Errno.EINVAL => "Invalid argument",
        Errno.ENOSPC => "No space left on device",
        Errno.EOPNOTSUPP => "Operation not supported",
        _ => $"Unknown error {errno}",
    };

    static string Short(PciAddress a) => $"{a.Segment:x}:{a.Bus:x}:{a.Device:x}.{a.Function:x}";

    // ---- what it asks ---------------------------------------------------------------------------------------------------------------

    int? FindDomain(string name)
    {
        if (int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            return number;
        if (name == "Domain-0")
            return 0;
        if (host.FindGuest(name) is SimGuest guest)
            return guest.DomId;
        process.Error($"{name} is an invalid domain identifier (rc={Invalid})");
        process.ExitCode = 1;
        return null;
    }

    bool IsThere(PciAddress address) => host.Find(address) is not null;

    bool IsOnPciback(PciAddress address) => host.Find(address)?.Driver == "pciback";

    static string Info(PciAddress address, string node) => $"/libxl/pci/{Dashed(address)}/{node}";

    // xl reads segments up to ffff and takes a function without a segment.
    static bool TryBdf(string text, out PciAddress address) => PciAddress.TryParse(text, out address) && address.Segment <= 0xffff;

    static bool TrySpec(string text, out PciAddress address) => TryBdf(text.Split(',')[0].Split('@')[0], out address);

    // ---- reading commands -----------------------------------------------------------------------------------------------------------

    IEnumerable<TimeSpan> List(IEnumerable<string> names)
    {
        var wanted = names.ToList();
        var rows = new List<string>();
        if (wanted.Count == 0 || wanted[0] is "0" or "Domain-0")
            rows.Add(Row("Domain-0", 0, 768, "r-----"));
        foreach (var guest in host.Guests)
        {
            if (wanted.Count == 0 || wanted[0] == guest.Name || wanted[0] == $"{guest.DomId}")
                rows.Add(Row(guest.Name, guest.DomId, 256, guest.IsSuspended ? "---ss-" : guest.IsPaused ? "--p---" : "-b----"));
        }
        if (rows.Count == 0)
        {
            process.Error($"{wanted[0]} is an invalid domain identifier (rc={Invalid})");
            process.ExitCode = 1;
            yield break;
        }
        process.Out("Name                                        ID   Mem VCPUs\tState\tTime(s)");
        foreach (var row in rows)
            process.Out(row);

        string Row(string name, int domid, int memory, string state) =>
            $"{name,-40} {domid,5} {memory,5} {1,5}     {state}  {host.Clock.Elapsed.TotalSeconds / 10,8:0.0}";
    }

    IEnumerable<TimeSpan> ListLong(IReadOnlyList<string> names)
    {
        var texts = host.Guests.Where(guest => names.Count == 0 || names[0] == guest.Name || names[0] == $"{guest.DomId}")
            .Select(guest => $"    {{\n        \"domid\": {guest.DomId},\n        \"config\": {host.DomainConfig(guest)}\n    }}");
        process.Out($"[\n{string.Join(",\n", texts)}\n]");
        yield break;
    }

    IEnumerable<TimeSpan> Info()
    {
        var iommu = host.HasIommu;
        process.Out("host                   : dom0");
        process.Out("release                : 6.1.0-56-amd64");
        process.Out("machine                : x86_64");
        process.Out("nr_cpus                : 2");
        process.Out($"virt_caps              : pv hvm{(iommu ? " hvm_directio pv_directio" : "")} hap{(iommu ? " iommu_hap_pt_share" : "")} gnttab-v1 gnttab-v2");
        process.Out("total_memory           : 2047");
        process.Out("xen_major              : 4");
        process.Out("xen_minor              : 17");
        process.Out("xen_extra              : .7");
        process.Out("xen_version            : 4.17.7");
        process.Out($"xen_commandline        : console=com1 dom0_mem=768M,max:768M{(iommu ? " iommu=on" : "")}");
        process.Out("xend_config_format     : 4");
        yield break;
    }

    IEnumerable<TimeSpan> DomId(string name)
    {
        if (host.FindGuest(name) is SimGuest guest)
        {
            process.Out($"{guest.DomId}");
            yield break;
        }
        process.Error($"Can't get domid of domain name '{name}', maybe this domain does not exist.");
        process.ExitCode = 1;
    }

    IEnumerable<TimeSpan> DomName(string domid)
    {
        if (domid == "0" || host.FindDomain(domid) is not null)
        {
            process.Out(domid == "0" ? "Domain-0" : host.FindDomain(domid)!.Name);
            yield break;
        }
        process.Error($"Can't get domain name of domain id '{domid}', maybe this domain does not exist.");
        process.ExitCode = 1;
    }

    IEnumerable<TimeSpan> PciList(string name)
    {
        if (FindDomain(name) is not int domain || Attached(domain) is not { } attached)
            yield break;
        process.Out("Vdev Device");
        // Every function is told to be at 00.0 unless a slot was asked for: libxl does not read what pciback published.
        foreach (var address in attached)
            process.Out($"00.0 {address}");
    }

    /// <summary>The functions below a guest's backend; null when it has none.</summary>
    List<PciAddress>? Attached(int domain)
    {
        var backend = BackendOf(domain);
        if (!Store.Exists($"{backend}/num_devs"))
            return null;
        return [.. Enumerable.Range(0, Store.ReadNumber($"{backend}/num_devs", 0))
            .Select(n => PciAddress.TryParse(Store.ReadText($"{backend}/dev-{n}"), out var address) ? address : default)];
    }

    static string BackendOf(int domain) => $"/local/domain/0/backend/pci/{domain}/0";

    List<PciAddress>? Assignable()
    {
        if (host.Pciback is null)
        {
            Log("error", 444, "Looks like pciback driver not loaded", function: "libxl_device_pci_assignable_list");
            return null;
        }
        return [.. host.Functions.Where(function => function.Driver == "pciback" && !Store.Exists(Info(function.Address, "domid"))).Select(static function => function.Address)];
    }

    IEnumerable<TimeSpan> AssignableList()
    {
        foreach (var address in Assignable() ?? [])
            process.Out($"{address} ");
        yield break;
    }

    // ---- sysfs ------------------------------------------------------------------------------------------------------------------------

    IEnumerable<TimeSpan> WriteBdf(string path, PciAddress address, StrongBox<int> result)
    {
        while (host.HangsBehind(path, $"{address}") is not null)
            yield return Poll;
        var errno = host.KernelWrite(path, $"{address}");
        if (errno == Errno.ENOENT && host.Pci.FindDriver(path.Split('/')[^2]) is null)
            Log("error", 371, $"Couldn't open {path}", errno, function: "sysfs_write_bdf");
        else if (errno != 0)
            Log("error", 380, $"write to {path} returned -1", errno, function: "sysfs_write_bdf");
        result.Value = errno;
    }

    IEnumerable<TimeSpan> Unbind(PciAddress address, StrongBox<int> result, StrongBox<string?> driverPath)
    {
        if (host.Find(address)?.Driver is not string driver)
            yield break;
        driverPath.Value = $"{Drivers}/{driver}";
        foreach (var wait in WriteBdf($"{driverPath.Value}/unbind", address, result))
            yield return wait;
        if (result.Value != 0)
            Log("error", 520, "Couldn't unbind device", result.Value, function: "sysfs_dev_unbind");
    }

    // ---- hide and give back -----------------------------------------------------------------------------------------------------------

    IEnumerable<TimeSpan> AssignableAdd(string bdf)
    {
        const string Self = "libxl__device_pci_assignable_add";
        if (!TryBdf(bdf, out var address))
        {
            process.Error($"pci-assignable-add: malformed BDF \"{bdf}\"");
            process.ExitCode = 2;
            yield break;
        }
        process.ExitCode = 1;
        if (!IsThere(address))
        {
            Log("error", 792, $"Couldn't lstat {Devices}/{address}", Errno.ENOENT, function: Self);
            yield break;
        }
        if (host.Pciback is null)
        {
            Log("error", 693, "Looks like pciback driver is not loaded", function: "pciback_dev_is_assigned");
            yield break;
        }
        if (IsOnPciback(address))
        {
            Log("warning", 802, $"{address} already assigned to pciback", function: Self);
        }
        else
        {
            var result = new StrongBox<int>();
            var driverPath = new StrongBox<string?>();
            foreach (var wait in Unbind(address, result, driverPath))
                yield return wait;
            if (result.Value != 0)
            {
                Log("error", 808, $"Couldn't unbind {address} from driver", function: Self);
                yield break;
            }
            if (driverPath.Value is string path)
                Store.Write(Info(address, "driver_path"), path);
            else if (Store.ReadText(Info(address, "driver_path")) is string old)
                Log("info", 819, $"{address} not bound to a driver, will be rebound to {old}", function: Self);
            else
                Log("warning", 822, $"{address} not bound to a driver, will not be rebound.", function: Self);

            if (!host.Pciback.Slots.Contains(address))
            {
                foreach (var wait in WriteBdf($"{Pciback}/new_slot", address, result))
                    yield return wait;
                if (result.Value != 0)
                {
                    Log("error", 723, "Couldn't bind device to pciback!", result.Value, function: "pciback_dev_assign");
                    Log("error", 830, "Couldn't bind device to pciback!", function: Self);
                    yield break;
                }
            }
            foreach (var wait in WriteBdf($"{Pciback}/bind", address, result))
                yield return wait;
            if (result.Value != 0)
            {
                Log("error", 729, "Couldn't bind device to pciback!", result.Value, function: "pciback_dev_assign");
                Log("error", 830, "Couldn't bind device to pciback!", function: Self);
                yield break;
            }
        }
        Store.Remove(Info(address, "name"));
        if (host.Iommu.Assign(SimIommu.DomIo, address, exists: true) != 0)
        {
            Log("error", 848, $"failed to quarantine {address}", function: Self);
            yield break;
        }
        process.ExitCode = 0;
    }

    IEnumerable<TimeSpan> AssignableRemove(string bdf, bool rebind)
    {
        const string Self = "libxl__device_pci_assignable_remove";
        if (!TryBdf(bdf, out var address))
        {
            process.Error($"pci-assignable-remove: malformed BDF '{bdf}'");
            process.ExitCode = 2;
            yield break;
        }
        process.ExitCode = 1;
        if (host.Iommu.Deassign(SimIommu.DomIo, address) != 0)
        {
            Log("error", 906, $"failed to de-quarantine {address}", function: Self);
            yield break;
        }
        if (host.Pciback is null)
        {
            Log("error", 693, "Looks like pciback driver is not loaded", function: "pciback_dev_is_assigned");
            yield break;
        }
        var result = new StrongBox<int>();
        if (IsOnPciback(address))
        {
            foreach (var wait in Unbind(address, result, new StrongBox<string?>()))
                yield return wait;
            if (result.Value != 0)
            {
                Log("error", 739, "Couldn't unbind device!", function: "pciback_dev_unassign");
            }
            else if (host.Pciback.Slots.Contains(address))
            {
                foreach (var wait in WriteBdf($"{Pciback}/remove_slot", address, result))
                    yield return wait;
                if (result.Value != 0)
                    Log("error", 747, "Couldn't remove pciback slot", result.Value, function: "pciback_dev_unassign");
            }
        }
        else
        {
            Log("warning", 917, "Not bound to pciback", function: Self);
        }
        if (Store.ReadText(Info(address, "driver_path")) is string path)
        {
            if (rebind)
            {
                Log("info", 925, $"Rebinding to driver at {path}", function: Self);
                foreach (var wait in WriteBdf($"{path}/bind", address, result))
                    yield return wait;
                if (result.Value != 0)
                {
                    Log("error", 930, $"Couldn't bind device to {path}", result.Value, function: Self);
                    yield break;
                }
                Store.Remove(Info(address, "driver_path"));
            }
        }
        else if (rebind)
        {
            Log("warning", 938, "Couldn't find path for original driver; not rebinding", function: Self);
        }
        Store.Remove(Info(address, "name"));
        process.ExitCode = 0;
    }

    // ---- in and out of a guest --------------------------------------------------------------------------------------------------------

    IEnumerable<TimeSpan> PciAttach(string name, string bdf)
    {
        if (FindDomain(name) is not int domain)
            yield break;
        if (!TrySpec(bdf, out var address))
        {
            process.Error($"pci-attach: malformed PCI_SPEC_STRING \"{bdf}\"");
            process.ExitCode = 2;
            yield break;
        }
        foreach (var wait in Add(domain, address, starting: false))
            yield return wait;
    }

    IEnumerable<TimeSpan> Add(int domain, PciAddress address, bool starting)
    {
        const string Self = "libxl__device_pci_add";
        var code = Fail;
        var hvm = host.FindDomain(domain)?.Plan.Type == GuestType.Hvm;
        if (hvm && host.Iommu.Owner(address) is not (0 or SimIommu.DomIo))
        {
            Log("error", 1658, $"Domain {domain}:PCI device {address.Segment:x4}:{address.Bus:x2}:{address.Device:x2}.{address.Function} already assigned to a different guest?", function: Self);
        }
        else if (hvm && !host.HasIommu)
        {
            Log("error", 1658, $"Domain {domain}:PCI device {address.Segment:x4}:{address.Bus:x2}:{address.Device:x2}.{address.Function} cannot be assigned - no IOMMU?", function: Self);
        }
        else if (Assignable() is not { } assignable || !assignable.Contains(address))
        {
            Log("error", 1677, $"Domain {domain}:PCI device {Short(address)} is not assignable", function: Self);
        }
        else
        {
            Store.Write(Info(address, "domid"), $"{domain}");
            Reset(domain, address);
            var result = new StrongBox<int>();
            foreach (var wait in AddToDomain(domain, address, starting, result))
                yield return wait;
            code = result.Value;
        }
        if (code != 0)
        {
            Log("error", 1809, $"Domain {domain}:libxl__device_pci_add failed for PCI device {Short(address)} (rc {code})", function: "device_pci_add_done");
            Log("error", 1486, "unable to add device", file: "libxl_device.c", function: "device_addrm_aocomplete");
            // Also when it is another guest's: the loser of two attaches removes the winner's mark (seen in the lab).
            Store.Remove(Info(address, "domid"));
            process.ExitCode = 1;
        }
    }

    void Reset(int domain, PciAddress address)
    {
        if (host.Find(address) is { ResetMethods: "" })
            Log("error", 1573, $"Domain {domain}:The kernel doesn't support reset from sysfs for PCI device {address}", function: "libxl__device_pci_reset");
    }

    IEnumerable<TimeSpan> AddToDomain(int domain, PciAddress address, bool starting, StrongBox<int> result)
    {
        result.Value = Fail;
        if (host.FindDomain(domain) is not SimGuest guest)
        {
            Log("error", 37, $"unable to get domain type for domid={domain}", file: "libxl_dom.c", function: "libxl__domain_type");
            yield break;
        }
        if (host.Iommu.Assign(domain, address, IsThere(address)) is > 0 and var errno)
        {
            Log("error", 1529, $"Domain {domain}:xc_assign_device failed", errno, function: "pci_add_dm_done");
            yield break;
        }

        var backend = BackendOf(domain);
        var isNew = !Store.Exists($"{backend}/num_devs");
        if (!isNew && !starting && guest.Plan.Type == GuestType.Pv)
        {
            var ready = new StrongBox<bool>();
            foreach (var wait in WaitForBackend(backend, ready))
                yield return wait;
            if (!ready.Value)
                yield break;
        }
        var n = Store.ReadNumber($"{backend}/num_devs", 0);
        if (isNew)
        {
            var frontend = $"/local/domain/{domain}/device/pci/0";
            // One transaction: watchers see all of it at once, and only after it.
            Store.Write($"{frontend}/backend", backend);
            Store.Write($"{frontend}/backend-id", "0");
            Store.Write($"{frontend}/state", "1");
            Store.SetPermissions(frontend, $"n{domain},r0");
            Store.Write($"{backend}/frontend", frontend);
            Store.Write($"{backend}/frontend-id", $"{domain}");
            Store.Write($"{backend}/online", "1");
            Store.Write($"{backend}/state", "1");
            Store.Write($"{backend}/domain", guest.Name);
            Store.SetPermissions(backend, $"n0,r{domain}");
        }
        Store.Write($"{backend}/key-{n}", $"{address}");
        Store.Write($"{backend}/dev-{n}", $"{address}");
        // QEMU takes the first free device of its bus.
        if (guest.Plan.Type == GuestType.Hvm)
            Store.Write($"{backend}/vdevfn-{n}", Enumerable.Range(4, 28).Select(static device => $"{device << 3:x}").First(place => Enumerable.Range(0, n).All(other => Store.ReadText($"{backend}/vdevfn-{other}") != place)));
        Store.Write($"{backend}/opts-{n}", "msitranslate=0,power_mgmt=0,permissive=0,rdm_policy=strict");
        Store.Write($"{backend}/state-{n}", "1");
        Store.Write($"{backend}/num_devs", $"{n + 1}");
        if (n > 0 && !starting)
            Store.Write($"{backend}/state", "7");
        if (guest.Plan.Type == GuestType.Hvm)
            guest.PlugHvm(int.Parse(Store.ReadText($"{backend}/vdevfn-{n}")!, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture), host.Find(address)!);
        host.WriteDomainConfig(guest);
        result.Value = 0;
    }

    /// <summary>libxl__wait_for_backend: looks every tenth of a second, a hundred times.</summary>
    IEnumerable<TimeSpan> WaitForBackend(string backend, StrongBox<bool> ready)
    {
        for (var watchdog = 100; watchdog > 0; watchdog--)
        {
            if (Store.ReadText($"{backend}/state") is not string state)
            {
                Log("error", 1460, $"Backend {backend} does not exist", file: "libxl_device.c", function: "libxl__wait_for_backend");
                yield break;
            }
            if (state == "4")
            {
                ready.Value = true;
                yield break;
            }
            yield return Poll;
        }
        Log("error", 1470, $"Backend {backend} not ready", file: "libxl_device.c", function: "libxl__wait_for_backend");
    }

    IEnumerable<TimeSpan> PciDetach(string name, string bdf, bool force)
    {
        if (FindDomain(name) is not int domain)
            yield break;
        if (!TrySpec(bdf, out var address))
        {
            process.Error($"pci-detach: malformed PCI_SPEC_STRING \"{bdf}\"");
            process.ExitCode = 2;
            yield break;
        }
        var attached = Attached(domain);
        var isAttached = attached?.Contains(address) == true;
        if (attached is not null && !isAttached)
            Log("error", 1969, $"Domain {domain}:PCI device not attached to this domain", function: "do_pci_remove");
        if (!isAttached && !force)
        {
            Log("error", 1486, "unable to remove device", file: "libxl_device.c", function: "device_addrm_aocomplete");
            process.ExitCode = 1;
            yield break;
        }

        if (host.FindDomain(domain) is { Plan.Type: GuestType.Hvm } guest)
        {
            var left = new StrongBox<bool>();
            foreach (var wait in RemoveFromDeviceModel(guest, address, left))
                yield return wait;
            if (!left.Value && !force)
            {
                Log("error", 1486, "unable to remove device", file: "libxl_device.c", function: "device_addrm_aocomplete");
                process.ExitCode = 1;
                yield break;
            }
        }

        // The order is libxl's: the function is taken from the guest in the IOMMU before the guest is asked to let go.
        if (host.Iommu.Owner(address) != domain && host.Find(address) is { Irq: > 0 and var irq })
            Log("error", 2044, $"Domain {domain}:xc_physdev_unmap_pirq irq={irq}", Errno.EINVAL, function: "do_pci_remove");
        Reset(domain, address);
        if (host.Iommu.Deassign(domain, address) is > 0 and var errno)
            Log("error", 2258, $"Domain {domain}:xc_deassign_device failed", errno, function: "pci_remove_detached");
        foreach (var wait in RemoveFromXenstore(domain, address))
            yield return wait;
        // Whatever came of the request to the guest, libxl calls it a success.
        Store.Remove(Info(address, "domid"));
    }

    /// <summary>The device model asks the guest; libxl looks once a second, ten times (pci_remove_qmp_retry_timer_cb).</summary>
    IEnumerable<TimeSpan> RemoveFromDeviceModel(SimGuest guest, PciAddress address, StrongBox<bool> left)
    {
        var id = $"pci-pt-{address.Bus:x2}_{address.Device:x2}.{address.Function:x1}";
        if (!guest.HasInDeviceModel(address))
        {
            Log("error", 1837, $"Domain {guest.DomId}:Device '{id}' not found", file: "libxl_qmp.c", function: "qmp_ev_parse_error_messages");
            yield break;
        }
        guest.UnplugHvm(address);
        for (var watchdog = 10; watchdog > 0 && guest.HasInDeviceModel(address); watchdog--)
            yield return TimeSpan.FromSeconds(1);
        left.Value = !guest.HasInDeviceModel(address);
        if (!left.Value)
            Log("warning", 2218, $"Domain {guest.DomId}:timed out waiting for DM to remove {id}", function: "pci_remove_timeout");
    }

    IEnumerable<TimeSpan> RemoveFromXenstore(int domain, PciAddress address)
    {
        var backend = BackendOf(domain);
        if (host.FindDomain(domain) is not SimGuest guest)
            yield break;
        var waits = guest.Plan.Type == GuestType.Pv;
        var ready = new StrongBox<bool>();
        foreach (var wait in waits ? WaitForBackend(backend, ready) : [])
            yield return wait;
        if ((waits && !ready.Value) || Attached(domain) is not { } attached || attached.IndexOf(address) is not (>= 0 and var n))
            yield break;
        Store.Write($"{backend}/state-{n}", "5");
        Store.Write($"{backend}/state", "7");
        ready.Value = false;
        // Between the first look and the guest's answer the state is not yet 4 again: the watchers have not run.
        yield return TimeSpan.FromMilliseconds(1);
        foreach (var wait in waits ? WaitForBackend(backend, ready) : [])
            yield return wait;
        if (waits && !ready.Value)
            yield break;
        foreach (var key in (string[])["state", "key", "dev", "vdev", "opts", "vdevfn", "name"])
            Store.Remove($"{backend}/{key}-{n}");
        Store.Write($"{backend}/num_devs", $"{attached.Count - 1}");
        for (var higher = n + 1; higher < attached.Count; higher++)
        {
            foreach (var key in (string[])["state", "dev", "key", "vdev", "opts", "vdevfn", "name"])
            {
                if (Store.Read($"{backend}/{key}-{higher}") is not byte[] value)
                    continue;
                Store.Write($"{backend}/{key}-{higher - 1}", value);
                Store.Remove($"{backend}/{key}-{higher}");
            }
        }
        if (attached.Count == 1)
        {
            Store.RemoveWithEmptyParents($"/local/domain/{domain}/device/pci/0");
            Store.RemoveWithEmptyParents(backend);
        }
        host.WriteDomainConfig(guest);
    }

    // ---- guests -----------------------------------------------------------------------------------------------------------------------

    IEnumerable<TimeSpan> Create(string file)
    {
        var name = Path.GetFileNameWithoutExtension(file);
        if (host.Plan(name) is not GuestPlan plan)
        {
            process.Error($"Failed to read config file: {file}: No such file or directory");
            process.ExitCode = 1;
            yield break;
        }
        process.Error($"Parsing config from {file}");
        if (host.FindGuest(name) is SimGuest running)
        {
            process.Error($"libxl: error: libxl_domain.c:154:libxl__domain_rename: Domain {running.DomId + 1}:Domain with name \"{name}\" already exists.");
            process.ExitCode = 3;
            yield break;
        }
        if (!host.HasIommu && (plan.Passthrough || plan.Functions.Count > 0))
        {
            process.Error("libxl: error: libxl_create.c:1105:libxl__domain_config_setdefault: passthrough not supported on this platform");
            process.ExitCode = 6;
            yield break;
        }
        yield return TimeSpan.FromSeconds(1);
        host.Launch(plan);
    }

    IEnumerable<TimeSpan> Destroy(string name)
    {
        if (FindDomain(name) is not int domain)
            yield break;
        if (host.FindDomain(domain) is not SimGuest guest)
        {
            process.ExitCode = 1;
            yield break;
        }
        yield return TimeSpan.FromSeconds(1);
        // A guest whose frontend does not answer leaves its backend's nodes behind for ever (seen in the lab).
        host.End(guest, leavesNodes: guest.Habit.LetsGo is null);
    }

    /// <summary>
    /// The guest is suspended while it is written. Then it is ended, or, as if it had never been suspended, goes on (<c>-c</c>) or waits paused
    /// (<c>-p</c>). xl writes over what is there, flushes nothing, and refuses nothing for the sake of functions.
    /// </summary>
    IEnumerable<TimeSpan> Save(string name, string file, bool leavesPaused, bool goesOn)
    {
        if (FindDomain(name) is not int domain || host.FindDomain(domain) is not SimGuest guest)
            yield break;
        if (!host.WriteImage(file, []))
        {
            process.Error($"Failed to open temp file {file} for writing: No such file or directory");
            process.ExitCode = 2;
            yield break;
        }
        process.Error($"Saving to {file} new xl format (info 0x3/0x0/{host.DomainConfig(guest).Length + 6})");
        guest.IsSuspended = true;
        yield return TimeSpan.FromSeconds(3);
        // An HVM guest's kernel says that it cannot have its interrupt again, and goes on (seen in the lab).
        host.WriteImage(file, SimImage.Write(host.DomainConfig(guest), guest is { HasHadPin: true, Plan.Type: GuestType.Pv }));
        (guest.IsPaused, guest.IsSuspended) = (leavesPaused, false);
        if (!goesOn)
            host.End(guest, leavesNodes: guest.Functions.Count > 0);
    }

    IEnumerable<TimeSpan> Restore(string file)
    {
        process.ExitCode = 1;
        if (host.ReadImage(file) is not byte[] bytes)
        {
            process.Error($"Can't open restore file: {file}: No such file or directory");
            yield break;
        }
        if (SimImage.Read(bytes) is not { } image || host.Plan(image.Name) is not GuestPlan plan)
        {
            process.Error($"libxl: error: libxl_utils.c:505:libxl_read_exactly: file/stream truncated reading header from {file}");
            yield break;
        }
        process.Error($"Loading new save file {file} (new xl fmt info 0x3/0x0/{bytes.Length})");
        if (host.FindGuest(image.Name) is SimGuest running)
        {
            process.Error($"libxl: error: libxl_domain.c:154:libxl__domain_rename: Domain {running.DomId + 1}:Domain with name \"{image.Name}\" already exists.");
            yield break;
        }
        yield return TimeSpan.FromSeconds(3);
        if (!image.IsWhole)
        {
            process.Error("xc: error: Restore failed (0 = Success): Internal error");
            yield break;
        }
        // The kernel of a guest that once had a function with an interrupt pin dies as it resumes (seen in the lab); Xen does not see that.
        host.Launch(plan with { Functions = [], Habit = image.HasHadPin ? FrontendHabit.NeverAnswers : plan.Habit }, image.Uuid);
        process.ExitCode = 0;
    }

    IEnumerable<TimeSpan> Pause(string name, bool paused)
    {
        if (FindDomain(name) is not int domain || host.FindDomain(domain) is not SimGuest guest)
            yield break;
        // Telling it to a guest that is not paused is an error that leaves the exit code alone (seen in the lab).
        if (!paused && !guest.IsPaused)
            Log("error", 688, $"Domain {domain}:Unpausing domain: Invalid argument", file: "libxl_domain.c", function: "domain_unpause_done");
        guest.IsPaused = paused;
    }
}
