using System.Collections.Immutable;
using PciPass.Core.Rules;

namespace PciPass.Core;

/// <summary>
/// Turns a snapshot and a request into a plan: pure, complete and the only place that decides. Either every step that will run,
/// or every reason against it; never half of both.
/// </summary>
public static class Planner
{
    public static Plan Plan(HostSnapshot host, Request request)
    {
        var findings = Catalogue.Check(host, request);
        var plan = new Plan(request, [], findings);
        if (plan.IsRefused)
            return plan;

        var steps = ImmutableArray.CreateBuilder<Step>();
        switch (request.Verb)
        {
            case Verb.Hide:
                if (request.IsNow)
                {
                    foreach (var function in Functions(host, request))
                        Hide(host, request, function, steps);
                }
                if (request.IsBoot)
                    steps.AddRange(BootPlanner.Plan(host, request).Steps);
                break;
            case Verb.Attach:
                // All are hidden before the first is plugged: a failure then has not yet reached the guest.
                foreach (var function in Functions(host, request))
                    Hide(host, request, function, steps);
                // A file is changed before the guest is: it is soon put back.
                steps.AddRange(GuestFilePlanner.Plan(host, request).Steps);
                if (request.IsNow && host.FindGuest(request.Guest!.Value) is Guest guest)
                {
                    foreach (var function in Functions(host, request).Where(function => host.FindAttachment(function.Address) is null))
                        steps.Add(new Plug(function.Address, guest.Name, guest.Start, Plugged: true));
                }
                break;
            case Verb.Detach:
                var edits = GuestFilePlanner.Plan(host, request).Steps;
                // What libvirt took by itself it gives back by itself, and cannot be plugged in again after that: so its definition goes first.
                steps.AddRange(edits.OfType<Configure>());
                foreach (var function in Functions(host, request))
                {
                    if (request.IsNow && host.FindAttachment(function.Address) is Attachment attachment)
                        steps.Add(new Plug(function.Address, request.Guest!.Value.Name, attachment.Guest, Plugged: false));
                }
                steps.AddRange(edits.Where(edit => edit is not Configure));
                // Functions that were hidden before they were attached stay hidden; so do those that the guest keeps, now or at its next start.
                foreach (var function in Functions(host, request).Where(function => request.IsNow ? request.IsBoot || !IsConfigured(host, request, function) : host.FindAttachment(function.Address) is null))
                {
                    if (TakenBy(host, function) is { Guest: not null } taken && host.FindAttachment(function.Address) is not { IsManaged: true })
                        GiveBack(host, function, taken, steps);
                }
                break;
            case Verb.Save:
                TakeOut(host, request, steps);
                if (host.FindGuest(request.Guest!.Value)!.Start.Toolstack == Toolstack.Libvirt)
                {
                    Shelve(host, request, steps);
                    break;
                }
                Save(host, request, steps);
                steps.Add(new EndGuest(request.Guest!.Value.Name, host.FindGuest(request.Guest.Value)!.Start.Number));
                break;
            case Verb.Migrate:
                TakeOut(host, request, steps);
                if (request.IsLive || host.FindGuest(request.Guest!.Value)!.Start.Toolstack == Toolstack.Libvirt)
                {
                    Transfer(host, request, steps);
                    break;
                }
                Save(host, request, steps);
                Move(host, request, steps);
                break;
            case Verb.Restore:
                steps.Add(new StartGuest(request.Guest!.Value.Name, request.Image!.Path, request.Image.Toolstack));
                break;
            case Verb.Unhide:
                if (request.IsNow)
                {
                    // One that is only to be hidden at the next start has nothing to be given back yet.
                    foreach (var function in Functions(host, request).Where(function => IsAway(host, function)))
                        GiveBack(host, function, TakenBy(host, function), steps);
                }
                if (request.IsBoot)
                    steps.AddRange(BootPlanner.Plan(host, request).Steps);
                break;
        }
        // A probe cannot be undone, so it comes last.
        return plan with { Steps = [.. steps.OrderBy(step => step is Probe)] };
    }

    /// <summary>
    /// Every function goes out first: what a guest has when it is saved, it cannot be asked to let go of any more. They stay hidden, since it
    /// will want them back.
    /// </summary>
    static void TakeOut(HostSnapshot host, Request request, ImmutableArray<Step>.Builder steps)
    {
        var guest = host.FindGuest(request.Guest!.Value)!;
        // The last one in is the first one out: plugged in again, each finds its own slot.
        foreach (var function in SavedGuest.Of(host, guest).Functions.Reverse())
            steps.Add(new Plug(function.Address, guest.Name, guest.Start, Plugged: false));
    }

    /// <summary>The record is written behind the image: it says that the image is whole.</summary>
    static void Save(HostSnapshot host, Request request, ImmutableArray<Step>.Builder steps)
    {
        var guest = host.FindGuest(request.Guest!.Value)!;
        steps.Add(new SaveGuest(request.Image!.Path, guest.Name, guest.Start.Number, Saved: true));
        steps.Add(Record(host, request, guest));
    }

    /// <summary>libvirt ends the guest with the image, so the record is there before; libvirt's image says by itself whether it is whole.</summary>
    static void Shelve(HostSnapshot host, Request request, ImmutableArray<Step>.Builder steps)
    {
        var guest = host.FindGuest(request.Guest!.Value)!;
        steps.Add(Record(host, request, guest));
        steps.Add(new Shelve(request.Image!.Path, guest.Name, guest.Start, Shelved: true));
    }

    static EditFile Record(HostSnapshot host, Request request, Guest guest) => new(request.Image!.RecordPath, null, TextOf(host, request, guest));

    static FileContent TextOf(HostSnapshot host, Request request, Guest guest) =>
        new((SavedGuest.Of(host, guest) with { Accepted = request.Verb == Verb.Migrate ? request.Accepted : [] }).ToText());

    /// <summary>libvirt or xl moves the guest while it runs; there it gets like functions.</summary>
    static void Transfer(HostSnapshot host, Request request, ImmutableArray<Step>.Builder steps)
    {
        var (guest, to) = (host.FindGuest(request.Guest!.Value)!, request.Destination!.Host);
        steps.Add(new Transfer(guest.Name, guest.Start, to, Moved: true));
        // xl may have died, or lost the other host, before it could end what is left of it here.
        if (guest.Start.Toolstack == Toolstack.Xen)
            steps.Add(new EndGuest(guest.Name, guest.Start.Number));
        if (!request.Functions.IsEmpty)
            steps.Add(new Equip(guest.Name, to, TextOf(host, request, guest)));
    }

    /// <summary>The guest stays here, paused, until the other host has started it: up to then everything can be taken back.</summary>
    static void Move(HostSnapshot host, Request request, ImmutableArray<Step>.Builder steps)
    {
        var (guest, path, to) = (host.FindGuest(request.Guest!.Value)!, request.Image!.Path, request.Destination!.Host);
        steps.Add(new SendGuest(path, to, Sent: true));
        steps.Add(new HandOver(guest.Name, path, to, Handed: true));
        steps.Add(new EndGuest(guest.Name, guest.Start.Number));
        steps.Add(new DropImage(path));
    }

    static IEnumerable<PciFunction> Functions(HostSnapshot host, Request request) => request.Functions.Select(host.Find).OfType<PciFunction>();

    static bool IsConfigured(HostSnapshot host, Request request, PciFunction function) =>
        host.IsConfigured(request.Guest!.Value, function.Address);

    static bool IsAway(HostSnapshot host, PciFunction function) =>
        host.IsHeld(function) || (function.Driver is null && TakenBy(host, function) is not null);

    static Taken? TakenBy(HostSnapshot host, PciFunction function) => host.Taken.FirstOrDefault(taken => taken.Address == function.Address);

    /// <summary>
    /// The native driver goes first, then the override changes, then the holder (pciback, vfio-pci) comes. The other way round cannot be
    /// undone step by step: with the override on the holder, binding the native driver again is ENODEV.
    /// </summary>
    static void Hide(HostSnapshot host, Request request, PciFunction function, ImmutableArray<Step>.Builder steps)
    {
        if (host.IsHeld(function))
            return;
        // What a rollback has to set up again is written down, and taken down in an orderly way.
        if (request.RollbackAfter is not null)
            steps.AddRange(host.Interfaces.Where(each => each.Address == function.Address && !each.Settings.IsEmpty).Select(each => new SetNetwork(each.Address, each.Name, each.Settings, null)));
        var now = function.DriverOverride;
        if (function.Driver is DriverName driver)
        {
            // An override for another driver may stand there for the next probe. Binding the present one again, to undo this, needs it gone.
            if (now is not null && now != driver)
            {
                steps.Add(new SetDriverOverride(function.Address, now, null));
                now = null;
            }
            steps.Add(new Rebind(function.Address, driver, null));
        }
        // Giving it back empties its slot; one that was there before (a hide= that lost against the native driver) comes back by this.
        if (host.PcibackSlots.Contains(function.Address))
            steps.Add(new SetSlot(function.Address, Reserved: false));
        if (now != host.Holder)
            steps.Add(new SetDriverOverride(function.Address, now, host.Holder));
        steps.Add(host.Holder == DriverName.Pciback ? new SetAssignable(function.Address, Assignable: true) : new Rebind(function.Address, null, host.Holder));
    }

    static void GiveBack(HostSnapshot host, PciFunction function, Taken? taken, ImmutableArray<Step>.Builder steps)
    {
        // Unbound from pciback by hand, it still is under Xen's quarantine: a driver would find it healthy and deaf (seen in the lab).
        if (host.Holder == DriverName.Pciback && IsAway(host, function))
            steps.Add(new SetAssignable(function.Address, Assignable: false));
        else if (host.IsHeld(function))
            steps.Add(new Rebind(function.Address, host.Holder, null));
        // Without a record of ours the override goes only when it is the one that keeps it hidden.
        var before = taken is not null ? taken.DriverOverride : function.DriverOverride == host.Holder ? null : function.DriverOverride;
        // One for another driver than the one that is bound now has to wait until that is done.
        var whileBinding = taken?.Driver is DriverName driver && before != driver ? null : before;
        if (function.DriverOverride != whileBinding)
            steps.Add(new SetDriverOverride(function.Address, function.DriverOverride, whileBinding));
        if (taken is { HadSlot: true })
            steps.Add(new SetSlot(function.Address, Reserved: true));
        if (taken is null)
            steps.Add(new Probe(function.Address));
        else if (taken.Driver is not null)
            steps.Add(new Rebind(function.Address, null, taken.Driver));
        if (whileBinding != before)
            steps.Add(new SetDriverOverride(function.Address, whileBinding, before));
    }
}
