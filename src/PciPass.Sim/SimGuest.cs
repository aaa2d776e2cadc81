using PciPass.Core;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>How a guest's PCI frontend answers the backend.</summary>
/// <param name="Connects">How long it takes to take a function in; null when it never does (no xen-pcifront in the guest).</param>
/// <param name="LetsGo">How long it takes to let a function go; null when it never does.</param>
/// <param name="DiesInstead">Whether the guest crashes when it is asked to let go.</param>
public sealed record FrontendHabit(TimeSpan? Connects, TimeSpan? LetsGo, bool DiesInstead = false)
{
    static readonly TimeSpan Quickly = TimeSpan.FromMilliseconds(40);

    public static FrontendHabit Prompt { get; } = new(Quickly, Quickly);
    public static FrontendHabit NeverAnswers { get; } = new(null, null);
    public static FrontendHabit NeverLetsGo { get; } = new(Quickly, null);
    public static FrontendHabit Dies { get; } = new(Quickly, Quickly, DiesInstead: true);
    public static FrontendHabit LetsGoAfter(TimeSpan time) => new(Quickly, time);
}

/// <summary>What the agent in a guest does when it is asked to have a driver let go.</summary>
public enum AgentHabit
{
    /// <summary>There is no agent.</summary>
    None,
    Prompt,

    /// <summary>It says that it is there, and never answers.</summary>
    Silent,

    /// <summary>It answers what nobody asked, at any length.</summary>
    Babbles,

    /// <summary>It says that it has done so, and has not.</summary>
    Lies,
}

/// <summary>A guest as it is configured; it may run or not.</summary>
/// <param name="Name">Its name.</param>
public sealed record GuestPlan(string Name)
{
    public GuestType Type { get; init; } = GuestType.Pv;

    /// <summary>Whether the guest may get functions at all while it runs (<c>passthrough="enabled"</c>).</summary>
    public bool Passthrough { get; init; } = true;

    /// <summary>Whether the guest's memory map leaves room for functions that come later (<c>e820_host=1</c>).</summary>
    public bool E820Host { get; init; } = true;

    /// <summary>The functions that its configuration names.</summary>
    public IReadOnlyList<PciAddress> Functions { get; init; } = [];

    public FrontendHabit Habit { get; init; } = FrontendHabit.Prompt;

    public AgentHabit Agent { get; init; }

    /// <summary>The drivers that the guest's kernel has.</summary>
    public IReadOnlyList<string> Drivers { get; init; } = ["e1000", "e1000e", "nvme", "igb", "igbvf", "bnx2"];

    /// <summary>Whether libvirt starts it and not xl.</summary>
    public bool IsLibvirts { get; init; }

    /// <summary>Whether the host starts it at boot.</summary>
    public bool Autostart { get; init; } = true;
}

/// <summary>A running guest, with the frontend of its PCI bus (drivers/pci/xen-pcifront.c).</summary>
public sealed class SimGuest
{
    readonly SimHost host;
    readonly List<SimXenstore.Watch> watches = [];
    readonly SortedDictionary<string, SimFunction> functions = new(StringComparer.Ordinal);
    readonly Dictionary<SimFunction, string> interfaces = [];

    // What the agent has unbound.
    readonly HashSet<string> undriven = new(StringComparer.Ordinal);

    FrontendHabit habit;

    internal SimGuest(SimHost host, GuestPlan plan, int domId, string? uuid)
    {
        this.host = host;
        Plan = plan;
        DomId = domId;
        Uuid = uuid ?? new Guid(DomId, 0x4f2a, 0x4c11, 0x8e, 0x51, 0, 0, 0, 0, 0, 1).ToString();
        habit = plan.Habit;
    }

    public GuestPlan Plan { get; }
    public string Name => Plan.Name;
    public int DomId { get; }

    /// <summary>Another one at each start, but kept by an image.</summary>
    public string Uuid { get; }

    /// <summary>Whether it ever had a function with an interrupt pin: its kernel keeps the line's interrupt.</summary>
    public bool HasHadPin { get; private set; }

    /// <summary>Whether xl is writing it into an image, or died while it did.</summary>
    public bool IsSuspended { get; set; }

    bool isPaused;

    /// <summary>Whether it stands still; it looks at what it has missed when it goes on.</summary>
    public bool IsPaused
    {
        get => isPaused;
        internal set
        {
            isPaused = value;
            if (!value)
                Habit = habit;
        }
    }

    public bool Alive { get; internal set; } = true;

    /// <summary>How it answers from now on; it also looks again at what it has not answered.</summary>
    public FrontendHabit Habit
    {
        get => habit;
        set
        {
            habit = value;
            Later(TimeSpan.Zero, () =>
            {
                if (Plan.Type == GuestType.Hvm)
                {
                    Eject();
                    return;
                }
                Probe();
                BackendChanged();
            });
        }
    }

    /// <summary>What the guest sees on its PCI bus: its own addresses, and the functions behind them.</summary>
    public IReadOnlyDictionary<string, SimFunction> Functions => functions;

    string Frontend => $"/local/domain/{DomId}/device/pci/0";
    string Backend => $"/local/domain/0/backend/pci/{DomId}/0";

    /// <summary>The driver in the guest that has a function; null when it has none for it.</summary>
    public string? DriverOf(SimFunction function) => Plan.Drivers.FirstOrDefault(name =>
        name is not ("pcieport" or "vfio-pci" or "pci-stub") && SimDriver.Create(name) is var driver && driver.Probe(function) == 0);

    /// <summary>Whether the guest's agent has unbound the driver of what is at this address of the guest's.</summary>
    public bool IsUnbound(string at) => undriven.Contains(at);

    /// <summary>The guest's own network interface for a function: <c>eth0</c>; null when it makes none.</summary>
    public string? InterfaceOf(SimFunction function) => interfaces.GetValueOrDefault(function);

    void Appear(string at, SimFunction function)
    {
        functions[at] = function;
        HasHadPin |= function.InterruptPin != 0;
        if (function.MacAddress is null || DriverOf(function) is null || interfaces.ContainsKey(function))
            return;
        var n = 0;
        while (interfaces.ContainsValue($"eth{n}"))
            n++;
        interfaces[function] = $"eth{n}";
    }

    void Vanish(string at)
    {
        undriven.Remove(at);
        if (functions.Remove(at, out var function))
            interfaces.Remove(function);
    }

    void Asked()
    {
        var home = $"/local/domain/{DomId}";
        if (Plan.Agent is AgentHabit.None or AgentHabit.Silent)
            return;
        if (host.Store.ReadText($"{home}/{GuestAsk.Ask}") is not string text)
        {
            undriven.Clear();
            host.Store.Remove($"{home}/{GuestAsk.Answer}");
            return;
        }
        if (GuestAsk.Parse(text) is not GuestAsk ask)
            return;
        if (Plan.Agent == AgentHabit.Prompt && functions.ContainsKey(ask.Slot.ToString()))
            undriven.Add(ask.Slot.ToString());
        host.Store.Write($"{home}/{GuestAsk.Answer}", Plan.Agent == AgentHabit.Babbles ? $"{ask.Number + 1} done\u0000{new string('x', 1000)}" : ask.AnswerOf(GuestAnswer.Done));
    }

    void VanishAll()
    {
        functions.Clear();
        interfaces.Clear();
        undriven.Clear();
    }

    /// <summary>Watches what a kernel with xen-pcifront watches.</summary>
    internal void Start()
    {
        if (Plan.Type != GuestType.Pv)
            return;
        // The toolstack made the frontend's nodes, or removed them.
        watches.Add(host.Store.Add(Frontend, path =>
        {
            if (path == Frontend)
                Later(TimeSpan.FromMilliseconds(10), Probe);
        }));
        watches.Add(host.Store.Add($"{Backend}/state", _ => Later(TimeSpan.Zero, BackendChanged)));
        if (Plan.Agent == AgentHabit.None)
            return;
        host.Store.Write($"/local/domain/{DomId}/{GuestAsk.Agent}", GuestAsk.Version);
        watches.Add(host.Store.Add($"/local/domain/{DomId}/{GuestAsk.Ask}", _ => Later(TimeSpan.FromMilliseconds(30), Asked)));
    }

    internal void Stop()
    {
        foreach (var watch in watches)
            host.Store.Drop(watch);
    }

    readonly HashSet<PciAddress> ejecting = [];

    /// <summary>An HVM guest gets its functions from its device model, not over xenstore: at this place on its bus, device and function as eight bits.</summary>
    internal void PlugHvm(int place, SimFunction function) => Appear($"0000:00:{place >> 3:x2}.{place & 7}", function);

    internal bool HasInDeviceModel(PciAddress address) => functions.Any(entry => entry.Value.Address == address);

    /// <summary>The device model asks; the guest lets go when it comes to it.</summary>
    internal void UnplugHvm(PciAddress address)
    {
        ejecting.Add(address);
        Later(Habit.LetsGo ?? TimeSpan.Zero, Eject);
    }

    void Eject()
    {
        if (Habit.LetsGo is null)
            return;
        foreach (var (at, _) in functions.Where(entry => ejecting.Contains(entry.Value.Address)).ToList())
            Vanish(at);
        ejecting.Clear();
    }

    void Later(TimeSpan delay, Action action) => host.Clock.After(delay + TimeSpan.FromMilliseconds(1), () =>
    {
        if (Alive && !IsPaused && !IsSuspended && Habit.Connects is not null)
            action();
    });

    int State => host.Store.ReadNumber($"{Frontend}/state", 0);

    void Switch(XenbusState state) => host.Store.Write($"{Frontend}/state", $"{(int)state}");

    void Probe()
    {
        if (!host.Store.Exists(Frontend))
        {
            VanishAll();
            return;
        }
        if (State != (int)XenbusState.Initialising || host.Store.Exists($"{Frontend}/magic"))
            return;
        host.Store.Write($"{Frontend}/pci-op-ref", "8");
        host.Store.Write($"{Frontend}/event-channel", "8");
        host.Store.Write($"{Frontend}/magic", "7");
        Switch(XenbusState.Initialised);
    }

    void BackendChanged()
    {
        switch ((XenbusState)host.Store.ReadNumber($"{Backend}/state", 0))
        {
            case XenbusState.Connected when State == (int)XenbusState.Initialised:
            case XenbusState.Reconfigured when State == (int)XenbusState.Reconfiguring:
                Later(Habit.Connects!.Value, () =>
                {
                    Scan();
                    if (State is (int)XenbusState.Initialised or (int)XenbusState.Reconfiguring)
                        Switch(XenbusState.Connected);
                });
                break;
            case XenbusState.Reconfiguring when State == (int)XenbusState.Connected:
                Reconfigure();
                break;
            case XenbusState.Closing or XenbusState.Closed when State is > 0 and < (int)XenbusState.Closing:
                VanishAll();
                Switch(XenbusState.Closed);
                break;
        }
    }

    void Reconfigure()
    {
        var closing = Enumerable.Range(0, host.Store.ReadNumber($"{Backend}/num_devs", 0))
            .Where(n => host.Store.ReadNumber($"{Backend}/state-{n}", 0) == (int)XenbusState.Closing)
            .Select(n => host.Store.ReadText($"{Backend}/vdev-{n}")).ToList();
        if (closing.Count > 0 && Habit.DiesInstead)
        {
            host.Crash(this);
            return;
        }
        if (closing.Count > 0 && Habit.LetsGo is null)
            return;
        Later(closing.Count > 0 ? Habit.LetsGo!.Value : TimeSpan.Zero, () =>
        {
            if (State != (int)XenbusState.Connected)
                return;
            foreach (var address in closing)
            {
                if (address is not null)
                    Vanish(Seen(address));
            }
            Switch(XenbusState.Reconfiguring);
        });
    }

    /// <summary>Looks for functions that are new.</summary>
    void Scan()
    {
        for (var n = 0; n < host.Store.ReadNumber($"{Backend}/num_devs", 0); n++)
        {
            if (host.Store.ReadText($"{Backend}/vdev-{n}") is string at && host.Store.ReadNumber($"{Backend}/state-{n}", 0) == (int)XenbusState.Initialised
                && PciAddress.TryParse(host.Store.ReadText($"{Backend}/dev-{n}"), out var address) && host.Find(address) is SimFunction function)
                Appear(Seen(at), function);
        }
    }

    // pciback writes the function with two digits.
    static string Seen(string virtualAddress) => virtualAddress is [.., '.', '0', _] ? virtualAddress[..^2] + virtualAddress[^1] : virtualAddress;
}
