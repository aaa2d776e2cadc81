using System.Globalization;
using System.Net;
using System.Text;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>
/// A simulated host: a machine with PCI functions, a Linux kernel, Xen with its toolstack and guests, and files. It models what a
/// write means, at the boundary where bytes cross, so that the real program runs on it unchanged. Everything happens in one thread
/// and in virtual time; the same calls always have the same result.
/// </summary>
/// <remarks>
/// Its rules are those of Linux 6.1 and Xen 4.17, each with a test that also runs on a real kernel. Not modelled: memory, interrupts,
/// what a driver does besides taking a function and naming a network interface or a disk.
/// </remarks>
public sealed partial class SimHost : HostSystem
{
    readonly SimTree tree;
    readonly List<SimFunction> wired = [];
    readonly List<SimGuest> guests = [];
    readonly Dictionary<string, GuestPlan> plans = new(StringComparer.Ordinal);
    readonly Dictionary<int, SimBackend> backends = [];
    readonly List<string> trace = [];
    readonly List<string> kernelLog = [];
    readonly List<string> pcibackLog = [];
    readonly SortedSet<string> loadedModules = new(StringComparer.Ordinal);
    readonly List<string> messages = [];
    readonly List<SimFile> held = [];
    TimeSpan bootedAt;
    readonly List<SimXenstoreChannel> channels = [];
    readonly List<ByteChannel> sockets = [];
    readonly List<QemuPlan> qemuPlans = [];
    readonly List<SimQemu> qemus = [];
    readonly List<IReadOnlyList<string>> detached = [];
    int processNumber;
    int nextDomId = 1;
    int nextProcess = 2001;
    int reads;
    int changesLeft = -1;
    int operationsLeft = -1;
    string? crashDuring;
    bool dead;

    SimHost(bool xen)
    {
        IsXen = xen;
        tree = new SimTree(this);
        Shell = new SimShell(this);
    }

    public override SysTree Files => tree;
    public override SimClock Clock { get; } = new();
    public override Caller Caller => caller;
    public override string? Variable(string name) => Variables.GetValueOrDefault(name);

    /// <summary>The environment of the programs that run there.</summary>
    public Dictionary<string, string> Variables { get; } = new(StringComparer.Ordinal);

    /// <summary>Whether Xen is below the kernel.</summary>
    public bool IsXen { get; }

    /// <summary>How many bytes its disk still takes, as statfs(2) tells it; that a write fails is for <see cref="Faults"/> to say.</summary>
    public long? Room { get; set; } = 1L << 40;

    public bool HasIommu => Iommu.Present;

    /// <summary>What goes wrong.</summary>
    public Faults Faults { get; } = new();

    // Functions whose lock was taken by a write that hangs, or hung, and that write's path.
    readonly Dictionary<string, string> lockedFunctions = new(StringComparer.Ordinal);

    /// <summary>Whether somebody has asked the program to end, as Ctrl-C does.</summary>
    public bool Interrupt { get; set; }

    public override bool IsInterrupted => Interrupt;

    /// <summary>The programs of the demonstration, on the host and in guests.</summary>
    public SimShell Shell { get; }

    public IEnumerable<SimFunction> Functions => Pci.Functions;
    public IReadOnlyList<SimGuest> Guests => guests;

    /// <summary>The libvirtd that runs here; null without one.</summary>
    public SimLibvirt? Libvirt { get; private set; }

    /// <summary>The running QEMUs.</summary>
    public IReadOnlyList<SimQemu> Qemus => qemus;
    public SimPciback? Pciback => Pci.Pciback;

    /// <summary>What programs wrote into the kernel's log since the last start, with their levels (<c>&lt;3&gt;</c> is an error).</summary>
    public IReadOnlyList<string> KernelLog => kernelLog;

    /// <summary>The kernel notes each function that a guest gets. Everybody may read it here, as where the kernel does not restrict that.</summary>
    public override string ReadKernelLog() => string.Join('\n', pcibackLog);

    internal void LogRegistration(PciAddress address, int domain) =>
        pcibackLog.Add(string.Create(CultureInfo.InvariantCulture, $"<6>[{Uptime.TotalSeconds,12:0.000000}] pciback {address}: registering for {domain}"));

    TimeSpan Uptime => Clock.Elapsed - bootedAt;

    /// <summary>How often the machine was started.</summary>
    public int BootNumber { get; private set; }

    /// <summary>How many bytes at most one read from xenstore returns, to try clients that count on more.</summary>
    public int XenstoreChunk { get; set; } = int.MaxValue;

    internal SimIommu Iommu { get; } = new();
    internal SimXenstore Store { get; } = new();
    internal SimNames Names { get; private set; } = null!;
    internal SimPci Pci { get; private set; } = null!;
    internal bool IsRoot => caller.UserId == 0;

    Caller caller = new(0, "root", null, 1000);
    string? sshSession;

    public SimFunction? Find(PciAddress address) => Pci.Find(address);

    /// <summary>The function at an address written like <c>09:00.0</c>.</summary>
    public SimFunction Function(string address) => Find(PciAddress.Parse(address)) ?? throw new ArgumentException($"there is no function at {address}", nameof(address));

    /// <summary>The domain to which a function's DMA belongs: <c>dom0</c>, <c>d[IO]</c> (quarantine) or <c>domid 3</c>.</summary>
    public string OwnerOf(PciAddress address) => Iommu.Describe(address);

    public SimGuest? FindGuest(string name) => guests.Find(guest => guest.Name == name);

    internal SimGuest? FindDomain(string domid) =>
        int.TryParse(domid, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? FindDomain(number) : null;

    internal SimGuest? FindDomain(int domid) => guests.Find(guest => guest.DomId == domid);

    // ---- operations, and their end -------------------------------------------------------------------------------------------------

    /// <summary>What was done to the host since it began, in order; reads are not in it.</summary>
    public IReadOnlyList<string> Trace => trace;

    /// <summary>How many operations changed something (or flushed it) so far.</summary>
    public int Changes => trace.Count;

    /// <summary>How many operations there were so far, reads included.</summary>
    public int Operations => reads + trace.Count;

    /// <summary>Lets the process die right after the n-th operation from now that changes something; before the first when 0.</summary>
    public void CrashAfter(int changes)
    {
        changesLeft = changes;
        if (changes == 0)
            operationsLeft = -1;
    }

    /// <summary>Lets the process die right after the n-th operation from now, reads included.</summary>
    public void CrashAfterOperations(int operations) => operationsLeft = operations;

    /// <summary>
    /// Lets the process die right after it has started a program, which goes on alone: <c>xl pci-attach</c>. Time must pass for it to end.
    /// </summary>
    public void CrashDuring(string commandLine) => crashDuring = commandLine;

    /// <summary>A new process of the same program: locks and connections of the old one are gone, no crash is planned any more.</summary>
    public void StartProcess()
    {
        Abandon();
        dead = false;
        changesLeft = operationsLeft = -1;
        crashDuring = null;
        tree.Delete($"/proc/{caller.ProcessId}/environ");
        caller = caller with { ProcessId = caller.ProcessId + 1 };
        if (sshSession is not null)
            tree.Put($"/proc/{caller.ProcessId}/environ", Encoding.UTF8.GetBytes($"SSH_CONNECTION={sshSession}\0"));
    }

    void Abandon()
    {
        processNumber++;
        foreach (var file in held)
            file.Locked = false;
        held.Clear();
        foreach (var channel in channels)
            channel.Close();
        channels.Clear();
        foreach (var socket in sockets)
            socket.Dispose();
        sockets.Clear();
    }

    void Die(string after)
    {
        dead = true;
        Abandon();
        throw new SimCrash($"the process died after: {after}");
    }

    internal void Check(int process)
    {
        if (dead || process != processNumber)
            throw new SimCrash("this process has died");
    }

    /// <summary>Every operation begins here.</summary>
    internal void Enter(string what)
    {
        if (dead)
            throw new SimCrash("this process has died");
        if (BootNumber == 0)
            Boot();
        CountRead(what);
    }

    internal void CountRead(string what)
    {
        reads++;
        if (operationsLeft >= 0 && operationsLeft-- == 0)
            Die($"(before) {what}");
    }

    /// <summary>Every change that a process makes goes through here.</summary>
    internal void Change(string what, Action act)
    {
        if (changesLeft == 0)
            Die($"(before) {what}");
        trace.Add(what);
        act();
        if (changesLeft > 0 && --changesLeft == 0)
            Die(what);
    }

    internal IDisposable Hold(SimFile file)
    {
        held.Add(file);
        return new Held(this, file);
    }

    sealed class Held(SimHost host, SimFile file) : IDisposable
    {
        public void Dispose()
        {
            if (host.held.Remove(file))
                file.Locked = false;
        }
    }

    /// <summary>What the kernel answers to a write: 0 or an error number.</summary>
    internal int KernelWrite(string path, string value, Func<string, int> write)
    {
        Clock.Advance(TimeSpan.FromMilliseconds(1));
        return Faults.Check(path, value) is > 0 and var errno ? errno : write(value);
    }

    /// <summary>The same for a path, as a program does it.</summary>
    internal int KernelWrite(string path, string value) => tree.Resolve(path) switch
    {
        SimAttribute { Write: { } write } => KernelWrite(path, value, write),
        null => Errno.ENOENT,
        _ => Errno.EACCES,
    };

    /// <summary>
    /// The path whose hang a write waits for: its own, or that of another write that holds the function's lock (device_lock() in
    /// drivers/base/bus.c and dd.c; driver_set_override() takes it too). Null when it would go on. Of reads, that of driver_override
    /// takes the lock.
    /// </summary>
    internal string? HangsBehind(string path, string value, bool reading = false)
    {
        if (lockedFunctions.Count == 0 && reading)
            return null;
        var parts = path.Split('/');
        var name = parts[^1] is "bind" or "unbind" or "drivers_probe" ? value.Trim() : parts[^1] is "driver_override" or "remove" or "reset" ? parts[^2] : "";
        if (lockedFunctions.TryGetValue(name, out var other) && Faults.IsHung(other))
            return !reading || parts[^1] == "driver_override" ? other : null;
        if (reading || !Faults.IsHung(path))
            return null;
        if (name.Length > 0)
            lockedFunctions[name] = path;
        return path;
    }

    internal void WhenReleased(string path, Action action)
    {
        if (Faults.IsHung(path))
            Clock.After(TimeSpan.FromMilliseconds(100), () => WhenReleased(path, action));
        else
            action();
    }

    // ---- programs --------------------------------------------------------------------------------------------------------------------

    public override ProgramResult Run(string program, IReadOnlyList<string> arguments, TimeSpan deadline) => Run(program, arguments, deadline, null);

    public override ProgramResult Run(string program, IReadOnlyList<string> arguments, TimeSpan deadline, string? input)
    {
        var commandLine = string.Join(' ', [program, .. arguments]);
        Enter($"run {commandLine}");
        if (Faults.Check(commandLine) is > 0 and var errno)
            throw new HostFailure("run", program, errno);
        if (Faults.CheckProgram(commandLine) is ProgramResult planned)
            return planned;
        var process = program switch
        {
            "xl" when IsXen => SimXl.Start(this, arguments),
            "xenstore-read" or "xenstore-ls" or "xenstore-list" or "xenstore-exists" or "xenstore-write" or "xenstore-rm" when IsXen =>
                SimStorePrograms.Start(this, program, arguments),
            "modprobe" => Modprobe(arguments),
            "ip" => SimIp.Start(Names, arguments),
            "ssh" => SimSsh.Start(this, arguments, input is null ? [] : ReadImage(input) ?? throw new HostFailure("read", input, Errno.ENOENT)),
            "dmesg" when arguments is ["-r"] => SimProcess.Ended(new ProgramResult(0, string.Concat(kernelLog.Select(line => line.Insert(line.IndexOf('>') + 1, "[    0.000000] ") + '\n')), "")),
            "dmesg" => SimProcess.Ended(new ProgramResult(0, string.Concat(messages.Select(line => $"{line}\n")), "")),
            "net-check" or "show-pci" => SimProcess.Ended(Shell.OnHost(commandLine)),
            _ => throw new HostFailure("run", program, Errno.ENOENT),
        };
        if (process.ChangesSomething)
            Change($"run {commandLine}", Go);
        else
            Go();
        return process.Result;

        void Go()
        {
            if (Faults.IsHung(commandLine))
                WhenReleased(commandLine, () => process.Begin(Clock));
            else
                process.Begin(Clock);
            if (crashDuring is not null && commandLine.StartsWith(crashDuring, StringComparison.Ordinal))
                Die($"start {commandLine}");
            if (!Clock.WaitFor(() => process.HasEnded, deadline))
                throw new DeadlinePassed(commandLine, deadline);
        }
    }

    readonly Dictionary<string, Func<IReadOnlyList<string>, byte[], ProgramResult>> peers = new(StringComparer.Ordinal);
    readonly Dictionary<string, Func<SimHost?>> toolstackPeers = new(StringComparer.Ordinal);
    byte[] programInput = [];

    /// <summary>Another host that ssh reaches from here, and what a command does there: its words, and its input.</summary>
    public SimHost WithPeer(string name, Func<IReadOnlyList<string>, byte[], ProgramResult> run)
    {
        peers[name] = run;
        return this;
    }

    /// <summary>What a command does on another host; null where there is none of that name.</summary>
    public Func<IReadOnlyList<string>, byte[], ProgramResult>? Peer(string name) => peers.GetValueOrDefault(name);

    /// <summary>Another host whose libvirt or xl is reached from here by ssh; null while it is not.</summary>
    public SimHost WithToolstackPeer(string name, Func<SimHost?> peer)
    {
        toolstackPeers[name] = peer;
        return this;
    }

    internal Func<SimHost?>? ToolstackPeer(string name) => toolstackPeers.GetValueOrDefault(name);

    /// <summary>Whether, and when, the next xl that moves a guest away is killed; null where it comes to its end.</summary>
    public XlDeath? XlDeath { get; set; }

    /// <summary>What the next process reads from its input.</summary>
    public void GiveInput(byte[] content) => programInput = content;

    public override Stream OpenInput() => new MemoryStream(programInput, writable: false);

    /// <summary>What this program has started to outlive it: the arguments of each. Whoever plays on runs them when their time has come.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Detached => detached;

    public override void StartDetached(params IReadOnlyList<string> arguments)
    {
        var commandLine = $"start {string.Join(' ', arguments)}";
        Enter(commandLine);
        if (Faults.Check(commandLine) is > 0 and var errno)
            throw new HostFailure("start", ProgramPath, errno);
        Change(commandLine, () => detached.Add(arguments));
    }

    public override void Wait(TimeSpan time)
    {
        Enter("wait");
        Clock.Advance(time);
    }

    public override ByteChannel? ConnectXenstore()
    {
        Enter("connect xenstore");
        if (!IsXen || !IsRoot)
            return null;
        var channel = new SimXenstoreChannel(this, Store, processNumber);
        channels.Add(channel);
        return channel;
    }

    public override ByteChannel? ConnectSocket(string path)
    {
        Enter($"connect {path}");
        if (Faults.Check(path) is > 0 and var errno)
            throw new HostFailure("connect to", path, errno);
        if (!IsRoot)
            throw new HostFailure("connect to", path, Errno.EACCES);
        if (path == SimLibvirt.Socket && Libvirt is not null)
        {
            var connection = new SimLibvirtChannel(this, Libvirt, processNumber);
            sockets.Add(connection);
            Libvirt.Connect(connection);
            return connection;
        }
        if (qemus.Find(qemu => qemu.Plan.HasMonitor && qemu.Socket == path) is not SimQemu listens)
            return null;
        var channel = new SimQmpChannel(this, listens, processNumber);
        sockets.Add(channel);
        listens.Connect(channel);
        return channel;
    }

    public override byte[] DumpAddresses()
    {
        Enter("dump addresses");
        return Names.DumpAddresses();
    }

    // ---- guests ----------------------------------------------------------------------------------------------------------------------

    /// <summary>Starts a guest of QEMU.</summary>
    public SimQemu StartQemu(QemuPlan plan)
    {
        // A number is not used again before all others.
        var qemu = new SimQemu(this, plan, nextProcess++);
        qemus.Add(qemu);
        if (plan.IsLibvirts)
            tree.Put(qemu.ProcessFile, Encoding.UTF8.GetBytes($"{qemu.ProcessId}"));
        else if (plan.HasMonitor)
            tree.Put(qemu.Socket, []);
        return qemu;
    }

    /// <summary>Ends a guest of QEMU.</summary>
    public void EndQemu(string name)
    {
        var qemu = qemus.Find(qemu => qemu.Name == name) ?? throw new ArgumentException($"no guest {name} is running", nameof(name));
        qemus.Remove(qemu);
        qemu.End();
    }

    internal SimDirectory Proc => tree.Root.Make("proc");

    internal void RemoveFile(string path) => tree.Delete(path);

    internal void PutFile(string path, byte[] content) => tree.Put(path, content);

    internal string? ReadFile(string path) => tree.FilesBelow(path[..path.LastIndexOf('/')]).FirstOrDefault(file => file.Path == path).File is SimFile file ? Encoding.UTF8.GetString(file.Content) : null;

    internal IEnumerable<string> FilesIn(string path) => tree.FilesBelow(path).Select(file => file.Path[(path.Length + 1)..]);

    /// <summary>What libvirt does for a guest that it manages functions of: to vfio-pci, or back to whatever driver takes it.</summary>
    internal void Rebind(SimFunction function, string? driver)
    {
        KernelWrite($"/sys/bus/pci/devices/{function.Address}/driver_override", driver ?? "\n");
        if (function.Driver is string before)
            KernelWrite($"/sys/bus/pci/drivers/{before}/unbind", $"{function.Address}");
        KernelWrite("/sys/bus/pci/drivers_probe", $"{function.Address}");
    }

    /// <summary>Starts a configured guest, as <c>xl create</c> does, and waits until its functions are connected.</summary>
    public SimGuest StartGuest(string name)
    {
        var guest = Launch(plans[name]);
        Clock.Advance(TimeSpan.FromSeconds(1));
        return guest;
    }

    internal GuestPlan? Plan(string name) => plans.GetValueOrDefault(name);

    internal SimGuest Launch(GuestPlan plan, string? uuid = null)
    {
        // What it is given when it is made stands in its file, which may have been changed since; a restored one brings its own configuration along.
        if (plan.IsLibvirts && Libvirt?.Definition(plan.Name) is string definition)
            plan = plan with { Functions = [.. Core.Formats.DomainXml.Parse(definition).Functions] };
        else if (uuid is null && Files.ReadText($"/etc/xen/{plan.Name}.cfg") is string text)
            plan = plan with { Functions = [.. Core.Formats.XlConfig.Parse(text).Functions] };
        var guest = new SimGuest(this, plan, nextDomId++, uuid);
        var domain = guest.DomId;
        if (HasIommu && (plan.Passthrough || plan.Functions.Count > 0))
            Iommu.Domains.Add(domain);
        Store.Write($"/vm/{guest.Uuid}/name", plan.Name);
        Store.Write($"/local/domain/{domain}/vm", $"/vm/{guest.Uuid}");
        Store.Write($"/local/domain/{domain}/name", plan.Name);
        Store.Write($"/local/domain/{domain}/domid", $"{domain}");
        Store.Write($"/local/domain/{domain}/memory/target", "262144");
        Store.Write($"/local/domain/{domain}/store/ring-ref", "490375");
        Store.MakeDirectory($"/local/domain/{domain}/device");
        Store.MakeDirectory($"/local/domain/{domain}/control");
        Store.Write($"/libxl/{domain}/type", plan.Type switch { GuestType.Hvm => "hvm", GuestType.Pvh => "pvh", _ => "pv" });
        WriteDomainConfig(guest);
        guests.Add(guest);
        backends[domain] = new SimBackend(this, domain);
        guest.Start();
        if (plan.IsLibvirts)
            Libvirt?.Starts(guest);
        foreach (var function in plan.Functions)
            SimXl.AttachAtStart(this, guest, function);
        Store.FireSpecial("@introduceDomain");
        return guest;
    }

    /// <summary>libxl's own record of a guest's configuration, as JSON that ends with a NUL byte (seen in the lab).</summary>
    internal void WriteDomainConfig(SimGuest guest) =>
        tree.Put(DomainConfigPath(guest), [.. Encoding.UTF8.GetBytes(DomainConfig(guest)), (byte)'\n', 0]);

    static string DomainConfigPath(SimGuest guest) => $"/var/lib/xen/userdata-d.{guest.DomId}.{guest.Uuid}.libxl-json";

    internal string DomainConfig(SimGuest guest)
    {
        var backend = $"/local/domain/0/backend/pci/{guest.DomId}/0";
        // libxl leaves out what is zero.
        var functions = Enumerable.Range(0, Store.ReadNumber($"{backend}/num_devs", 0))
            .Select(n => PciAddress.Parse(Store.ReadText($"{backend}/dev-{n}")))
            .Select(static a => $"{{ {Field("domain", a.Segment)}{Field("bus", a.Bus)}{Field("dev", a.Device)}{Field("func", a.Function)}\"vfunc_mask\": 1, \"rdm_policy\": \"strict\" }}")
            .ToList();
        var type = guest.Plan.Type.ToString().ToLowerInvariant();
        return $"{{ \"domid\": 4294967295, \"c_info\": {{ \"type\": \"{type}\", \"name\": \"{guest.Name}\", \"uuid\": \"{guest.Uuid}\""
            + $"{(guest.Plan.Passthrough || guest.Plan.Functions.Count > 0 ? ", \"passthrough\": \"enabled\"" : "")} }}, "
            + $"\"b_info\": {{ \"max_memkb\": 262144, \"type.{type}\": {{ {(guest.Plan.E820Host ? "\"e820_host\": \"True\"" : "")} }} }}"
            + $"{(functions.Count == 0 ? "" : $", \"pcidevs\": [ {string.Join(", ", functions)} ]")} }}";

        static string Field(string name, int value) => value == 0 ? "" : $"\"{name}\": {value}, ";
    }

    /// <summary>What the kernel says in its log.</summary>
    internal void Say(string message) => messages.Add(string.Create(CultureInfo.InvariantCulture, $"[{Clock.Elapsed.TotalSeconds,12:0.000000}] {message}"));

    /// <summary>The kernel's log has run over: it no longer goes back to its start.</summary>
    public void ForgetMessages() => messages.Clear();

    /// <summary>Writes a file as xl does: over what is there, and not flushed.</summary>
    internal bool WriteImage(string path, byte[] content)
    {
        var slash = path.LastIndexOf('/');
        if (tree.Resolve(path.AsSpan(0, slash)) is not SimDirectory folder)
            return false;
        if (folder.Find(path.AsSpan(slash + 1)) is SimFile there)
            there.Content = content;
        else
            folder.Set(path[(slash + 1)..], new SimFile { Content = content });
        return true;
    }

    internal byte[]? ReadImage(string path) => tree.Resolve(path) is SimFile file ? file.Content : null;

    /// <summary>Ends a guest, as <c>xl destroy</c> does.</summary>
    /// <param name="name">The guest.</param>
    /// <param name="leavesNodes">
    /// Whether the backend's nodes stay in xenstore with state 6, as was seen in the lab after a save: they belong to nobody then.
    /// </param>
    public void DestroyGuest(string name, bool leavesNodes = false) =>
        End(FindGuest(name) ?? throw new ArgumentException($"no guest {name} is running", nameof(name)), leavesNodes);

    internal void Crash(SimGuest guest) => End(guest, leavesNodes: false);

    internal void End(SimGuest guest, bool leavesNodes)
    {
        if (!guest.Alive)
            return;
        guest.Alive = false;
        guest.Stop();
        var domain = guest.DomId;
        var backend = $"/local/domain/0/backend/pci/{domain}/0";
        foreach (var function in Pci.Functions.Where(function => Iommu.Owner(function.Address) == domain || Pciback?.ExportedTo(function.Address) == domain).ToList())
            Store.Remove($"/libxl/pci/{SimXl.Dashed(function.Address)}/domid");
        backends[domain].Stop();
        backends.Remove(domain);
        if (leavesNodes && Store.Exists(backend))
            Store.Write($"{backend}/state", "6");
        else
            Store.RemoveWithEmptyParents(backend);
        Iommu.Release(domain);
        guests.Remove(guest);
        tree.Delete(DomainConfigPath(guest));
        if (guest.Plan.IsLibvirts)
            tree.Delete(SimLibvirtXen.StateFile(guest));
        if (Store.ReadText($"/local/domain/{domain}/vm") is string vm)
            Store.Remove(vm);
        Store.Remove($"/local/domain/{domain}");
        Store.Remove($"/libxl/{domain}");
        Store.FireSpecial("@releaseDomain");
    }

    // ---- what an administrator does ---------------------------------------------------------------------------------------------------

    /// <summary>Puts an address on a network interface; with a broadcast address where one is given, as distributions do it.</summary>
    public SimHost WithAddress(string networkInterface, string address, int prefix, string? broadcast = null)
    {
        Enter("address");
        Names.AddAddress(networkInterface, IPAddress.Parse(address), prefix, broadcast is null ? null : IPAddress.Parse(broadcast));
        return this;
    }

    /// <summary>Sends the default route through a network interface.</summary>
    public SimHost WithDefaultRoute(string networkInterface, string gateway)
    {
        Enter("route");
        Names.AddDefaultRoute(networkInterface, IPAddress.Parse(gateway));
        return this;
    }

    /// <summary>Makes a network interface a port of a bridge.</summary>
    public SimHost WithBridgePort(string networkInterface, string bridge)
    {
        Enter("bridge");
        Names.Enslave(networkInterface, bridge);
        return this;
    }

    /// <summary>Mounts a disk: <c>/dev/nvme0n1p1</c>.</summary>
    public SimHost WithMount(string device, string point, string type = "ext4")
    {
        Enter("mount");
        Names.Mount(device, point, type);
        return this;
    }

    public SimHost WithSwap(string device)
    {
        Enter("swapon");
        Names.SwapOn(device);
        return this;
    }

    /// <summary>Writes a file, which is on disk at once.</summary>
    public SimHost WithFile(string path, string content)
    {
        Enter("file");
        tree.Put(path, Encoding.UTF8.GetBytes(content));
        return this;
    }

    /// <summary>Puts a symbolic link where a file would be.</summary>
    public SimHost WithLink(string path, string target)
    {
        Enter("link");
        tree.Root.Make(path[..path.LastIndexOf('/')]).Set(path[(path.LastIndexOf('/') + 1)..], new SimLink(target));
        return this;
    }

    /// <summary>Gives a file or folder another owner and mode.</summary>
    public SimHost WithOwner(string path, int userId, int groupId, int mode)
    {
        Enter("chown");
        if (tree.Resolve(path, followLast: false) is not SimNode node)
            throw new ArgumentException($"{path} is not there", nameof(path));
        (node.UserId, node.GroupId, node.Mode) = (userId, groupId, mode);
        return this;
    }

    /// <summary>Removes a file.</summary>
    public SimHost WithoutFile(string path)
    {
        Enter("file");
        tree.Delete(path);
        return this;
    }

    /// <summary>Lets a driver's probe fail with an error number from now on; 0 repairs it.</summary>
    public SimHost WithBrokenDriver(string driver, int errno)
    {
        Enter("driver");
        (Pci.FindDriver(driver) ?? throw new ArgumentException($"no driver {driver} is loaded", nameof(driver))).ProbeError = errno;
        return this;
    }

    /// <summary>From now on the program is run over SSH: what sshd leaves in SSH_CONNECTION (client, port, server, port).</summary>
    public SimHost WithSshSession(string connection)
    {
        sshSession = connection;
        StartProcess();
        return this;
    }

    /// <summary>Who runs the program from now on.</summary>
    public SimHost As(int userId, string userName, string? sudoUser = null)
    {
        caller = caller with { UserId = userId, UserName = userName, SudoUser = sudoUser };
        return this;
    }

    // ---- the whole host as text ---------------------------------------------------------------------------------------------------------

    /// <summary>
    /// The whole host as sorted, readable text, made for comparing before and after: functions, slots, uses, guests, what the toolstack
    /// remembers, and the files below <c>/etc</c>. Not in it: what differs by the mere passing of time (boot id, pcipass's journal and
    /// lock, which have their own tests).
    /// </summary>
    public string ToText()
    {
        if (BootNumber == 0)
            Boot();
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"host {(IsXen ? "xen" : "linux")}, {(HasIommu ? "iommu" : "no iommu")}\n");
        foreach (var function in Pci.Functions)
        {
            text.Append(CultureInfo.InvariantCulture, $"function {function.Address} {function.Ids} driver={function.Driver ?? "-"} override={function.DriverOverride ?? "-"}");
            if (IsXen)
                text.Append(CultureInfo.InvariantCulture, $" owner={OwnerOf(function.Address).Replace(' ', '-')}");
            if (function.KernelName is string name)
                text.Append(CultureInfo.InvariantCulture, $" name={name}");
            if (Pciback?.ExportedTo(function.Address) is int domain)
                text.Append(CultureInfo.InvariantCulture, $" exported={domain}");
            if (function.TotalVfs != 0)
                text.Append(CultureInfo.InvariantCulture, $" vfs={function.NumVfs}/{function.TotalVfs}");
            text.Append('\n');
        }
        foreach (var slot in Pciback?.Slots.Order() ?? Enumerable.Empty<PciAddress>())
            text.Append(CultureInfo.InvariantCulture, $"slot {slot}\n");
        foreach (var use in Names.Uses.Order(StringComparer.Ordinal))
            text.Append(CultureInfo.InvariantCulture, $"use {use}\n");
        foreach (var guest in guests.OrderBy(guest => guest.Name, StringComparer.Ordinal))
        {
            text.Append(CultureInfo.InvariantCulture, $"guest {guest.Name} domid={guest.DomId}{(guest.IsSuspended ? " suspended" : guest.IsPaused ? " paused" : "")}\n");
            foreach (var (at, function) in guest.Functions)
                text.Append(CultureInfo.InvariantCulture, $"guest {guest.Name} has {function.Address} at {at} driver={(guest.IsUnbound(at) ? null : guest.DriverOf(function)) ?? "-"}\n");
        }
        foreach (var qemu in qemus.OrderBy(qemu => qemu.ProcessId))
        {
            text.Append(CultureInfo.InvariantCulture, $"qemu {qemu.Name} process={qemu.ProcessId}{(qemu.Plan.IsLibvirts && Libvirt?.StateOf(qemu.Name) is not (1, _) ? " paused" : "")}\n");
            foreach (var (address, port) in qemu.Functions)
                text.Append(CultureInfo.InvariantCulture, $"qemu {qemu.Name} has {address} at {port}\n");
        }
        foreach (var path in StoreLeaves("/libxl/pci").Concat(StoreLeaves("/local/domain/0/backend/pci")).Order(StringComparer.Ordinal))
            text.Append(CultureInfo.InvariantCulture, $"xenstore {path} = {Store.ReadText(path)}\n");
        foreach (var (path, file) in tree.FilesBelow("/var/lib/xen/save").Concat(tree.FilesBelow("/var/lib/libvirt/qemu/save")))
            text.Append(CultureInfo.InvariantCulture, $"image {path} {file.Content.Length}\n");
        foreach (var (path, file) in tree.FilesBelow("/etc"))
        {
            text.Append(CultureInfo.InvariantCulture, $"file {path}\n");
            foreach (var line in Encoding.UTF8.GetString(file.Content).TrimEnd('\n').Split('\n'))
                text.Append(CultureInfo.InvariantCulture, $"  {line}\n");
        }
        return text.ToString();
    }

    IEnumerable<string> StoreLeaves(string path)
    {
        foreach (var name in Store.List(path) ?? [])
        {
            var at = $"{path}/{name}";
            if (Store.Read(at) is { Length: > 0 })
                yield return at;
            foreach (var below in StoreLeaves(at))
                yield return below;
        }
    }

    public override string ToString() => ToText();
}
