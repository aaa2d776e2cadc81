using PciPass.Core;

namespace PciPass.Host;

/// <summary>
/// The agent inside a Xen PV guest: when the host asks it, it unbinds the driver of a function that is about to go. It acts on nothing but
/// the functions that the backend says this guest has, and gives the driver back when the function stays after all.
/// </summary>
/// <remarks>Here nothing outlives the guest, so there is no journal: what is not undone by the agent's own clock is undone by the next start.</remarks>
public sealed class GuestAgent(HostSystem guest, Xenstore store)
{
    const string Devices = "/sys/bus/pci/devices";

    /// <summary>How long a driver may take to let go; the host waits a little longer.</summary>
    static readonly TimeSpan UnbindDeadline = TimeSpan.FromSeconds(8);

    /// <summary>A function that is still there so long after its driver was unbound stays: the host has died, or thought better of it.</summary>
    static readonly TimeSpan StayDeadline = TimeSpan.FromSeconds(120);

    readonly StepRunner runner = new(guest, UnbindDeadline);
    readonly Dictionary<PciAddress, (DriverName Driver, long Since)> unbound = [];
    uint? answered;

    /// <summary>Says that it is there, and watches what the host asks.</summary>
    public void Begin()
    {
        store.Remove(GuestAsk.Answer);
        store.Write(GuestAsk.Agent, GuestAsk.Version);
        store.Watch(GuestAsk.Ask);
    }

    /// <summary>Says that it is there no longer.</summary>
    public void End()
    {
        TakeUp(_ => true);
        store.Remove(GuestAsk.Agent);
        store.Remove(GuestAsk.Answer);
    }

    /// <summary>Waits for one change, and does what it says.</summary>
    /// <returns>What was done, in words; null for nothing.</returns>
    public string? Turn(TimeSpan deadline)
    {
        try
        {
            store.WaitForChange(deadline);
        }
        catch (DeadlinePassed)
        {
            return TakeUp(since => guest.Clock.GetElapsedTime(since) > StayDeadline);
        }
        if (store.Read(GuestAsk.Ask) is not string text)
        {
            // Nothing is asked any more: what is still there stays.
            store.Remove(GuestAsk.Answer);
            return TakeUp(_ => true);
        }
        if (GuestAsk.Parse(text) is not GuestAsk ask || ask.Number == answered)
            return null;
        answered = ask.Number;
        var answer = LetGo(ask.Slot);
        store.Write(GuestAsk.Answer, ask.AnswerOf(answer));
        return $"{ask.Slot}: {answer.ToString().ToLowerInvariant()}";
    }

    GuestAnswer LetGo(PciAddress slot)
    {
        if (!IsFromHost(slot) || !guest.Files.Exists($"{Devices}/{slot}"))
            return GuestAnswer.Refused;
        try
        {
            if (runner.Undriven(slot) is not Rebind unbind)
                return GuestAnswer.Free;
            unbound[slot] = (unbind.From!.Value, guest.Clock.GetTimestamp());
            runner.Act(unbind);
            return runner.Undriven(slot) is null ? GuestAnswer.Done : GuestAnswer.Refused;
        }
        catch (DeadlinePassed)
        {
            return GuestAnswer.Busy;
        }
        catch (HostFailure)
        {
            return GuestAnswer.Refused;
        }
    }

    /// <summary>Whether the backend, which the guest cannot write, has a function in this slot for this guest.</summary>
    bool IsFromHost(PciAddress slot)
    {
        if (store.Read("device/pci/0/backend") is not ['/', ..] backend)
            return false;
        _ = int.TryParse(store.Read($"{backend}/num_devs"), out var count);
        for (var number = 0; number < Math.Min(count, 256); number++)
        {
            if (XenReader.VirtualSlotAt(store, backend, number, 0) is string at && PciAddress.TryParse(at, out var address) && address == slot)
                return true;
        }
        return false;
    }

    /// <summary>Binds the drivers of functions that have not gone.</summary>
    string? TakeUp(Func<long, bool> isDue)
    {
        List<string> done = [];
        foreach (var (slot, (driver, since)) in unbound.ToArray())
        {
            if (!isDue(since))
                continue;
            unbound.Remove(slot);
            try
            {
                if (!guest.Files.Exists($"{Devices}/{slot}") || runner.Undriven(slot) is not null)
                    continue;
                runner.Act(new Rebind(slot, null, driver));
                done.Add($"{slot}: stays, and has its driver {driver} again");
            }
            catch (HostFailure failure)
            {
                done.Add($"{slot}: stays, and its driver did not come back: {failure.Message}");
            }
        }
        return done.Count == 0 ? null : string.Join("; ", done);
    }
}
