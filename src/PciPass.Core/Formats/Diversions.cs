namespace PciPass.Core.Formats;

/// <summary>
/// dpkg's list of files that stand in for those of packages (/var/lib/dpkg/diversions): three lines for each, the path that a package
/// installs to, the path that dpkg puts it to instead, and the package that wants it so, or <c>:</c> for the administrator
/// (dpkg, lib/dpkg/db-fsys-divert.c).
/// </summary>
public static class Diversions
{
    /// <summary>Where dpkg puts what a package installs at the path; null where it puts it there.</summary>
    public static string? Find(string text, string path)
    {
        var lines = text.Split('\n');
        for (var at = 0; at + 2 < lines.Length; at += 3)
        {
            if (lines[at] == path)
                return lines[at + 1];
        }
        return null;
    }
}
