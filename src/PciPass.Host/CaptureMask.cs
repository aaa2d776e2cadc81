using System.Text;
using System.Text.RegularExpressions;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Removes from files that leave a host what identifies its parts or opens doors: serial numbers, MAC addresses, passwords, environments.</summary>
static partial class CaptureMask
{
    const int MostMilliseconds = 10_000;

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
            text = Unique().Replace(text, "U: Uniq=");
        if (path.StartsWith("/var/lib/pcipass/", StringComparison.Ordinal))
            text = JournalSerial().Replace(text, ",-");
        return Encoding.UTF8.GetBytes(Password().Replace(MacAddress().Replace(text, "xx:xx:xx:xx:xx:xx"), "${name}\"masked\""));
    }

    [GeneratedRegex("""(?i)\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b""", RegexOptions.ExplicitCapture, MostMilliseconds)]
    private static partial Regex MacAddress();

    [GeneratedRegex("""(?i)(?<name>(?:passwd|password|secret|token)"?\s*[:=]\s*)["'][^"'\n]*["']""", RegexOptions.ExplicitCapture, MostMilliseconds)]
    private static partial Regex Password();

    [GeneratedRegex("U: Uniq=.*", RegexOptions.ExplicitCapture, MostMilliseconds)]
    private static partial Regex Unique();

    [GeneratedRegex(",[0-9a-f]{16}$", RegexOptions.Multiline, MostMilliseconds)]
    private static partial Regex JournalSerial();
}
