using System.Buffers.Binary;
using System.Collections.Immutable;

namespace PciPass.Core.Formats;

/// <summary>
/// The memory that AMD's firmware table of the IOMMUs reserves for functions (IVRS with its IVMD blocks; AMD I/O Virtualization Technology
/// Specification, 5.2.2). A block that is for every function alike binds none of them, and is left out.
/// </summary>
public static class IvrsTable
{
    const int Header = 48, MemoryLength = 32;
    const byte OneDevice = 0x21, Range = 0x22;

    /// <summary>The regions with the functions that are there; none for what is no such table. Reading stops where a length makes no sense.</summary>
    public static ImmutableArray<ReservedMemory> Parse(ReadOnlySpan<byte> table, ImmutableSortedDictionary<PciAddress, PciFunction> functions)
    {
        var regions = ImmutableArray.CreateBuilder<ReservedMemory>();
        if (table.Length < Header || !table[..4].SequenceEqual("IVRS"u8))
            return [];
        for (var at = Header; at + 4 <= table.Length;)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(table[(at + 2)..]);
            if (length < 4 || at + length > table.Length)
                break;
            if (table[at] is OneDevice or Range && length >= MemoryLength)
            {
                var (first, last) = (BinaryPrimitives.ReadUInt16LittleEndian(table[(at + 4)..]), BinaryPrimitives.ReadUInt16LittleEndian(table[(at + 6)..]));
                var (start, size) = (BinaryPrimitives.ReadUInt64LittleEndian(table[(at + 16)..]), BinaryPrimitives.ReadUInt64LittleEndian(table[(at + 24)..]));
                if (table[at] == OneDevice)
                    last = first;
                foreach (var address in functions.Keys.Where(address => address.Segment == 0 && Number(address) >= first && Number(address) <= last))
                    regions.Add(new ReservedMemory(address, start, unchecked(start + Math.Max(size, 1) - 1), IsShared: first != last));
            }
            at += length;
        }
        return regions.ToImmutable();
    }

    static int Number(PciAddress address) => (address.Bus << 8) | (address.Device << 3) | address.Function;
}
