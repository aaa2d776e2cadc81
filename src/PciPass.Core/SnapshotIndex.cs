using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>What is looked up again and again in a snapshot, found once: 4,000 functions with as many uses must stay quick.</summary>
sealed class SnapshotIndex(HostSnapshot host)
{
    readonly object functions = host.Functions;
    readonly ImmutableArray<HostUse> uses = host.Uses;
    readonly ImmutableArray<AddressRange> ranges = host.Ranges;
    Isolation? isolation;

    /// <summary>The uses of each function, and of what is behind it where it is no bridge: a VMD takes its disks along.</summary>
    public ILookup<PciAddress, HostUse> Uses { get; } =
        (from use in host.Uses from address in Takers(host, use.Address) select (address, use)).ToLookup(pair => pair.address, pair => pair.use);

    public ILookup<PciAddress, PciFunction> VirtualFunctions { get; } =
        host.Functions.Values.Where(function => function.PhysicalFunction is not null).ToLookup(function => function.PhysicalFunction!.Value);

    public ILookup<PciAddress, AddressRange> Ranges { get; } = host.Ranges.ToLookup(range => range.Address);

    /// <summary>The first and the last page of every range in memory.</summary>
    public ILookup<ulong, AddressRange> Pages { get; } = host.Ranges.Where(range => !range.IsPort)
        .SelectMany(range => new[] { range.FirstPage, range.LastPage }.Distinct().Select(page => (page, range))).ToLookup(pair => pair.page, pair => pair.range);

    public Isolation Isolation => isolation ??= new Isolation(host);

    static IEnumerable<PciAddress> Takers(HostSnapshot host, PciAddress address) =>
        host.Find(address) is PciFunction function ? host.BridgesAbove(function).Where(above => above.HeaderType == 0).Select(above => above.Address).Prepend(address) : [address];

    /// <summary>Whether it was made of these very functions and uses; a snapshot that was derived from another one may have others.</summary>
    public bool IsOf(HostSnapshot other) => ReferenceEquals(functions, other.Functions) && uses == other.Uses && ranges == other.Ranges;
}
