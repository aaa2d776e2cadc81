using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>What is looked up again and again in a snapshot, found once: 4,000 functions with as many uses must stay quick.</summary>
sealed class SnapshotIndex(HostSnapshot host)
{
    readonly object functions = host.Functions;
    readonly ImmutableArray<HostUse> uses = host.Uses;
    readonly ImmutableArray<AddressRange> ranges = host.Ranges;
    ILookup<PciAddress, HostUse>? usesByFunction;
    ILookup<PciAddress, PciFunction>? virtualFunctions, children;
    ILookup<int, PciFunction>? lines;
    ILookup<PciAddress, AddressRange>? rangesByFunction;
    ILookup<ulong, AddressRange>? pages;
    Isolation? isolation;
    NamedFunctions? named;

    public Dictionary<PciAddress, PciFunction> Functions { get; } = host.Functions.ToDictionary();

    /// <summary>The uses of each function, and of what is behind it where it is no bridge: a VMD takes its disks along.</summary>
    public ILookup<PciAddress, HostUse> Uses =>
        usesByFunction ??= (from use in uses from address in Takers(use.Address) select (address, use)).ToLookup(pair => pair.address, pair => pair.use);

    /// <summary>The virtual functions of each physical one.</summary>
    public ILookup<PciAddress, PciFunction> VirtualFunctions =>
        virtualFunctions ??= host.Functions.Values.Where(function => function.PhysicalFunction is not null).ToLookup(function => function.PhysicalFunction!.Value);

    /// <summary>What is right below each bridge.</summary>
    public ILookup<PciAddress, PciFunction> Children => children ??= host.Functions.Values.Where(function => function.Parent is not null).ToLookup(function => function.Parent!.Value);

    /// <summary>The functions on each legacy interrupt line.</summary>
    public ILookup<int, PciFunction> Lines => lines ??= host.Functions.Values.Where(function => function is { Irq: > 0, InterruptPin: > 0 and <= 4 }).ToLookup(function => function.Irq);

    public ILookup<PciAddress, AddressRange> Ranges => rangesByFunction ??= ranges.ToLookup(range => range.Address);

    /// <summary>The first and the last page of every range in memory.</summary>
    public ILookup<ulong, AddressRange> Pages => pages ??= ranges.Where(range => !range.IsPort)
        .SelectMany(range => new[] { range.FirstPage, range.LastPage }.Distinct().Select(page => (page, range))).ToLookup(pair => pair.page, pair => pair.range);

    /// <summary>The functions of the request that was looked at last: each of the rules asks for them.</summary>
    public NamedFunctions Named(HostSnapshot asked, Request request) =>
        named is { } last && ReferenceEquals(last.Request, request) && last.Holder == asked.Holder ? last : named = NamedFunctions.Of(asked, request);

    public Isolation Isolation => isolation ??= new Isolation(host);

    IEnumerable<PciAddress> Takers(PciAddress address) => Functions.TryGetValue(address, out var function)
        ? host.BridgesAbove(function).Where(above => above.HeaderType == 0).Select(above => above.Address).Prepend(address)
        : [address];

    /// <summary>Whether it was made of these very functions and uses; a snapshot that was derived from another one may have others.</summary>
    public bool IsOf(HostSnapshot other) => ReferenceEquals(functions, other.Functions) && uses == other.Uses && ranges == other.Ranges;
}
