using System.Text;

namespace PciPass.Core.Formats;

/// <summary>One entry of a boot loader, as the Boot Loader Specification (type 1) has it: a key and a value in each line.</summary>
/// <param name="Path">Its file.</param>
/// <param name="Title">For people; the file's name where there is none.</param>
/// <param name="Version">What it says of the kernel's version; empty where it says nothing.</param>
/// <param name="SortKey">By what entries are sorted first; empty where there is none.</param>
/// <param name="Kernel">The kernel's file; empty where there is none.</param>
/// <param name="Initrd">The last initramfs; null without one.</param>
/// <param name="Line">What the kernel is given: all <c>options</c> lines, in their order.</param>
/// <param name="LineNumber">The first of these lines, from 1; 0 without one.</param>
public sealed record LoaderEntry(string Path, string Title, string Version, string SortKey, string Kernel, string? Initrd, string Line, int LineNumber)
{
    /// <summary>What a default names: the file's name without its ending.</summary>
    public string Id => Path[(Path.LastIndexOf('/') + 1)..].Replace(".conf", "", StringComparison.Ordinal);

    public static LoaderEntry Parse(string path, string text)
    {
        var entry = new LoaderEntry(path, "", "", "", "", null, "", 0);
        var options = new StringBuilder();
        foreach (var (at, raw) in text.Split('\n').Index())
        {
            var line = raw.Trim();
            var blank = line.AsSpan().IndexOfAny(' ', '\t');
            if (blank < 0 || line.StartsWith('#'))
                continue;
            var value = line[blank..].Trim();
            switch (line[..blank])
            {
                case "title": entry = entry with { Title = value }; break;
                case "version": entry = entry with { Version = value }; break;
                case "sort-key": entry = entry with { SortKey = value }; break;
                case "linux" or "efi" or "uki": entry = entry with { Kernel = value }; break;
                case "initrd": entry = entry with { Initrd = value.Split(' ')[0] }; break;
                case "options":
                    options.Append(options.Length > 0 ? " " : "").Append(value);
                    entry = entry with { LineNumber = entry.LineNumber == 0 ? at + 1 : entry.LineNumber };
                    break;
            }
        }
        return entry with { Title = entry.Title.Length > 0 ? entry.Title : entry.Id, Line = options.ToString() };
    }

    /// <summary>The line with variables of GRUB's environment in it worked out.</summary>
    public LoaderEntry With(IReadOnlyDictionary<string, string> environment)
    {
        var line = Line;
        foreach (var (name, value) in environment.OrderByDescending(each => each.Key.Length))
            line = line.Replace($"${{{name}}}", value, StringComparison.Ordinal).Replace($"${name}", value, StringComparison.Ordinal);
        return this with { Line = line };
    }

    /// <summary>Newest first, in the manner of both GRUB's blscfg and systemd-boot: numbers within names count as numbers.</summary>
    public static int Compare(LoaderEntry one, LoaderEntry other)
    {
        var order = string.CompareOrdinal(one.SortKey, other.SortKey);
        order = order != 0 ? order : -CompareVersions(one.Version, other.Version);
        return order != 0 ? order : -CompareVersions(one.Id, other.Id);
    }

    /// <summary>Compares versions: runs of digits as numbers, all else letter by letter.</summary>
    public static int CompareVersions(string one, string other)
    {
        var (at, there) = (0, 0);
        while (at < one.Length && there < other.Length)
        {
            if (char.IsAsciiDigit(one[at]) && char.IsAsciiDigit(other[there]))
            {
                var (first, second) = (Digits(one, ref at), Digits(other, ref there));
                var order = first.Length != second.Length ? first.Length.CompareTo(second.Length) : string.CompareOrdinal(first, second);
                if (order != 0)
                    return order;
            }
            else if (one[at++] is var letter && other[there++] is var its && letter != its)
            {
                return letter.CompareTo(its);
            }
        }
        return (one.Length - at).CompareTo(other.Length - there);

        static string Digits(string text, ref int at)
        {
            var from = at;
            while (at < text.Length && char.IsAsciiDigit(text[at]))
                at++;
            return text[from..at].TrimStart('0');
        }
    }
}
