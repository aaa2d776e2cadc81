using System.Collections.Immutable;
using PciPass.Core.Rules;

namespace PciPass.Core;

/// <summary>Which functions a restored guest gets.</summary>
public enum Homecoming
{
    /// <summary>The very ones that it had, by identity, wherever they are now.</summary>
    Same,

    /// <summary>For each that is not there, or cannot be had, a like one: same vendor, device, board and class, and no interrupt pin.</summary>
    Equivalent,

    /// <summary>None.</summary>
    None,
}

/// <summary>Chooses the functions for a restored guest.</summary>
public static class HomecomingChoice
{
    /// <returns>For each function of the record the one that takes its place, in the record's order; null where there is none.</returns>
    public static ImmutableArray<(SavedFunction Was, PciAddress? Now)> Choose(HostSnapshot host, SavedGuest saved, Homecoming policy, ImmutableSortedSet<string> accepted)
    {
        if (policy == Homecoming.None)
            return [];
        var chosen = ImmutableArray.CreateBuilder<(SavedFunction, PciAddress?)>();
        // Its own first, for all of them: what is one's own must not become another's substitute.
        var own = saved.Functions.ToDictionary(was => was, was => host.Functions.Values.Where(function => was.Identity.DifferenceTo(function.Identity) is null)
            .OrderByDescending(function => function.Address == was.Address).Select(function => (PciAddress?)function.Address).FirstOrDefault());
        HashSet<PciAddress> used = [.. own.Values.OfType<PciAddress>()];
        foreach (var was in saved.Functions)
        {
            var now = own[was];
            if (policy == Homecoming.Equivalent && (now is not PciAddress at || !CanBeHad(host, at, accepted)))
            {
                var like = host.Functions.Values.Where(function => !used.Contains(function.Address) && function.Ids == was.Identity.Ids && function.InterruptPin == 0
                    && CanBeHad(host, function.Address, accepted)).Select(function => (PciAddress?)function.Address).FirstOrDefault();
                now = like ?? now;
                if (now is PciAddress taken)
                    used.Add(taken);
            }
            chosen.Add((was, now));
        }
        return chosen.ToImmutable();
    }

    static bool CanBeHad(HostSnapshot host, PciAddress address, ImmutableSortedSet<string> accepted) =>
        host.FindAttachment(address) is null && !new Plan(new Request(Verb.Hide, [address], null, accepted), [], Catalogue.Check(host, new Request(Verb.Hide, [address], null, accepted))).IsRefused;
}
