using System.Globalization;
using System.Text;

namespace PciPass.Core.Formats;

/// <summary>A mounted file system that sits on a block device.</summary>
/// <param name="Major">The device's major number; 0 for file systems with a device number of their own (btrfs, overlay, tmpfs).</param>
/// <param name="Minor">The device's minor number.</param>
/// <param name="MountPoint">Where it is mounted.</param>
/// <param name="Source">What was mounted, as the file system tells it: <c>/dev/nvme0n1p2</c>.</param>
/// <param name="Type">The file system's kind: <c>ext4</c>.</param>
/// <param name="Server">The address that it comes from over the network, as <c>addr=</c> tells it (nfs(5), mount.cifs(8)); null for others.</param>
public sealed record Mount(int Major, int Minor, string MountPoint, string Source, string Type = "", string? Server = null);

/// <summary>Reads <c>/proc/PID/mountinfo</c> (proc(5)) and <c>/proc/swaps</c>.</summary>
public static class MountTable
{
    /// <summary>The mounts; lines that are not of the documented form are left out.</summary>
    public static IEnumerable<Mount> ParseMountInfo(string text)
    {
        foreach (var line in text.Split('\n'))
        {
            // 36 35 98:0 /root /mountpoint rw,noatime shared:1 - ext4 /dev/sda1 rw
            var words = line.Split(' ');
            var dash = Array.IndexOf(words, "-");
            if (dash < 6 || words.Length < dash + 3)
                continue;
            var colon = words[2].IndexOf(':');
            if (colon > 0
                && int.TryParse(words[2].AsSpan(0, colon), NumberStyles.None, CultureInfo.InvariantCulture, out var major)
                && int.TryParse(words[2].AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var minor))
                yield return new Mount(major, minor, Unescape(words[4]), Unescape(words[dash + 2]), words[dash + 1], words.Length > dash + 3 ? ServerOf(words[dash + 3]) : null);
        }
    }

    static string? ServerOf(string options)
    {
        const string Name = "addr=";
        return options.Split(',').FirstOrDefault(option => option.StartsWith(Name, StringComparison.Ordinal))?[Name.Length..];
    }

    /// <summary>The files and partitions in use as swap.</summary>
    public static IEnumerable<string> ParseSwaps(string text) =>
        from line in text.Split('\n').Skip(1)
        let end = line.IndexOfAny([' ', '\t'])
        where end > 0
        select Unescape(line[..end]);

    /// <summary>The kernel writes space, tab, newline and backslash as three octal digits behind a backslash (fs/seq_file.c).</summary>
    static string Unescape(string word)
    {
        if (!word.Contains('\\'))
            return word;
        var text = new StringBuilder(word.Length);
        for (var at = 0; at < word.Length; at++)
        {
            if (word[at] == '\\' && at + 3 < word.Length && word[at + 1] is >= '0' and <= '3' && word[at + 2] is >= '0' and <= '7' && word[at + 3] is >= '0' and <= '7')
            {
                text.Append((char)(((word[at + 1] - '0') << 6) | ((word[at + 2] - '0') << 3) | (word[at + 3] - '0')));
                at += 3;
            }
            else
            {
                text.Append(word[at]);
            }
        }
        return text.ToString();
    }
}
