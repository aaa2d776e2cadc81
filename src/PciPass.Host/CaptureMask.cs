using System.Buffers;
using System.Text;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Removes from files that leave a host what identifies its parts or opens doors: serial numbers, MAC addresses, passwords, environments.</summary>
/// <remarks>Without regular expressions: four masks are not worth a twentieth of the program's size.</remarks>
static class CaptureMask
{
    const int AddressLength = 17, SerialLength = 16;

    static readonly SearchValues<char> Hexadecimal = SearchValues.Create("0123456789abcdef");

    static readonly string[] Secrets = ["passwd", "password", "secret", "token"];

    public static byte[] Mask(string path, byte[] content)
    {
        if (path.EndsWith("/config", StringComparison.Ordinal) && path.StartsWith("/sys/", StringComparison.Ordinal))
            return ConfigSpace.WithoutSerialNumber(content);
        // Tables and variables of the firmware are no text.
        if (path.StartsWith("/sys/firmware/", StringComparison.Ordinal))
            return content;
        var text = Encoding.UTF8.GetString(content);
        if (path.EndsWith("/environ", StringComparison.Ordinal))
            text = string.Join('\0', text.Split('\0').Where(entry => entry.StartsWith("SSH_CONNECTION=", StringComparison.Ordinal)));
        else if (path.StartsWith("/run/udev/data/", StringComparison.Ordinal))
            text = string.Join('\n', text.Split('\n').Where(line => line.StartsWith("E:ID_FS_TYPE=", StringComparison.Ordinal) || line.StartsWith("E:ID_FS_LABEL=", StringComparison.Ordinal)
                || line.StartsWith("E:ID_PART_TABLE_TYPE=", StringComparison.Ordinal) || line.StartsWith("E:ID_PART_ENTRY_TYPE=", StringComparison.Ordinal)
                || line.StartsWith("E:ID_PART_ENTRY_UUID=", StringComparison.Ordinal)));
        else if (path.StartsWith("/proc/", StringComparison.Ordinal) && path.EndsWith("/cmdline", StringComparison.Ordinal) && path != "/proc/cmdline")
            text = QemuCommandLine.Excerpt(text);
        else if (path == "/proc/bus/input/devices")
            text = EachLine(text, static line => line.IndexOf("U: Uniq=", StringComparison.Ordinal) is >= 0 and var at ? $"{line[..at]}U: Uniq=" : line);
        if (path.StartsWith("/var/lib/pcipass/", StringComparison.Ordinal))
            text = EachLine(text, static line => EndsWithSerial(line) ? $"{line[..^SerialLength]}-" : line);
        return Encoding.UTF8.GetBytes(WithoutPasswords(WithoutAddresses(text)));
    }

    static string EachLine(string text, Func<string, string> mask) => string.Join('\n', text.Split('\n').Select(mask));

    /// <summary>The journal writes an identity's serial number last: <c>...,525400ffff090000</c>.</summary>
    static bool EndsWithSerial(string line) =>
        line.Length > SerialLength && line[^(SerialLength + 1)] == ',' && !line.AsSpan(line.Length - SerialLength).ContainsAnyExcept(Hexadecimal);

    static string WithoutAddresses(string text)
    {
        var masked = new StringBuilder(text.Length);
        for (var at = 0; at < text.Length;)
        {
            if (IsAddress(text, at))
            {
                masked.Append("xx:xx:xx:xx:xx:xx");
                at += AddressLength;
            }
            else
            {
                masked.Append(text[at++]);
            }
        }
        return masked.ToString();
    }

    /// <summary>Six pairs of hexadecimal digits with colons between, that are no part of a longer word.</summary>
    static bool IsAddress(string text, int at)
    {
        if (at + AddressLength > text.Length || (at > 0 && IsWord(text[at - 1])) || (at + AddressLength < text.Length && IsWord(text[at + AddressLength])))
            return false;
        for (var offset = 0; offset < AddressLength; offset++)
        {
            if (offset % 3 == 2 ? text[at + offset] != ':' : !char.IsAsciiHexDigit(text[at + offset]))
                return false;
        }
        return true;
    }

    static bool IsWord(char letter) => char.IsLetterOrDigit(letter) || letter == '_';

    /// <summary>What stands in quotation marks behind <c>password=</c>, <c>"token": </c> and their like.</summary>
    static string WithoutPasswords(string text)
    {
        var masked = new StringBuilder(text.Length);
        for (var at = 0; at < text.Length;)
        {
            if (ValueOfSecret(text, at) is (> 0 and var open, var end))
            {
                masked.Append(text, at, open - at).Append("\"masked\"");
                at = end;
            }
            else
            {
                masked.Append(text[at++]);
            }
        }
        return masked.ToString();
    }

    /// <summary>Where the value of a secret that is named at a place begins and ends, its quotation marks included; zeros where none is.</summary>
    static (int Open, int End) ValueOfSecret(string text, int at)
    {
        foreach (var word in Secrets)
        {
            if (!text.AsSpan(at).StartsWith(word, StringComparison.OrdinalIgnoreCase))
                continue;
            var next = at + word.Length;
            if (next < text.Length && text[next] == '"')
                next++;
            next = SkipSpace(text, next);
            if (next >= text.Length || text[next] is not (':' or '='))
                continue;
            var open = SkipSpace(text, next + 1);
            if (open >= text.Length || text[open] is not ('"' or '\''))
                continue;
            var close = text.AsSpan(open + 1).IndexOfAny("\"'\n");
            if (close >= 0 && text[open + 1 + close] != '\n')
                return (open, open + close + 2);
        }
        return (0, 0);
    }

    static int SkipSpace(string text, int at)
    {
        while (at < text.Length && char.IsWhiteSpace(text[at]))
            at++;
        return at;
    }
}
