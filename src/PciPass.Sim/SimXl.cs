using System.Globalization;
using System.Runtime.CompilerServices;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>
/// The toolstack <c>xl</c> of Xen 4.17: the same acts in the same order as libxl, with its exit codes and its messages on standard
/// error (tools/libs/light/libxl_pci.c, tools/xl/xl_pci.c). A text in the log carries the line of libxl's source that says it.
/// </summary>
sealed partial class SimXl
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
}
