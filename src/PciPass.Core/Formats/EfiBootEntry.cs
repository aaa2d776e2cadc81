using System.Buffers.Binary;

namespace PciPass.Core.Formats;

/// <summary>
/// Reads the firmware's variables that say from which partition it booted: BootCurrent and Boot0001 as efivarfs shows them, four bytes of
/// attributes first (UEFI Specification, 3.1.3 EFI_LOAD_OPTION, 3.3, 10.3.5.1 Hard Drive).
/// </summary>
public static class EfiBootEntry
{
    const int Attributes = 4;

    /// <summary>The name of the variable that holds the boot's own entry, <c>Boot0001</c>; null where it makes no sense.</summary>
    public static string? NameOf(ReadOnlySpan<byte> bootCurrent) => bootCurrent.Length == Attributes + 2 ? $"Boot{BinaryPrimitives.ReadUInt16LittleEndian(bootCurrent[Attributes..]):X4}" : null;

    /// <summary>The partition that an entry names, as its GUID in lower case; null where it names none (network, or a disk as a whole).</summary>
    public static string? PartitionOf(ReadOnlySpan<byte> entry)
    {
        const int Description = Attributes + 6, HardDriveLength = 42, Signature = 24, SignatureType = 41;
        if (entry.Length < Description)
            return null;
        var at = Description;
        while (at + 2 <= entry.Length && BinaryPrimitives.ReadUInt16LittleEndian(entry[at..]) != 0)
            at += 2;
        for (at += 2; at + 4 <= entry.Length;)
        {
            var (type, kind, length) = (entry[at], entry[at + 1], BinaryPrimitives.ReadUInt16LittleEndian(entry[(at + 2)..]));
            if (type == 0x7f || length < 4 || length > entry.Length - at)
                return null;
            if (type == 4 && kind == 1 && length == HardDriveLength && entry[at + SignatureType] == 2)
                return new Guid(entry.Slice(at + Signature, 16)).ToString();
            at += length;
        }
        return null;
    }
}
