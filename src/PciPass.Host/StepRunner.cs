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
    static readonly TimeSpan XlDeadline = TimeSpan.FromSeconds(90);

    /// <summary>How long a guest may take to accept a function, or to let go of one.</summary>
    static readonly TimeSpan GuestDeadline = TimeSpan.FromSeconds(30);

    /// <summary>How long a guest that is in the middle of something may take before a function is taken from it all the same.</summary>
    static readonly TimeSpan SettleDeadline = TimeSpan.FromSeconds(10);

    /// <summary>How long the agent in a guest may take to have a driver unbound; without an answer it is done the plain way.</summary>
    static readonly TimeSpan AgentDeadline = TimeSpan.FromSeconds(10);

    readonly FileEditor files = new(host.Files);
    readonly NetworkRunner network = new(host);
    readonly GuestMover mover = new(host, note, givenUp);
    bool? hasQuarantine;

    /// <summary>How often it is looked at what tells nobody of its changes.</summary>
    static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(200);

    /// <summary>How long a run of xl that a dead process left behind may take.</summary>
    static readonly TimeSpan ToolDeadline = TimeSpan.FromSeconds(30);

    LibvirtMove LibvirtMove => new(host, mover, note);

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
        Plug plug => ObservePlug(plug),
        LoadModule module => ObserveModule(module),
        SaveGuest save => ObserveSave(save),
        EndGuest end => IsAlive(end.Guest, end.DomId)
            ? new Observation(Position.From, $"domain {end.DomId}, which still is there")
            : new Observation(Position.To, $"no domain {end.DomId} any more"),
        Shelve shelve => LibvirtSave.Observe(host, shelve),
        StartGuest { Toolstack: Toolstack.Libvirt } start => LibvirtSave.Observe(host, start),
        StartGuest start => ObserveStart(start),
        SendGuest send => mover.Observe(send),
        HandOver hand => mover.Observe(hand),
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
                ActPlug(plug);
                break;
            case LoadModule module:
                Modprobe(module);
                break;
            case SaveGuest { Saved: true } save:
                WriteImage(save);
                break;
            case SaveGuest back:
                TakeImageBack(back);
                break;
            case EndGuest end:
                Xl(XlDeadline, "destroy", $"{end.DomId}");
                break;
            case Shelve shelve:
                LibvirtSave.Act(host, shelve);
                break;
            case StartGuest { Toolstack: Toolstack.Libvirt } start:
                LibvirtSave.Act(host, start);
                break;
            case StartGuest start:
                Xl(ImageDeadline, "restore", start.Path);
                break;
            case SendGuest send:
                mover.Act(send);
                break;
            case HandOver hand:
                mover.Act(hand);
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
            Xl("pci-assignable-add", $"{address}");
        else
            Write($"{Drivers}/pciback/bind", $"{address}");
    }

    void TakeFromPciback(PciAddress address)
    {
        var driver = DriverOf(address);
        if (driver == DriverName.Pciback && !HasQuarantine)
        {
            Write($"{Drivers}/pciback/unbind", $"{address}");
        }
        else if (driver == DriverName.Pciback)
        {
            // Taking it out of quarantine fails, and changes nothing, for a function that is not in it (hidden by hand or at boot); whether it
            // is cannot be seen. Such a one is put in first, which does no harm to one that is (seen in the lab).
            if (host.Run("xl", ["pci-assignable-remove", $"{address}"], XlDeadline).ExitCode != 0)
            {
                Xl("pci-assignable-add", $"{address}");
                Xl("pci-assignable-remove", $"{address}");
            }
        }
        else if (driver is null && HasQuarantine)
        {
            // Unbound behind our back, or never bound: in quarantine it may be or not, and where it is not, this fails.
            host.Run("xl", ["pci-assignable-remove", $"{address}"], XlDeadline);
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
        var result = host.Run("modprobe", arguments, XlDeadline);
        if (result.ExitCode != 0)
            throw new HostFailure($"modprobe {string.Join(' ', arguments)} ended with {result.ExitCode}: {(result.Errors.Trim() is { Length: > 0 } said ? said : "it gave no reason")}");
    }

    bool IsInSlots(PciAddress address) => XenReader.ReadSlots(host.Files).Contains(address);

    void ActPlug(Plug plug)
    {
        using var store = OpenXenstore();
        // Half-way in, xl has done its part already and would refuse to do it again: only the guest is still at it. What stays half-way
        // was on its way out, and has to be all out before it can be plugged in again. Taken out while the frontend is still at its very
        // first connection, the bus hangs in between for ever (seen in the lab), so that is waited for as well.
        var found = LookUntil(store, plug, static seen => seen.Position != Position.HalfWay, plug.Plugged ? GuestDeadline : SettleDeadline);
        if (found.Position == Position.HalfWay && IsUntaken(store, plug))
            throw Untaken(plug);
        // xl would wait in vain, fail, and leave the function assigned to the guest (seen in the lab).
        if (plug.Plugged && found.Position == Position.From && IsUntaken(store, plug))
            throw new HostFailure($"{Untaken(plug).Message}, for what it has already");
        if (plug.Plugged && found.Position == Position.HalfWay)
            ActPlug(plug with { Plugged = false });
        // By domid, not by name: a guest of the same name that was started meanwhile is another one.
        if (found.Position != Position.To)
        {
            // libxl takes the guest's access away before it asks the guest to let go, and the driver then works on a function that is no
            // longer there (DMA faults, seen in the lab): where the guest has an agent, its driver goes first.
            if (!plug.Plugged && found.Position == Position.From)
                AskToLetGo(store, plug);
            try
            {
                if (!LibvirtPlug.ActOnDomain(host, plug))
                    XlPlug(plug);
            }
            catch (HostFailure failure) when (failure is not DeadlinePassed)
            {
                CallOff(store, plug.Start.Number);
                throw;
            }
        }

        // xl's word is not enough: it returns before the guest has answered, and prints every slot as 00.0 (seen in the lab).
        // Plugged in and all out again means that the guest has ended meanwhile.
        var last = LookUntil(store, plug, seen => seen.Position == Position.To || (plug.Plugged && seen.Position == Position.From), GuestDeadline);
        if (last.Position != Position.To)
        {
            throw plug.Plugged && last.Position == Position.HalfWay && IsUntaken(store, plug) ? Untaken(plug)
                : plug.Plugged
                ? new HostFailure($"guest {plug.Guest} did not accept {plug.Address}: {last.Seen}")
                : new GuestHolds($"guest {plug.Guest} has not let go of {plug.Address} within {GuestDeadline.TotalSeconds:0} s: {last.Seen}");
        }
        CallOff(store, plug.Start.Number);
    }

    /// <summary>
    /// An HVM guest that lets go when xl has stopped waiting leaves a function that its device model no longer has, and libxl still lists. xl then fails at
    /// every further try, and takes the host's side back only when it is forced to (seen in the lab).
    /// </summary>
    void XlPlug(Plug plug)
    {
        if (plug.Plugged)
        {
            Xl("pci-attach", $"{plug.Start.Number}", $"{plug.Address}");
            return;
        }
        var (address, id) = (plug.Address, $"pci-pt-{plug.Address.Bus:x2}_{plug.Address.Device:x2}.{plug.Address.Function:x1}");
        try
        {
            Xl("pci-detach", $"{plug.Start.Number}", $"{address}");
        }
        catch (HostFailure failure) when (failure.Message.Contains($"Device '{id}' not found", StringComparison.Ordinal))
        {
            Xl("pci-detach", "-f", $"{plug.Start.Number}", $"{address}");
        }
        catch (HostFailure failure) when (failure.Message.Contains($"timed out waiting for DM to remove {id}", StringComparison.Ordinal))
        {
            throw new HostFailure($"guest {plug.Guest} has not let go of {address} in the ten seconds that xl waits; where it does so later, the same command completes it");
        }
    }

    /// <summary>
    /// Whether the guest has never taken up its end of the bus: xen-pcifront is not loaded there (an HVM guest, which has functions through its
    /// device model, never does). What is plugged in stays so, all complete on
    /// the host's side, and the guest has it as soon as it loads that module. Taken out before, xl would end with success, the guest would
    /// have lost its access, and the nodes would offer the function for ever: a guest that loads the module then has a dead function in front
    /// of it, and its kernel crashes (all seen in the lab). So it can only be waited, for the module or for the guest's end.
    /// </summary>
    static bool IsUntaken(Xenstore store, Plug plug) =>
        store.Read($"{FrontendPath(plug.Start.Number)}/state") is "1" or "0" && store.Read($"/libxl/{plug.Start.Number}/type") != "hvm";

    static GuestHolds Untaken(Plug plug) =>
        new($"guest {plug.Guest} has not taken up its PCI bus: nothing drives it there; it needs the module xen-pcifront{(plug.Plugged ? "" : $", or to end before {plug.Address} can be taken back")}");

    /// <summary>
    /// Has the agent in the guest unbind the function's driver. A help, and never a condition: an agent that is not there, does not
    /// answer or lies changes only how gently the function goes. Nothing is believed of what it writes but a few words.
    /// </summary>
    void AskToLetGo(Xenstore store, Plug plug)
    {
        var home = $"/local/domain/{plug.Start.Number}";
        if (store.Read($"{home}/{GuestAsk.Agent}") != GuestAsk.Version
            || XenReader.ReadAttachments(store, plug.Start.Number, 0).FirstOrDefault(attachment => attachment.Address == plug.Address)?.VirtualSlot is not string slot || !PciAddress.TryParse(slot, out var at))
            return;
        var ask = new GuestAsk((uint)Random.Shared.Next(), at);
        GuestAnswer? answer = null;
        try
        {
            store.Write($"{home}/{GuestAsk.Ask}", ask.ToString());
            store.WaitFor([$"{home}/{GuestAsk.Answer}"], () => (answer = ask.ReadAnswer(store.Read($"{home}/{GuestAsk.Answer}"))) is null ? null : ask, AgentDeadline);
        }
        catch (HostFailure failure) when (failure is not DeadlinePassed)
        {
            // A guest that has filled its part of xenstore cannot be asked.
            note?.Invoke($"the agent in {plug.Guest} could not be asked: {failure.Message}");
            return;
        }
        catch (DeadlinePassed)
        {
            answer = null;
        }
        note?.Invoke(answer switch
        {
            GuestAnswer.Done => $"the agent in {plug.Guest} says that its driver has let go of {at}",
            GuestAnswer.Free => $"the agent in {plug.Guest} says that no driver has {at}",
            GuestAnswer.Busy => $"the agent in {plug.Guest} says that its driver does not let go of {at}",
            GuestAnswer.Refused => $"the agent in {plug.Guest} does not let {at} go",
            _ => $"the agent in {plug.Guest} has not answered within {AgentDeadline.TotalSeconds:0} s",
        });
    }

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
        using var store = OpenXenstore();
        CallOff(store, plug.Start.Number);
    }

    static void CallOff(Xenstore store, int domId)
    {
        var ask = $"/local/domain/{domId}/{GuestAsk.Ask}";
        if (store.Read(ask) is not null)
            store.Remove(ask);
    }

    /// <summary>Looks again at each change, until it is as wished or the guest's time is up.</summary>
    /// <returns>What was seen last.</returns>
    static Observation LookUntil(Xenstore store, Plug plug, Func<Observation, bool> wished, TimeSpan deadline)
    {
        try
        {
            // The backend is connected before the frontend has looked at what is new, so both are watched.
            return store.WaitFor([XenReader.BackendPath(plug.Start.Number), FrontendPath(plug.Start.Number)], () => Look(store, plug) is var seen && wished(seen) ? seen : null, deadline);
        }
        catch (DeadlinePassed)
        {
            return Look(store, plug);
        }
    }

    /// <summary>Whether the guest, or rather this start of it, has ended.</summary>
    public bool IsGone(Plug plug)
    {
        if (plug.Start.Toolstack != Toolstack.Xen)
            return QemuPlug.IsGone(host, plug);
        using var store = OpenXenstore();
        return store.Read($"/local/domain/{plug.Start.Number}/name") is null;
    }

    /// <summary>
    /// Waits for runs of xl that work on an operation's functions, image or guest: a process that dies leaves its xl running, and it may wait for a guest
    /// for ten seconds before it acts.
    /// </summary>
    /// <returns>Null once there is none; else which one still runs.</returns>
    public string? WaitForTools(Operation operation)
    {
        for (var start = host.Clock.GetTimestamp(); FindTool(operation) is string tool; host.Wait(LookAgain))
        {
            if (host.Clock.GetElapsedTime(start) > (operation.Request.Verb is Verb.Save or Verb.Restore or Verb.Migrate ? ImageDeadline : ToolDeadline))
                return $"{tool} is still at work";
        }
        return null;
    }

    string? FindTool(Operation operation)
    {
        // libvirt's work goes on without whoever asked for it.
        if (operation.Steps.Index().Where(step => operation.IsUnderWay(step.Index)).Select(step => step.Item is Transfer move ? LibvirtMove.WorkOn(move) : LibvirtSave.WorkOn(host, step.Item)).FirstOrDefault(work => work is not null) is string work)
            return work;
        HashSet<string> targets = [.. operation.Request.Functions.Select(function => $"{function}"), .. operation.Steps.Select(step => step switch { SaveGuest save => save.Path, StartGuest start => start.Path, _ => null }).OfType<string>()];
        var ends = operation.Steps.OfType<EndGuest>().Select(step => $"{step.DomId}").ToArray();
        foreach (var process in host.Files.List("/proc").Where(name => name.All(char.IsAsciiDigit)))
        {
            var words = (host.Files.ReadText($"/proc/{process}/cmdline") ?? "").Split('\0', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 1 && words[0][(words[0].LastIndexOf('/') + 1)..] == "xl" && (words.Any(targets.Contains) || (words is [_, "destroy", var domain] && ends.Contains(domain))))
                return $"{string.Join(' ', words)} (process {process})";
        }
        return null;
    }

    /// <summary>Writing or reading an image takes as long as the guest is large and the disk slow; past this somebody has to look.</summary>
    static readonly TimeSpan ImageDeadline = TimeSpan.FromHours(1);

    /// <summary>
    /// xl writes the image, and pauses the guest before it lets it out of its suspension. The image is made before, for root alone: xl would
    /// make one that everybody may read, with all that the guest had in memory. xl does not flush it.
    /// </summary>
    void WriteImage(SaveGuest save)
    {
        if (save.Path.StartsWith($"{MovedGuest.Folder}/", StringComparison.Ordinal))
            host.Files.MakeDirectory(MovedGuest.Folder);
        host.Files.CreateFile(save.Path, []);
        Xl(ImageDeadline, "save", "-p", $"{save.DomId}", save.Path);
        host.Files.Append(save.Path, [], flush: true);
    }

    void TakeImageBack(SaveGuest back)
    {
        // The guest first: it is what matters, and while the image is there it can be seen that there is something to do.
        if (StateOf(back) is [_, _, 'p', ..])
            Xl(XlDeadline, "unpause", $"{back.DomId}");
        RemoveImage(back.Path);
    }

    static string[] PathsOf(DropImage drop) => [$"{drop.Path}.pcipass", drop.Path];

    /// <summary>Removes what there is of an image; for a guest that the host's restart has ended, that is all there is to be undone.</summary>
    public void RemoveImage(string path)
    {
        if (host.Files.Exists(path))
            host.Files.RemoveFile(path);
    }

    /// <summary>Whether an image that libvirt writes is there from its first byte to its last.</summary>
    public bool IsWhole(Shelve shelve) => LibvirtSave.IsWhole(host, shelve.Path);

    Observation ObserveSave(SaveGuest step)
    {
        var state = StateOf(step);
        // Whoever wrote the image was killed while he did: nothing that Xen's tools can do lets the guest out of that (seen in the lab).
        if (state is [_, _, _, 's', ..])
            return new Observation(Position.Elsewhere, $"a guest that is suspended for good, since the xl that saved it has died; xl destroy {step.DomId} ends it");
        var (there, paused) = (host.Files.Exists(step.Path), state is [_, _, 'p', ..]);
        var (without, with) = step.Saved ? (Position.From, Position.To) : (Position.To, Position.From);
        return there && paused ? new Observation(with, "an image, and the guest is paused")
            : !there && !paused ? new Observation(without, "no image")
            : new Observation(Position.HalfWay, there ? "an image, but the guest is not paused" : "no image, but the guest is paused");
    }

    /// <summary>Only xl can ask: six letters, the third for paused, the fourth for shut down or suspended (xl(1), list); null when the guest is gone.</summary>
    string? StateOf(SaveGuest step)
    {
        if (!IsAlive(step.Guest, step.DomId))
            return null;
        var result = host.Run("xl", ["list", $"{step.DomId}"], XlDeadline);
        var row = result.Output.TrimEnd('\n').Split('\n')[^1].Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        return result.ExitCode == 0 && row is [.., { Length: 6 } state, _] ? state : throw new HostFailure($"xl list {step.DomId} ended with {result.ExitCode}: {Said(result)}");
    }

    bool IsAlive(GuestName guest, int domId)
    {
        using var store = OpenXenstore();
        return store.Read($"/local/domain/{domId}/name") == guest.ToString();
    }

    Observation ObserveStart(StartGuest start)
    {
        using var store = OpenXenstore();
        return store.Consistent(transaction =>
        {
            foreach (var id in store.List("/local/domain", transaction))
            {
                if (id != "0" && store.Read($"/local/domain/{id}/name", transaction) == start.Guest.ToString())
                {
                    // libxl writes this when the guest's memory is all there (libxl__build_post); one that was cut off before is no guest.
                    return store.Read($"/local/domain/{id}/store/ring-ref", transaction) is not null
                        ? new Observation(Position.To, $"{start.Guest} running as domain {id}")
                        : new Observation(Position.HalfWay, $"domain {id} of that name, which is not built to its end");
                }
            }
            return new Observation(Position.From, $"no guest {start.Guest}");
        });
    }

    Observation ObservePlug(Plug plug)
    {
        using var store = OpenXenstore();
        return Look(store, plug);
    }

    static Observation Look(Xenstore store, Plug plug)
    {
        var (alive, attachment, type, frontend) = store.Consistent(transaction => (
            store.Read($"/local/domain/{plug.Start.Number}/name", transaction) is not null,
            XenReader.ReadAttachments(store, plug.Start.Number, transaction).FirstOrDefault(attachment => attachment.Address == plug.Address),
            store.Read($"/libxl/{plug.Start.Number}/type", transaction),
            store.Read($"{FrontendPath(plug.Start.Number)}/state", transaction)));
        var (without, with) = plug.Plugged ? (Position.From, Position.To) : (Position.To, Position.From);
        if (!alive)
            return new Observation(without, $"{plug.Start.Words} is gone");
        if (attachment is null)
            return new Observation(without, $"{plug.Guest} does not have it");
        // An HVM guest has the function through its device model; its frontend node stays unused.
        if (type == "hvm" || (attachment.IsSettled && frontend == "4"))
            return new Observation(with, $"{plug.Guest} has it as {attachment.VirtualSlot ?? "a device of its device model"}");
        return new Observation(Position.HalfWay, $"{attachment.Detail}, the frontend's {frontend ?? "none"}");
    }

    static string FrontendPath(int domId) => $"/local/domain/{domId}/device/pci/0";

    Xenstore OpenXenstore() => host.ConnectXenstore() is ByteChannel channel
        ? new Xenstore(channel, host.Clock)
        : throw new HostFailure("xenstored does not run");

    void Write(string path, string value) => host.Files.WriteAttribute(path, value, writeDeadline ?? WriteDeadline);

    void Xl(params ReadOnlySpan<string> arguments) => Xl(XlDeadline, arguments);

    void Xl(TimeSpan deadline, params ReadOnlySpan<string> arguments)
    {
        var result = host.Run("xl", arguments.ToArray(), deadline);
        if (result.ExitCode != 0)
            throw new HostFailure($"xl {string.Join(' ', arguments)} ended with {result.ExitCode}: {Said(result)}");
    }

    /// <summary>libxl's own words, without the noise in front of them: <c>libxl: error: libxl_pci.c:909:...: </c>.</summary>
    static string Said(ProgramResult result)
    {
        var lines = result.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        // The reason may be a warning, before an error that only says that it did not work.
        var errors = lines.Where(line => line.Contains(": error:", StringComparison.Ordinal) || line.Contains(": warning:", StringComparison.Ordinal)).ToArray();
        var said = (errors.Length > 0 ? errors : lines).Select(line =>
        {
            var place = line.IndexOf(".c:", StringComparison.Ordinal);
            var colon = place < 0 ? -1 : line.IndexOf(": ", place, StringComparison.Ordinal);
            return colon < 0 ? line : line[(colon + 2)..];
        });
        return string.Join("; ", said) is { Length: > 0 } text ? text : "it gave no reason";
    }

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
