using System.Collections.Immutable;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads the configuration files of Xen's guests: every file in /etc/xen and /etc/xen/auto that looks like one.</summary>
public static class GuestFileReader
{
    /// <summary>Longer than any guest's: what is longer is no configuration file.</summary>
    const int Most = 1024 * 1024;

    public static ImmutableArray<GuestFile> Read(SysTree files, IReadOnlyDictionary<string, PciAddress> names)
    {
        var found = ImmutableArray.CreateBuilder<GuestFile>();
        foreach (var folder in (ReadOnlySpan<string>)["/etc/xen", "/etc/xen/auto"])
        {
            foreach (var name in files.List(folder))
            {
                if ((IsGuestFile(name) || folder != "/etc/xen") && ReadFile(files, Resolve(files, $"{folder}/{name}"), names) is GuestFile file)
                    found.Add(file);
            }
        }
        // /etc/xen/auto holds links to the same files.
        return [.. found.DistinctBy(file => file.Path)];
    }

    /// <summary>One file, wherever it is.</summary>
    /// <returns>Null when it is not there, is no file, or is far too long for one.</returns>
    public static GuestFile? ReadFile(SysTree files, string path, IReadOnlyDictionary<string, PciAddress> names)
    {
        try
        {
            return files.ReadAll(path) is byte[] { Length: <= Most } bytes && new FileContent(bytes) is var content ? new GuestFile(path, content, XlConfig.Parse(content.Text, names)) { LinkTarget = files.ReadLink(path) } : null;
        }
        catch (HostFailure failure) when (failure.ErrorNumber == Errno.EISDIR)
        {
            return null;
        }
    }

    /// <summary>
    /// Where a link in /etc/xen/auto leads within /etc/xen. Any other is read where it stands, and not changed: what lies elsewhere is
    /// named by its own path.
    /// </summary>
    static string Resolve(SysTree files, string path)
    {
        if (files.ReadLink(path) is not string target)
            return path;
        var full = Path.GetFullPath(target, path[..path.LastIndexOf('/')]);
        return full.StartsWith("/etc/xen/", StringComparison.Ordinal) && files.ReadLink(full) is null ? full : path;
    }

    /// <summary>The functions that people gave names to: <c>xl pci-assignable-add -n NAME</c>, Xen 4.15 and newer.</summary>
    internal static ImmutableDictionary<string, PciAddress> ReadNames(Xenstore store, uint transaction)
    {
        var names = ImmutableDictionary.CreateBuilder<string, PciAddress>(StringComparer.Ordinal);
        foreach (var node in store.List("/libxl/pci", transaction))
        {
            // dddd-bb-dd-f
            var parts = node.Split('-');
            if (parts.Length == 4 && PciAddress.TryParse($"{parts[0]}:{parts[1]}:{parts[2]}.{parts[3]}", out var address) && store.Read($"/libxl/pci/{node}/name", transaction) is { Length: > 0 } name)
                names[name] = address;
        }
        return names.ToImmutable();
    }

    /// <summary>xl's own settings and scripts lie there too; RHEL 5 named guests' files without an ending.</summary>
    static bool IsGuestFile(string name) =>
        name.EndsWith(".cfg", StringComparison.Ordinal) || (!name.Contains('.') && name is not ("scripts" or "auto" or "README" or "xl" or "cpupool"));
}
