using System.Collections.Immutable;
using PciPass.Core.Rules;

namespace PciPass.Core;

/// <summary>Which functions a restored guest gets.</summary>
public enum Homecoming
{
    /// <summary>The very ones that it had, by identity, wherever they are now.</summary>
    Same,

    /// <summary>For each that is not there, or cannot be had, a like one: same vendor, device, board and class, and for a guest of Xen no interrupt pin.</summary>
    Equivalent,

    /// <summary>None.</summary>
    None,
}

/// <summary>Chooses the functions for a restored guest.</summary>
public static class HomecomingChoice
{
    /// <param name="host">The host.</param>
    /// <param name="saved">What the guest had.</param>
    /// <param name="policy">Which it gets.</param>
    /// <param name="accepted">The risks that are accepted by name.</param>
    /// <param name="toolstack">What runs the guest: one of QEMU lives with an interrupt pin, as an HVM guest of Xen does.</param>
    /// <returns>For each function of the record the one that takes its place, in the record's order; null where there is none.</returns>
    public static ImmutableArray<(SavedFunction Was, PciAddress? Now)> Choose(HostSnapshot host, SavedGuest saved, Homecoming policy, ImmutableSortedSet<string> accepted, Toolstack toolstack = Toolstack.Xen)
    {
        if (policy == Homecoming.None)
            return [];
        var chosen = ImmutableArray.CreateBuilder<(SavedFunction, PciAddress?)>();
        // Its own first, for all of them: what is one's own must not become another's substitute.
        var own = saved.Functions.ToDictionary(was => was, was => host.Functions.Values.Where(function => was.Identity.DifferenceTo(function.Identity) is null)
            .OrderByDescending(function => function.Address == was.Address).Select(function => (PciAddress?)function.Address).FirstOrDefault());
        var livesWithPins = toolstack != Toolstack.Xen || saved.Type == GuestType.Hvm;
        HashSet<PciAddress> used = [.. own.Values.OfType<PciAddress>()];
        // Asked a second time, what the guest has got by then counts as what it gets.
        var start = host.FindGuest(new GuestReference(null, saved.Guest)) is Guest guest && guest.Uuid == saved.Uuid ? guest.Start : (GuestStart?)null;
        foreach (var was in saved.Functions)
        {
            var now = own[was];
            if (policy == Homecoming.Equivalent && (now is not PciAddress at || !CanBeHad(at)))
            {
                var like = host.Functions.Values.Where(function => !used.Contains(function.Address) && function.Ids == was.Identity.Ids && (function.InterruptPin == 0 || livesWithPins)
                    && CanBeHad(function.Address)).OrderByDescending(function => IsHad(function.Address)).Select(function => (PciAddress?)function.Address).FirstOrDefault();
                now = like ?? now;
                if (now is PciAddress taken)
                    used.Add(taken);
            }
            chosen.Add((was, now));
        }
        return chosen.ToImmutable();

        bool IsHad(PciAddress address) => start is GuestStart running && host.FindAttachment(address)?.Guest == running;

        bool CanBeHad(PciAddress address) => IsHad(address)
            || (host.FindAttachment(address) is null && !new Plan(new Request(Verb.Hide, [address], null, accepted), [], Catalogue.Check(host, new Request(Verb.Hide, [address], null, accepted))).IsRefused);
    }
}
