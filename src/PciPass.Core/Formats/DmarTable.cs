using System.Buffers.Binary;
using System.Collections.Immutable;

namespace PciPass.Core.Formats;

/// <summary>
/// What Intel's firmware table of the IOMMUs says (DMAR; Intel Virtualization Technology for Directed I/O, 8.1 to 8.4). Xen renames it
/// so that dom0 does not use the IOMMUs itself: to XMAR up to 4.14, to RMAD since (xen/drivers/passthrough/vtd/dmar.c).
/// </summary>
/// <param name="HasInterruptRemapping">Whether the platform can remap interrupts (flags, bit 0).</param>
/// <param name="Reserved">The reserved regions (RMRR), each with the functions it is for.</param>
public sealed record DmarTable(bool HasInterruptRemapping, ImmutableArray<DmarReserved> Reserved)
{
    const int Header = 48;
    const ushort ReservedMemory = 1;
    const byte Endpoint = 1, SubHierarchy = 2;

    /// <summary>Reads the table; null for what is none. Reading stops where a length makes no sense.</summary>
    public static DmarTable? Parse(ReadOnlySpan<byte> table)
    {
        if (table.Length < Header || !(table[..4].SequenceEqual("DMAR"u8) || table[..4].SequenceEqual("XMAR"u8) || table[..4].SequenceEqual("RMAD"u8)))
            return null;
        var reserved = ImmutableArray.CreateBuilder<DmarReserved>();
        for (var at = Header; at + 4 <= table.Length;)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(table[(at + 2)..]);
            if (length < 4 || at + length > table.Length)
                break;
            if (BinaryPrimitives.ReadUInt16LittleEndian(table[at..]) == ReservedMemory && length >= 24)
                reserved.Add(ReadReserved(table.Slice(at, length)));
            at += length;
        }
        return new DmarTable((table[37] & 1) != 0, reserved.ToImmutable());
    }

    static DmarReserved ReadReserved(ReadOnlySpan<byte> entry)
    {
        var scopes = ImmutableArray.CreateBuilder<DmarScope>();
        for (var at = 24; at + 6 <= entry.Length;)
        {
            int length = entry[at + 1];
            if (length < 6 || at + length > entry.Length)
                break;
            if (entry[at] is Endpoint or SubHierarchy)
            {
                var path = ImmutableArray.CreateBuilder<(byte, byte)>();
                for (var hop = at + 6; hop + 2 <= at + length; hop += 2)
                    path.Add((entry[hop], entry[hop + 1]));
                scopes.Add(new DmarScope(entry[at + 5], path.ToImmutable()));
            }
            at += length;
        }
        return new DmarReserved(BinaryPrimitives.ReadUInt16LittleEndian(entry[6..]), BinaryPrimitives.ReadUInt64LittleEndian(entry[8..]),
            BinaryPrimitives.ReadUInt64LittleEndian(entry[16..]), scopes.ToImmutable());
    }

    /// <summary>The reserved regions with the functions' addresses, by way of the bridges as they are numbered now.</summary>
    public IEnumerable<ReservedMemory> Resolve(ImmutableSortedDictionary<PciAddress, PciFunction> functions) =>
        from region in Reserved
        from scope in region.Scopes
        let address = scope.Resolve(region.Segment, functions)
        where address is not null
        select new ReservedMemory(address.Value, region.Start, region.End, region.Scopes.Length > 1);
}

/// <summary>One RMRR.</summary>
public sealed record DmarReserved(int Segment, ulong Start, ulong End, ImmutableArray<DmarScope> Scopes);

/// <summary>A function by its way down from a bus, as device and function at each hop (8.3.1).</summary>
public sealed record DmarScope(byte StartBus, ImmutableArray<(byte Device, byte Function)> Path)
{
    /// <returns>Null where a hop leads nowhere.</returns>
    public PciAddress? Resolve(int segment, ImmutableSortedDictionary<PciAddress, PciFunction> functions)
    {
        int bus = StartBus;
        PciAddress? at = null;
        foreach (var (device, function) in Path)
        {
            if (device > 0x1f || function > 7)
                return null;
            if (at is PciAddress bridge)
            {
                if (functions.GetValueOrDefault(bridge) is not { SecondaryBus: > 0 } above)
                    return null;
                bus = above.SecondaryBus;
            }
            at = new PciAddress(segment, bus, device, function);
        }
        return at is PciAddress found && functions.ContainsKey(found) ? found : null;
    }
}
