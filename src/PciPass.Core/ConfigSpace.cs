using System.Buffers.Binary;
using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>
/// A function's configuration space as it was read: 64 bytes for an ordinary user, 256 or 4096 for root. What was not read
/// counts as absent; nothing here throws on damaged bytes (a function that fell off the bus reads as all ones).
/// </summary>
/// <remarks>Layout: PCI Local Bus 3.0, 6.1 and 6.2; PCI Express Base Specification, 7.5 to 7.9.</remarks>
public readonly ref struct ConfigSpace(ReadOnlySpan<byte> bytes)
{
    const byte PowerManagementCapability = 0x01, MsiCapability = 0x05, PciExpressCapability = 0x10, MsixCapability = 0x11, AdvancedFeaturesCapability = 0x13;
    const ushort DeviceSerialNumberCapability = 0x0003, AccessControlCapability = 0x000d, VirtualizationCapability = 0x0010;

    // The lists are bounded: damaged bytes can hold one that goes round in circles.
    const int EndOfHeader = 0x40, MostCapabilities = 48, FirstExtended = 0x100, MostExtended = (4096 - FirstExtended) / 8;

    readonly ReadOnlySpan<byte> bytes = bytes;

    /// <summary>False when there are fewer than 64 bytes, or the function does not answer (vendor ffff).</summary>
    public bool Answers => bytes.Length >= 64 && Word(0) != 0xffff;

    public PciClass Class => new(Byte(0x0b), Byte(0x0a), Byte(0x09));

    /// <summary>0 an endpoint, 1 a PCI-to-PCI bridge, 2 a CardBus bridge.</summary>
    public byte HeaderType => (byte)(Byte(0x0e) & 0x7f);

    /// <summary>Whether other functions may share this device number.</summary>
    public bool IsMultiFunction => (Byte(0x0e) & 0x80) != 0;

    /// <summary>0 none, 1 to 4 for INTA to INTD.</summary>
    public byte InterruptPin => Byte(0x3d);

    public PciIds Ids => HeaderType == 0
        ? new PciIds(Word(0), Word(2), Word(0x2c), Word(0x2e))
        : new PciIds(Word(0), Word(2), 0, 0);

    /// <summary>The PCI Express capability's device/port type (7.5.3.2), or null for a conventional PCI function.</summary>
    public PciExpressType? ExpressType => FindCapability(PciExpressCapability) is int at ? (PciExpressType)((Word(at + 2) >> 4) & 0xf) : null;

    /// <summary>The Device Serial Number (7.9.3), or null where there is none or it was not readable.</summary>
    public ulong? SerialNumber => FindExtendedCapability(DeviceSerialNumberCapability) is int at && at + 12 <= bytes.Length
        ? BinaryPrimitives.ReadUInt64LittleEndian(bytes[(at + 4)..])
        : null;

    /// <summary>Whether no more than the header was read: an ordinary user gets 64 bytes, and no capability is known.</summary>
    public bool IsHeaderOnly => bytes.Length <= 64;

    /// <summary>The addresses in its BARs of 64 bits (PCI Local Bus 3.0, 6.2.5.1): a guest can have them above 4 GiB, the others not.</summary>
    public ImmutableArray<ulong> WideBars
    {
        get
        {
            const int First = 0x10, End = 0x28;
            var wide = ImmutableArray<ulong>.Empty;
            for (var at = First; HeaderType == 0 && at < End; at += 4)
            {
                var low = DoubleWord(at);
                // Memory, and 64 bits: the next register is the upper half.
                if ((low & 7) == 4 && at + 4 < End)
                    wide = wide.Add((low & ~0xfu) | ((ulong)DoubleWord(at += 4) << 32));
            }
            return wide;
        }
    }

    /// <summary>The number of the bus right below a bridge (PCI-to-PCI Bridge Architecture 1.2, 3.2.5.3); 0 for what is no bridge.</summary>
    public byte SecondaryBus => HeaderType == 1 ? Byte(0x19) : (byte)0;

    /// <summary>Whether it can interrupt by a message (MSI or MSI-X, PCI Local Bus 3.0, 6.8), and so without a shared line.</summary>
    public bool HasMessageInterrupts => FindCapability(MsiCapability) is not null || FindCapability(MsixCapability) is not null;

    /// <summary>Access Control Services (7.7.8), what it can and what is switched on; null where it has none.</summary>
    public AccessControl? AccessControl
    {
        get
        {
            if (FindExtendedCapability(AccessControlCapability) is not int at)
                return null;
            // Some chipsets lay the two registers out as double words.
            return new AccessControl(Word(at + 4), Word(at + (AccessControlQuirks.HasWideRegisters(Ids) ? 8 : 6)));
        }
    }

    /// <summary>
    /// The ways in which this function alone can be reset, as the capabilities tell, in Linux' words and order (drivers/pci/pci.c):
    /// <c>flr</c> (device capabilities, bit 28), <c>af_flr</c> (Advanced Features), <c>pm</c> (no "No_Soft_Reset").
    /// </summary>
    public ResetMethods OwnResets =>
        (FindCapability(PciExpressCapability) is int express && (Word(express + 6) & 0x1000) != 0 ? ResetMethods.FunctionLevel : ResetMethods.None)
        | (FindCapability(AdvancedFeaturesCapability) is int advanced && (Byte(advanced + 3) & 3) == 3 ? ResetMethods.AdvancedFeatures : ResetMethods.None)
        | (FindCapability(PowerManagementCapability) is int power && (Word(power + 4) & 8) == 0 ? ResetMethods.Power : ResetMethods.None);

    /// <summary>Whether it may send requests with the numbers of other, absent functions (device control, bit 9).</summary>
    public bool UsesPhantomFunctions => FindCapability(PciExpressCapability) is int at && (Word(at + 8) & 0x200) != 0;

    /// <summary>
    /// The virtual functions that are switched on (SR-IOV 1.1, 3.3): how many, how far the first one's routing id is from this function's,
    /// and how far they are from each other; zeros where there are none.
    /// </summary>
    public (int Count, int First, int Stride) VirtualFunctions => FindExtendedCapability(VirtualizationCapability) is int at && (Word(at + 0x08) & 1) != 0
        ? (Word(at + 0x10), Word(at + 0x14), Word(at + 0x16))
        : default;

    /// <summary>The same bytes without the Device Serial Number: the capability becomes an empty one, so that the list goes on behind it.</summary>
    public static byte[] WithoutSerialNumber(byte[] config)
    {
        if (new ConfigSpace(config).FindExtendedCapability(DeviceSerialNumberCapability) is not int at || at + 12 > config.Length)
            return config;
        byte[] masked = [.. config];
        masked.AsSpan(at, 2).Clear();
        masked.AsSpan(at + 4, 8).Clear();
        return masked;
    }

    /// <summary>
    /// Reads as much of a configuration space as anything here looks at: the header, and the two lists of capabilities with the beginning
    /// of each. Every four bytes are an access to the device, and one by way of the hypervisor in a virtual machine: all 4096 took 36 to
    /// 74 ms there, the first 256 took 2.3.
    /// </summary>
    /// <param name="buffer">4096 bytes; what was not read becomes zero.</param>
    /// <param name="source">Passed on to <paramref name="read"/>.</param>
    /// <param name="read">Reads from an offset on until the buffer is full or the space ends, and returns the number of bytes.</param>
    /// <returns>How many bytes of the buffer count as read.</returns>
    public static int Fetch<TSource>(Span<byte> buffer, TSource source, ReadAt<TSource> read)
    {
        // A little more than an ordinary user gets. Of a capability as much as is looked at of the longest: PCI Express, and SR-IOV.
        const int Header = 0x44, LongestCapability = 0x0c, LongestExtended = 0x18;
        var end = read(source, 0, buffer[..Header]);
        if (end < Header)
            return end;
        buffer[Header..].Clear();
        end = FirstExtended;
        var at = new ConfigSpace(buffer).FirstCapability;
        for (var seen = 0; seen < MostCapabilities && at >= EndOfHeader; seen++)
        {
            var part = buffer.Slice(at, Math.Min(LongestCapability, FirstExtended - at));
            if (read(source, at, part) < 2)
                break;
            at = part[1] & 0xfc;
        }
        at = FirstExtended;
        for (var seen = 0; seen < MostExtended && at >= FirstExtended; seen++)
        {
            var part = buffer.Slice(at, Math.Min(LongestExtended, buffer.Length - at));
            var count = read(source, at, part);
            if (count < 4)
                break;
            end = Math.Max(end, at + count);
            at = NextExtended(BinaryPrimitives.ReadUInt32LittleEndian(part)) ?? 0;
        }
        return end;
    }

    byte Byte(int at) => at < bytes.Length ? bytes[at] : (byte)0;

    ushort Word(int at) => at + 2 <= bytes.Length ? BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]) : (ushort)0;

    uint DoubleWord(int at) => at + 4 <= bytes.Length ? BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]) : 0;

    /// <summary>Where the first capability is (PCI Local Bus 3.0, 6.7); 0 where there is none.</summary>
    int FirstCapability
    {
        get
        {
            const int StatusRegister = 0x06, HasCapabilities = 0x10, FirstPointer = 0x34;
            return (Word(StatusRegister) & HasCapabilities) != 0 ? Byte(FirstPointer) & 0xfc : 0;
        }
    }

    int? FindCapability(byte id)
    {
        var at = FirstCapability;
        for (var seen = 0; seen < MostCapabilities && at >= EndOfHeader && at + 2 <= bytes.Length; seen++)
        {
            if (Byte(at) == id)
                return at;
            at = Byte(at + 1) & 0xfc;
        }
        return null;
    }

    int? FindExtendedCapability(ushort id)
    {
        var at = FirstExtended;
        for (var seen = 0; seen < MostExtended && at >= FirstExtended && at + 4 <= bytes.Length; seen++)
        {
            var header = BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
            if (NextExtended(header) is not int next)
                return null;
            if ((ushort)header == id)
                return at;
            at = next;
        }
        return null;
    }

    /// <summary>Where the header of the next extended capability is, 0 behind the last; null where there is no capability.</summary>
    static int? NextExtended(uint header) => header is 0 or uint.MaxValue ? null : (int)(header >> 20) & 0xffc;
}

/// <summary>Reads from an offset on until the buffer is full or there is no more.</summary>
/// <returns>The number of bytes.</returns>
public delegate int ReadAt<TSource>(TSource source, int offset, Span<byte> buffer);

/// <summary>Device/port types of the PCI Express capability (PCI Express Base Specification, 7.5.3.2).</summary>
public enum PciExpressType : byte
{
    Endpoint = 0,
    LegacyEndpoint = 1,
    RootPort = 4,
    UpstreamPort = 5,
    DownstreamPort = 6,
    ExpressToPciBridge = 7,
    PciToExpressBridge = 8,
    RootComplexEndpoint = 9,
    RootComplexEventCollector = 10,
}
