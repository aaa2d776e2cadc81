using PciPass.Core;

namespace PciPass.Host;

/// <summary>Where the host stands in relation to a step.</summary>
public enum Position
{
    /// <summary>As before the step.</summary>
    From,

    /// <summary>As after it.</summary>
    To,

    /// <summary>In between, as this very step leaves it when it is interrupted: it can be completed, and it can be reversed.</summary>
    HalfWay,

    /// <summary>None of these: somebody else's doing. Nothing is guessed then.</summary>
    Elsewhere,
}

/// <summary>A position and what was seen, in words.</summary>
public sealed record Observation(Position Position, string Seen);

/// <summary>The guest has been asked to take a function or to let go of one, and has not done so yet.</summary>
public sealed class GuestHolds(string message) : HostFailure(message);

/// <summary>Does single steps, and looks whether they are done: the only code that changes the host.</summary>
/// <param name="host">The host.</param>
/// <param name="writeDeadline">How long a write to the kernel may take; a minute without it.</param>
/// <param name="note">Gets what a guest's agent or another host did, in words.</param>
/// <param name="givenUp">See <see cref="GuestMover"/>.</param>
public sealed class StepRunner(HostSystem host, TimeSpan? writeDeadline = null, Action<string>? note = null, RemoteHost? givenUp = null)
{
    const string Devices = "/sys/bus/pci/devices", Drivers = "/sys/bus/pci/drivers";

    /// <summary>Binding resets cards and loads firmware; past this the kernel is taken to hang.</summary>
    static readonly TimeSpan WriteDeadline = TimeSpan.FromSeconds(60);
    static readonly TimeSpan ModprobeDeadline = TimeSpan.FromSeconds(90);

    /// <summary>How long a guest of QEMU that was asked to let go may take to do so, before it is taken to keep what it has.</summary>
    static readonly TimeSpan SettleDeadline = TimeSpan.FromSeconds(10);

    readonly FileEditor files = new(host.Files);
    readonly NetworkRunner network = new(host);
    readonly GuestMover mover = new(host, note, givenUp);
    readonly Xl xl = new(host);
    readonly XenPlug xenPlug = new(host, note);
    readonly XenSave xenSave = new(host);
    bool? hasQuarantine;

    /// <summary>How often it is looked at what tells nobody of its changes.</summary>
    static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(200);

    /// <summary>How long a run of xl that a dead process left behind may take.</summary>
    static readonly TimeSpan ToolDeadline = TimeSpan.FromSeconds(30);

    LibvirtMove LibvirtMove => new(host, mover, note);
    XenMove XenMove => new(host, mover, note);

    /// <summary>Looks where the host stands; changes nothing.</summary>
    public Observation Observe(Step step) => step switch
    {
        EditFile edit => files.Observe(edit),
        SetNetwork set => network.Observe(set),
        Rebind rebind => Compare(DriverOf(rebind.Address), rebind.From, rebind.To, "driver"),
        SetDriverOverride set => Compare(OverrideOf(set.Address), set.From, set.To, "driver_override"),
        SetAssignable assignable => ObserveAssignable(assignable),
        SetSlot slot => new Observation(IsInSlots(slot.Address) == slot.Reserved ? Position.To : Position.From, IsInSlots(slot.Address) ? "a slot" : "no slot"),
        Probe probe => DriverOf(probe.Address) is DriverName driver
            ? new Observation(Position.To, $"driver {driver}")
            : new Observation(Position.From, "no driver"),
        Configure configure => LibvirtPlug.Observe(host, configure),
        Plug { Start.Toolstack: Toolstack.Libvirt } plug => LibvirtPlug.Observe(host, plug),
        Plug { Start.Toolstack: Toolstack.Qemu } plug => QemuPlug.Observe(host, plug),
        Plug plug => xenPlug.Observe(plug),
        LoadModule module => ObserveModule(module),
        SaveGuest save => xenSave.Observe(save),
        EndGuest end => xenSave.Observe(end),
        Shelve shelve => LibvirtSave.Observe(host, shelve),
        StartGuest { Toolstack: Toolstack.Libvirt } start => LibvirtSave.Observe(host, start),
        StartGuest start => xenSave.Observe(start),
        SendGuest send => mover.Observe(send),
        HandOver hand => mover.Observe(hand),
        Transfer { Start.Toolstack: Toolstack.Xen } move => XenMove.Observe(move),
        Transfer move => LibvirtMove.Observe(move),
        Equip equip => mover.Observe(equip),
        DropImage drop => PathsOf(drop).Any(host.Files.Exists)
            ? new Observation(Position.From, "an image")
            : new Observation(Position.To, "no image"),
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    };

    /// <summary>Removes what an edit that died before its end left beside its file.</summary>
    public void RemoveUnfinished(EditFile edit) => files.RemoveUnfinished(edit);

    /// <summary>Does the step. The caller has seen the host at From, and looks again afterwards.</summary>
    /// <exception cref="HostFailure">The host refused.</exception>
    /// <exception cref="DeadlinePassed">The kernel or a program has not answered.</exception>
    /// <exception cref="GuestHolds">The guest has not let go, or has not taken it.</exception>
    public void Act(Step step)
    {
        switch (step)
        {
            case EditFile edit:
                files.Act(edit);
                break;
            case SetNetwork set:
                network.Act(set);
                break;
            case Rebind { To: null } rebind:
                Write($"{Drivers}/{rebind.From}/unbind", $"{rebind.Address}");
                break;
            case Rebind rebind:
                Write($"{Drivers}/{rebind.To}/bind", $"{rebind.Address}");
                break;
            case SetDriverOverride set:
                // An empty line clears it; writing nothing at all would be no write (seen in the lab).
                Write($"{Devices}/{set.Address}/driver_override", set.To is DriverName to ? $"{to}" : "\n");
                break;
            case SetAssignable { Assignable: true } give:
                GiveToPciback(give.Address);
                break;
            case SetAssignable take:
                TakeFromPciback(take.Address);
                break;
            case SetSlot slot:
                Write($"{Drivers}/pciback/{(slot.Reserved ? "new_slot" : "remove_slot")}", $"{slot.Address}");
                break;
            case Probe probe:
                Write("/sys/bus/pci/drivers_probe", $"{probe.Address}");
                break;
            case Configure configure:
                LibvirtPlug.Act(host, configure);
                break;
            case Plug { Start.Toolstack: Toolstack.Libvirt } plug:
                LibvirtPlug.Act(host, plug);
                break;
            case Plug { Start.Toolstack: Toolstack.Qemu } plug:
                QemuPlug.Act(host, plug);
                break;
            case Plug plug:
                xenPlug.Act(plug);
                break;
            case LoadModule module:
                Modprobe(module);
                break;
            case SaveGuest save:
                xenSave.Act(save);
                break;
            case EndGuest end:
                xenSave.Act(end);
                break;
            case Shelve shelve:
                LibvirtSave.Act(host, shelve);
                break;
            case StartGuest { Toolstack: Toolstack.Libvirt } start:
                LibvirtSave.Act(host, start);
                break;
            case StartGuest start:
                xenSave.Act(start);
                break;
            case SendGuest send:
                mover.Act(send);
                break;
            case HandOver hand:
                mover.Act(hand);
                break;
            case Transfer { Start.Toolstack: Toolstack.Xen } move:
                XenMove.Act(move);
                break;
            case Transfer move:
                LibvirtMove.Act(move);
                break;
            case Equip equip:
                mover.Act(equip);
                break;
            case DropImage drop:
                // The record first: without it, an image is none.
                foreach (var path in PathsOf(drop).Where(host.Files.Exists))
                    host.Files.RemoveFile(path);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(step));
        }
    }

    void GiveToPciback(PciAddress address)
    {
        // Without an IOMMU there is no quarantine: xl binds the function and then fails, and cannot undo that (seen in the lab).
        if (HasQuarantine)
            xl.Run("pci-assignable-add", $"{address}");
        else
            Write($"{Drivers}/pciback/bind", $"{address}");
    }

    void TakeFromPciback(PciAddress address)
    {
        // A guest that has ended before it let go may run again, with the function by its configuration. pciback lets go of what a guest works with, and only warns.
        if (xenPlug.HolderOf(address) is string holder)
            throw new HostFailure($"{holder} has it");
        var driver = DriverOf(address);
        if (driver == DriverName.Pciback && !HasQuarantine)
        {
            Write($"{Drivers}/pciback/unbind", $"{address}");
        }
        else if (driver == DriverName.Pciback)
        {
            // Taking it out of quarantine fails, and changes nothing, for a function that is not in it (hidden by hand or at boot); whether it
            // is cannot be seen. Such a one is put in first, which does no harm to one that is (seen in the lab).
            if (xl.ExitCodeOf("pci-assignable-remove", $"{address}") != 0)
            {
                xl.Run("pci-assignable-add", $"{address}");
                xl.Run("pci-assignable-remove", $"{address}");
            }
        }
        else if (driver is null && HasQuarantine)
        {
            // Unbound behind our back, or never bound: in quarantine it may be or not, and where it is not, this fails.
            xl.ExitCodeOf("pci-assignable-remove", $"{address}");
        }
        // xl leaves the slot when its own bind fails (seen in the lab). One that is still bound keeps it: xl tells success then too.
        if (DriverOf(address) is null && IsInSlots(address))
            Write($"{Drivers}/pciback/remove_slot", $"{address}");
    }

    Observation ObserveAssignable(SetAssignable step)
    {
        var driver = DriverOf(step.Address);
        var inSlots = IsInSlots(step.Address);
        var position = driver is null
            ? inSlots ? Position.HalfWay : step.Assignable ? Position.From : Position.To
            : driver != DriverName.Pciback ? Position.Elsewhere : step.Assignable ? Position.To : Position.From;
        return new Observation(position, driver is null ? inSlots ? "no driver, but a slot of pciback" : "no driver" : $"driver {driver}");
    }

    /// <summary>The step that takes a function from the driver that it has now; null when it has none.</summary>
    public Step? Undriven(PciAddress address) => DriverOf(address) is DriverName driver ? new Rebind(address, driver, null) : null;

    bool HasQuarantine => hasQuarantine ??= XenReader.ReadIommu(host, new HostSnapshot { BootId = "" }).Iommu != IommuState.Absent;

    Observation ObserveModule(LoadModule step)
    {
        var isThere = host.Files.Exists($"/sys/module/{step.Name.Replace('-', '_')}");
        return new Observation(isThere == step.Loaded ? Position.To : Position.From, isThere ? $"{step.Name} loaded" : $"no {step.Name} loaded");
    }

    void Modprobe(LoadModule step)
    {
        string[] arguments = step.Loaded ? [step.Name] : ["-r", step.Name];
        var result = host.Run("modprobe", arguments, ModprobeDeadline);
        if (result.ExitCode != 0)
            throw new HostFailure($"modprobe {string.Join(' ', arguments)} ended with {result.ExitCode}: {(result.Errors.Trim() is { Length: > 0 } said ? said : "it gave no reason")}");
    }

    bool IsInSlots(PciAddress address) => XenReader.ReadSlots(host.Files).Contains(address);

    /// <summary>
    /// Takes back what the agent in the guest was asked; it binds the driver again where the function stays. QEMU's guests were asked for good: they
    /// let go some seconds later (a PCI Express port's button gives people five to change their mind), or never.
    /// </summary>
    /// <param name="plug">The function, as the guest is to have it again.</param>
    public void CallOff(Plug plug)
    {
        if (plug.Start.Toolstack != Toolstack.Xen)
        {
            for (var start = host.Clock.GetTimestamp(); Observe(plug).Position == Position.To && host.Clock.GetElapsedTime(start) < SettleDeadline;)
                host.Wait(LookAgain);
            return;
        }
        xenPlug.CallOff(plug.Start);
    }

    /// <summary>Whether the guest, or rather this start of it, has ended.</summary>
    public bool IsGone(Plug plug) => plug.Start.Toolstack == Toolstack.Xen ? xenPlug.IsGone(plug.Start) : QemuPlug.IsGone(host, plug);

    /// <summary>
    /// Waits for runs of xl that work on an operation's functions, image or guest: a process that dies leaves its xl running, and it may wait for a guest
    /// for ten seconds before it acts.
    /// </summary>
    /// <returns>Null once there is none; else which one still runs.</returns>
    public string? WaitForTools(Operation operation)
    {
        for (var start = host.Clock.GetTimestamp(); FindTool(operation) is string tool; host.Wait(LookAgain))
        {
            if (host.Clock.GetElapsedTime(start) > (operation.Request.Verb is Verb.Save or Verb.Restore or Verb.Migrate ? XenSave.ImageDeadline : ToolDeadline))
                return $"{tool} is still at work";
        }
        return null;
    }

    string? FindTool(Operation operation)
    {
        // libvirt's work goes on without whoever asked for it.
        if (operation.Steps.Index().Where(step => operation.IsUnderWay(step.Index)).Select(step => step.Item is Transfer { Start.Toolstack: Toolstack.Libvirt } move ? LibvirtMove.WorkOn(move) : LibvirtSave.WorkOn(host, step.Item)).FirstOrDefault(work => work is not null) is string work)
            return work;
        HashSet<string> targets = [.. operation.Request.Functions.Select(function => $"{function}"), .. operation.Steps.Select(step => step switch { SaveGuest save => save.Path, StartGuest start => start.Path, _ => null }).OfType<string>()];
        var ends = operation.Steps.OfType<EndGuest>().Select(step => $"{step.DomId}").ToArray();
        var moves = operation.Steps.OfType<Transfer>().Select(step => $"{step.Start.Number}").ToArray();
        foreach (var process in host.Files.List("/proc").Where(name => name.All(char.IsAsciiDigit)))
        {
            var words = (host.Files.ReadText($"/proc/{process}/cmdline") ?? "").Split('\0', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 1 && words[0][(words[0].LastIndexOf('/') + 1)..] == "xl" && (words.Any(targets.Contains) || (words is [_, "destroy", var domain] && ends.Contains(domain)) || (words is [_, "migrate", .., var moved, _] && moves.Contains(moved))))
                return $"{string.Join(' ', words)} (process {process})";
        }
        return null;
    }

    /// <summary>Writing or reading an image takes as long as the guest is large and the disk slow; past this somebody has to look.</summary>
    static readonly TimeSpan ImageDeadline = TimeSpan.FromHours(1);

    static string[] PathsOf(DropImage drop) => [$"{drop.Path}.pcipass", drop.Path];

    /// <summary>Removes what there is of an image; for a guest that the host's restart has ended, that is all there is to be undone.</summary>
    public void RemoveImage(string path) => xenSave.RemoveImage(path);

    /// <summary>Whether a guest that is moved while it runs is on the other host. For when this one has restarted, and it cannot be here.</summary>
    public bool HasArrived(Transfer move) => mover.Runs(move.Host, move.Guest, move.Start.Toolstack);

    /// <summary>Whether an image that libvirt writes is there from its first byte to its last.</summary>
    public bool IsWhole(Shelve shelve) => LibvirtSave.IsWhole(host, shelve.Path);

    void Write(string path, string value) => host.Files.WriteAttribute(path, value, writeDeadline ?? WriteDeadline);

    DriverName? DriverOf(PciAddress address)
    {
        if (!host.Files.Exists($"{Devices}/{address}"))
            throw new HostFailure($"{address} is gone from the host");
        return host.Files.ReadLink($"{Devices}/{address}/driver") is string link ? DriverName.Parse(link[(link.LastIndexOf('/') + 1)..]) : null;
    }

    DriverName? OverrideOf(PciAddress address) =>
        host.Files.ReadAttribute($"{Devices}/{address}/driver_override", WriteDeadline) is string text and not "(null)" && DriverName.TryParse(text, out var name) ? name : null;

    static Observation Compare(DriverName? seen, DriverName? from, DriverName? to, string what) => new(
        seen == to ? Position.To : seen == from ? Position.From : Position.Elsewhere,
        seen is null ? $"no {what}" : $"{what} {seen}");
}
