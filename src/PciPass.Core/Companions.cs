using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>A function that cannot be told or kept apart from one that moves, in hands where it must not be.</summary>
/// <param name="Function">The function.</param>
/// <param name="Holder">Who has it, in words: <c>Ethernet, e1000e</c> or <c>Ethernet, guest db1 has it</c>.</param>
public sealed record Companion(PciFunction Function, string Holder)
{
    public override string ToString() => $"{Function.Address} ({Holder})";
}

/// <summary>Which functions have to go together: by the IOMMU's view, not by anybody's wish.</summary>
public static class Companions
{
    /// <summary>The functions that would change hands: to a guest, away from the host, or back to it.</summary>
    public static IEnumerable<PciFunction> Moving(HostSnapshot host, Request request)
    {
        var named = request.Functions.Select(host.Find).OfType<PciFunction>();
        return request.Verb switch
        {
            Verb.Hide => named.Where(function => !host.IsHeld(function)),
            Verb.Detach => named.Where(function => host.Taken.Any(taken => taken.Address == function.Address && taken.Guest is not null)),
            _ => named,
        };
    }

    /// <summary>The neighbours of a function that stay behind, and stand in its way there. What is behind it goes along by itself.</summary>
    public static IEnumerable<Companion> InTheWay(HostSnapshot host, Request request, PciFunction function) =>
        from other in host.Isolation.NeighboursOf(function)
        where !request.Functions.Contains(other.Address) && !host.BridgesAbove(other).Any(above => above.Address == function.Address)
        let holder = HolderInTheWay(host, request, other)
        where holder is not null
        select new Companion(other, holder);

    /// <summary>The functions with all that must go along: what the host drives of their neighbours. Bridges and ports stay.</summary>
    public static ImmutableArray<PciAddress> Complete(HostSnapshot host, ImmutableArray<PciAddress> functions)
    {
        var all = functions.ToBuilder();
        var asked = new Request(Verb.Hide, functions, null, []);
        foreach (var function in functions.Select(host.Find).OfType<PciFunction>())
            all.AddRange(InTheWay(host, asked, function).Select(companion => companion.Function.Address).Where(address => !all.Contains(address)));
        return all.ToImmutable();
    }

    /// <summary>The command that takes all of them.</summary>
    public static string Together(Request request, IEnumerable<Companion> companions)
    {
        var all = string.Join(' ', request.Functions.Concat(companions.Select(companion => companion.Function.Address)).Distinct());
        return $"pcipass {request.VerbName} {all}{(request.Guest is GuestReference guest ? $" {guest}" : "")}     {(request.Verb == Verb.Attach ? "passes" : "moves")} all of them";
    }

    /// <summary>Drivers beside which the kernel lets a group go to a guest: they touch no device's DMA (driver_managed_dma in Linux 6; vfio_dev_driver_allowed before).</summary>
    static bool NeedsNoHolder(DriverName driver) => $"{driver}" is "pci-stub" or "pcieport";

    /// <summary>Who has another function that must not be in other hands than those the moving one gets into; null when nobody is in the way.</summary>
    static string? HolderInTheWay(HostSnapshot host, Request request, PciFunction other)
    {
        var guest = host.FindAttachment(other.Address) is Attachment attachment ? host.FindGuest(attachment.Guest) : null;
        var toHost = request.Verb is Verb.Unhide or Verb.Detach;
        if (guest is not null)
            return toHost || request.Guest?.Means(guest) != true ? $"{other.Class.Name}, guest {guest.Name} has it" : null;
        return !toHost && other.Driver is DriverName driver && !host.IsHeld(other) && !NeedsNoHolder(driver) ? $"{other.Class.Name}, {driver}" : null;
    }
}
