using System.Globalization;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>Plugs functions into Xen's guests, and takes them out, with xl; what came of it is read from xenstore.</summary>
/// <param name="host">The host.</param>
/// <param name="note">Gets what a guest's agent did, in words.</param>
sealed class XenPlug(HostSystem host, Action<string>? note)
{
    /// <summary>How long a guest may take to accept a function, or to let go of one.</summary>
    static readonly TimeSpan GuestDeadline = TimeSpan.FromSeconds(30);

    /// <summary>How long a guest that is in the middle of something may take before a function is taken from it all the same.</summary>
    static readonly TimeSpan SettleDeadline = TimeSpan.FromSeconds(10);

    /// <summary>How long the agent in a guest may take to have a driver unbound; without an answer it is done the plain way.</summary>
    static readonly TimeSpan AgentDeadline = TimeSpan.FromSeconds(10);

    readonly Xl xl = new(host);

    public Observation Observe(Plug plug)
    {
        using var store = xl.OpenXenstore();
        return Look(store, plug);
    }

    public void Act(Plug plug)
    {
        using var store = xl.OpenXenstore();
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
            Act(plug with { Plugged = false });
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
                    RunXl(plug);
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
    void RunXl(Plug plug)
    {
        if (plug.Plugged)
        {
            xl.Run("pci-attach", $"{plug.Start.Number}", $"{plug.Address}");
            return;
        }
        var (address, id) = (plug.Address, $"pci-pt-{plug.Address.Bus:x2}_{plug.Address.Device:x2}.{plug.Address.Function:x1}");
        try
        {
            xl.Run("pci-detach", $"{plug.Start.Number}", $"{address}");
        }
        catch (HostFailure failure) when (failure.Message.Contains($"Device '{id}' not found", StringComparison.Ordinal))
        {
            xl.Run("pci-detach", "-f", $"{plug.Start.Number}", $"{address}");
        }
        catch (HostFailure failure) when (failure.Message.Contains($"timed out waiting for DM to remove {id}", StringComparison.Ordinal))
        {
            throw new GuestHolds($"guest {plug.Guest} has not let go of {address} in the ten seconds that xl waits");
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

    /// <summary>Takes back what the agent in the guest was asked; it binds the driver again where the function stays.</summary>
    public void CallOff(GuestStart start)
    {
        using var store = xl.OpenXenstore();
        CallOff(store, start.Number);
    }

    static void CallOff(Xenstore store, int domId)
    {
        var ask = $"/local/domain/{domId}/{GuestAsk.Ask}";
        if (store.Read(ask) is not null)
            store.Remove(ask);
    }

    /// <summary>The guest that runs and has a function, in words; null where none has.</summary>
    public string? HolderOf(PciAddress address)
    {
        using var channel = host.ConnectXenstore();
        if (channel is null)
            return null;
        using var store = new Xenstore(channel, host.Clock);
        return store.Consistent(transaction =>
        {
            foreach (var id in store.List("/local/domain/0/backend/pci", transaction))
            {
                // A guest that has ended may leave nodes behind.
                if (int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var domain) && store.Read($"/local/domain/{id}/name", transaction) is string name
                    && XenReader.ReadAttachments(store, domain, transaction).Any(attachment => attachment.Address == address))
                    return $"guest {name} (domain {id})";
            }
            return null;
        });
    }

    /// <summary>Whether this start of the guest has ended.</summary>
    public bool IsGone(GuestStart start)
    {
        using var store = xl.OpenXenstore();
        return store.Read($"/local/domain/{start.Number}/name") is null;
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
}
