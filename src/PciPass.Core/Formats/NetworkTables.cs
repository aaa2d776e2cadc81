using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;

namespace PciPass.Core.Formats;

/// <summary>An address of a network interface.</summary>
/// <param name="InterfaceIndex">The kernel's number of the interface (<c>/sys/class/net/NAME/ifindex</c>).</param>
/// <param name="Text">Address and prefix length: <c>10.0.2.15/24</c>.</param>
/// <param name="IsLinkLocal">An address that the kernel gives by itself (IPv6, fe80::/10).</param>
/// <param name="IsForEver">Whether it was given without an end; a lease or a router's advertisement has one.</param>
/// <param name="Broadcast">The address that all of its network hear; null where none was given (IPv6 has none).</param>
public sealed record InterfaceAddress(int InterfaceIndex, string Text, bool IsLinkLocal, bool IsForEver = true, string? Broadcast = null)
{
    /// <summary>As <c>ip address add</c> takes it, without the interface.</summary>
    public string Setting => Broadcast is null ? Text : $"{Text} broadcast {Broadcast}";
}

/// <summary>Reads the kernel's network tables.</summary>
public static class NetworkTables
{
    const ushort NewLink = 16;        // RTM_NEWLINK
    const ushort NewAddress = 20;     // RTM_NEWADDR, include/uapi/linux/rtnetlink.h
    const ushort AttributeAddress = 1; // IFA_ADDRESS, include/uapi/linux/if_addr.h
    const ushort AttributeLocal = 2;   // IFA_LOCAL: the own address, where IFA_ADDRESS is the peer's
    const ushort AttributeBroadcast = 4; // IFA_BROADCAST
    const byte Inet = 2, Inet6 = 10;

    /// <summary>The addresses in a dump of RTM_NEWADDR messages (rtnetlink(7)); reading stops where a length makes no sense.</summary>
    public static IEnumerable<InterfaceAddress> ParseAddresses(byte[] dump)
    {
        const int MessageHeader = 16, AddressHeader = 8;
        for (var at = 0; at + MessageHeader <= dump.Length;)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(dump.AsSpan(at));
            if (length < MessageHeader || length > dump.Length - at)
                yield break;
            if (BinaryPrimitives.ReadUInt16LittleEndian(dump.AsSpan(at + 4)) == NewAddress && length >= MessageHeader + AddressHeader
                && ReadAddress(dump.AsSpan(at + MessageHeader, length - MessageHeader)) is InterfaceAddress address)
                yield return address;
            at += Aligned(length);
        }
    }

    static InterfaceAddress? ReadAddress(ReadOnlySpan<byte> message)
    {
        var family = message[0];
        var prefix = message[1];
        var isForEver = (message[2] & 0x80) != 0; // IFA_F_PERMANENT
        var index = BinaryPrimitives.ReadInt32LittleEndian(message[4..]);
        ReadOnlySpan<byte> found = default;
        string? broadcast = null;
        var attributes = message[8..];
        while (attributes.Length >= 4)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(attributes);
            var type = BinaryPrimitives.ReadUInt16LittleEndian(attributes[2..]);
            if (length < 4 || length > attributes.Length)
                break;
            if (type == AttributeLocal || (type == AttributeAddress && found.IsEmpty))
                found = attributes[4..length];
            else if (type == AttributeBroadcast && length == 8)
                broadcast = $"{attributes[4]}.{attributes[5]}.{attributes[6]}.{attributes[7]}";
            attributes = Aligned(length) < attributes.Length ? attributes[Aligned(length)..] : default;
        }
        return (family, found.Length) switch
        {
            (Inet, 4) => new InterfaceAddress(index, $"{found[0]}.{found[1]}.{found[2]}.{found[3]}/{prefix}", IsLinkLocal: false, isForEver, broadcast),
            (Inet6, 16) => new InterfaceAddress(index, $"{Inet6Text(found)}/{prefix}", found[0] == 0xfe && (found[1] & 0xc0) == 0x80, isForEver),
            _ => null,
        };
    }

    /// <summary>
    /// The interfaces in a dump of RTM_NEWLINK messages (rtnetlink(7)) that stand on one of another namespace: what they stand on is in none of
    /// their own namespace's lists, and they are in none of the other's.
    /// </summary>
    public static IEnumerable<ForeignLink> ParseForeignLinks(byte[] dump)
    {
        const int MessageHeader = 16, LinkHeader = 16;
        for (var at = 0; at + MessageHeader <= dump.Length;)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(dump.AsSpan(at));
            if (length < MessageHeader || length > dump.Length - at)
                yield break;
            if (BinaryPrimitives.ReadUInt16LittleEndian(dump.AsSpan(at + 4)) == NewLink && length >= MessageHeader + LinkHeader
                && ReadLink(dump.AsSpan(at + MessageHeader + LinkHeader, length - MessageHeader - LinkHeader)) is ForeignLink link)
                yield return link;
            at += Aligned(length);
        }
    }

    static ForeignLink? ReadLink(ReadOnlySpan<byte> attributes)
    {
        const ushort Name = 3, Lower = 5, Details = 18, LowersNamespace = 37, Kind = 1, Nested = 0x8000;
        var (name, kind, lower, isForeign) = ("", "", 0, false);
        while (Next(ref attributes, out var type, out var value))
        {
            if (type == Name)
                name = Word(value);
            else if (type == Lower && value.Length == 4)
                lower = BinaryPrimitives.ReadInt32LittleEndian(value);
            else if (type == LowersNamespace)
                isForeign = true;
            else if ((type & ~Nested) == Details)
            {
                while (Next(ref value, out var inner, out var word))
                    kind = inner == Kind ? Word(word) : kind;
            }
        }
        return isForeign && lower > 0 ? new ForeignLink(name, kind, lower) : null;

        static string Word(ReadOnlySpan<byte> bytes) => System.Text.Encoding.UTF8.GetString(bytes).TrimEnd('\0');
    }

    /// <summary>Takes the first attribute off; false at the end, and where a length makes no sense.</summary>
    static bool Next(ref ReadOnlySpan<byte> attributes, out ushort type, out ReadOnlySpan<byte> value)
    {
        type = 0;
        value = default;
        if (attributes.Length < 4)
            return false;
        var length = BinaryPrimitives.ReadUInt16LittleEndian(attributes);
        if (length < 4 || length > attributes.Length)
            return false;
        type = BinaryPrimitives.ReadUInt16LittleEndian(attributes[2..]);
        value = attributes[4..length];
        attributes = Aligned(length) < attributes.Length ? attributes[Aligned(length)..] : default;
        return true;
    }

    static int Aligned(int length) => (length + 3) & ~3;

    /// <summary>An IPv6 address with its longest run of zeros shortened (RFC 5952).</summary>
    static string Inet6Text(ReadOnlySpan<byte> bytes)
    {
        Span<ushort> words = stackalloc ushort[8];
        for (var word = 0; word < 8; word++)
            words[word] = BinaryPrimitives.ReadUInt16BigEndian(bytes[(2 * word)..]);
        int bestStart = -1, bestLength = 1;
        for (var start = 0; start < 8; start++)
        {
            var length = 0;
            while (start + length < 8 && words[start + length] == 0)
                length++;
            if (length > bestLength)
                (bestStart, bestLength) = (start, length);
        }
        if (bestStart < 0)
            return Join(words);
        return $"{Join(words[..bestStart])}::{Join(words[(bestStart + bestLength)..])}";

        static string Join(ReadOnlySpan<ushort> words)
        {
            var texts = new string[words.Length];
            for (var word = 0; word < words.Length; word++)
                texts[word] = words[word].ToString("x");
            return string.Join(':', texts);
        }
    }

    /// <summary>
    /// The IPv4 routes of the main table, <c>/proc/net/route</c> (net/ipv4/fib_trie.c). A route without a gateway may have come with an
    /// address; one to a network of its own looks the same, and only the addresses tell them apart.
    /// </summary>
    public static IEnumerable<Route> ParseRoutes4(string text)
    {
        foreach (var line in text.Split('\n').Skip(1))
        {
            var words = line.Split('\t', StringSplitOptions.TrimEntries);
            if (words.Length < 8 || Hex(words[1]) is not uint target || Hex(words[2]) is not uint gateway || Hex(words[3]) is not uint flags || Hex(words[7]) is not uint mask
                || !long.TryParse(words[6], NumberStyles.None, CultureInfo.InvariantCulture, out var metric))
                continue;
            var isDefault = target == 0 && mask == 0;
            yield return new Route(words[0], isDefault ? "default" : $"{Inet4Text(target)}/{BitOperations.PopCount(mask)}", (flags & HasGateway) != 0 ? Inet4Text(gateway) : null, metric);
        }

        static string Inet4Text(uint number) => $"{number & 0xff}.{(number >> 8) & 0xff}.{(number >> 16) & 0xff}.{number >> 24}";
    }

    static uint? Hex(ReadOnlySpan<char> word) => uint.TryParse(word, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) ? value : null;

    /// <summary>
    /// The IPv6 routes of the main table that somebody made, <c>/proc/net/ipv6_route</c> (net/ipv6/route.c): to a gateway, or a default
    /// one. The kernel's own entries (local, multicast, and a catch-all on lo that rejects) are no routes of the host's.
    /// </summary>
    public static IEnumerable<Route> ParseRoutes6(string text)
    {
        const uint OfKernel = 0x00040000 /* RTF_ADDRCONF */ | 0x00010000 /* RTF_DEFAULT */;
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 10 || words[^1] == "lo" || Bytes(words[0]) is not { } target || Bytes(words[4]) is not { } gateway || Hex(words[1]) is not uint length
                || Hex(words[5]) is not uint metric || Hex(words[8]) is not uint flags)
                continue;
            var isDefault = length == 0 && target.All(each => each == 0);
            if (isDefault || (flags & HasGateway) != 0)
                yield return new Route(words[^1], isDefault ? "default" : $"{Inet6Text(target)}/{length}", (flags & HasGateway) != 0 ? Inet6Text(gateway) : null, metric, (flags & OfKernel) != 0);
        }

        static byte[]? Bytes(string word) => word.Length == 32 && word.All(char.IsAsciiHexDigit) ? Convert.FromHexString(word) : null;
    }

    /// <summary>The network of an IPv4 address with its prefix length, as a route has it: <c>10.0.2.0/24</c> for <c>10.0.2.15/24</c>; null for others.</summary>
    public static string? NetworkOf(string address)
    {
        if (address.Split('/') is not [var host, var length] || host.Split('.') is not { Length: 4 } parts || !int.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var bits) || bits > 32)
            return null;
        var number = 0u;
        foreach (var part in parts)
        {
            if (!byte.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var value))
                return null;
            number = (number << 8) | value;
        }
        var network = number & (bits == 0 ? 0 : uint.MaxValue << (32 - bits));
        return $"{network >> 24}.{(network >> 16) & 0xff}.{(network >> 8) & 0xff}.{network & 0xff}/{bits}";
    }

    /// <summary>RTF_GATEWAY (include/uapi/linux/route.h).</summary>
    const uint HasGateway = 2;
}
