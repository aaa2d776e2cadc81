using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;

namespace PciPass.Core.Formats;

/// <summary>An address of a network interface.</summary>
/// <param name="InterfaceIndex">The kernel's number of the interface (<c>/sys/class/net/NAME/ifindex</c>).</param>
/// <param name="Text">Address and prefix length: <c>10.0.2.15/24</c>.</param>
/// <param name="IsLinkLocal">An address that the kernel gives by itself (IPv6, fe80::/10).</param>
public sealed record InterfaceAddress(int InterfaceIndex, string Text, bool IsLinkLocal);

/// <summary>Reads the kernel's network tables.</summary>
public static class NetworkTables
{
    const ushort NewAddress = 20;     // RTM_NEWADDR, include/uapi/linux/rtnetlink.h
    const ushort AttributeAddress = 1; // IFA_ADDRESS, include/uapi/linux/if_addr.h
    const ushort AttributeLocal = 2;   // IFA_LOCAL: the own address, where IFA_ADDRESS is the peer's
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
        var index = BinaryPrimitives.ReadInt32LittleEndian(message[4..]);
        ReadOnlySpan<byte> found = default;
        var attributes = message[8..];
        while (attributes.Length >= 4)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(attributes);
            var type = BinaryPrimitives.ReadUInt16LittleEndian(attributes[2..]);
            if (length < 4 || length > attributes.Length)
                break;
            if (type == AttributeLocal || (type == AttributeAddress && found.IsEmpty))
                found = attributes[4..length];
            attributes = Aligned(length) < attributes.Length ? attributes[Aligned(length)..] : default;
        }
        return (family, found.Length) switch
        {
            (Inet, 4) => new InterfaceAddress(index, $"{found[0]}.{found[1]}.{found[2]}.{found[3]}/{prefix}", IsLinkLocal: false),
            (Inet6, 16) => new InterfaceAddress(index, $"{Inet6Text(found)}/{prefix}", found[0] == 0xfe && (found[1] & 0xc0) == 0x80),
            _ => null,
        };
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

    /// <summary>The interfaces of IPv4 default routes in <c>/proc/net/route</c> (net/ipv4/fib_trie.c), destination and mask both 0.</summary>
    public static IEnumerable<string> ParseDefaultRoutes4(string text) =>
        from line in text.Split('\n').Skip(1)
        let words = line.Split('\t', StringSplitOptions.TrimEntries)
        where words.Length >= 8 && words[1] == "00000000" && words[7] == "00000000"
        select words[0];

    /// <summary>The other IPv4 routes: interface, target (<c>10.8.0.0/16</c>), and whether it has a gateway (flag 2).</summary>
    public static IEnumerable<(string Name, string Target, bool HasGateway)> ParseRoutes4(string text)
    {
        foreach (var line in text.Split('\n').Skip(1))
        {
            var words = line.Split('\t', StringSplitOptions.TrimEntries);
            if (words.Length >= 8 && Hex(words[1]) is uint target && Hex(words[3]) is uint flags && Hex(words[7]) is uint mask && mask != 0)
                yield return (words[0], $"{target & 0xff}.{(target >> 8) & 0xff}.{(target >> 16) & 0xff}.{target >> 24}/{BitOperations.PopCount(mask)}", (flags & 2) != 0);
        }
    }

    static uint? Hex(string word) => uint.TryParse(word, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) ? value : null;

    /// <summary>
    /// The interfaces of IPv6 default routes in <c>/proc/net/ipv6_route</c> (net/ipv6/route.c). The kernel's own catch-all entry on
    /// lo, which rejects, is no route of the host's.
    /// </summary>
    public static IEnumerable<string> ParseDefaultRoutes6(string text) =>
        from line in text.Split('\n')
        let words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        where words.Length >= 10 && words[1] == "00" && words[0].All(digit => digit == '0') && words[^1] != "lo"
        select words[^1];
}
