namespace PciPass.Core.Formats;

/// <summary>Reads <c>/etc/fstab</c> (fstab(5)).</summary>
public static class FsTab
{
    /// <summary>Sources and where they are mounted, in the order of the file; lines of another form are left out.</summary>
    public static IEnumerable<(string Source, string MountPoint)> Parse(string text) =>
        from line in text.Split('\n')
        let words = line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)
        where words.Length >= 3 && words[0][0] != '#' && words[1][0] == '/'
        select (words[0].Replace("\"", "", StringComparison.Ordinal), words[1]);

    /// <summary>The path of a source below /dev: <c>UUID=</c> and its kind are links that udev makes. Null for what is no device.</summary>
    public static string? PathOf(string source) => source.Split('=', 2) switch
    {
        ["UUID", var id] => $"/dev/disk/by-uuid/{id}",
        ["LABEL", var label] => $"/dev/disk/by-label/{label}",
        ["PARTUUID", var id] => $"/dev/disk/by-partuuid/{id}",
        ["PARTLABEL", var label] => $"/dev/disk/by-partlabel/{label}",
        [['/', 'd', 'e', 'v', '/', ..] path] => path,
        _ => null,
    };
}
