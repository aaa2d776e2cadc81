using System.Collections.Immutable;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads which functions the guests' configuration files name: every file in /etc/xen and /etc/xen/auto that looks like one.</summary>
static class ClaimReader
{
    public static ImmutableArray<ConfiguredClaim> Read(SysTree files)
    {
        var claims = ImmutableArray.CreateBuilder<ConfiguredClaim>();
        foreach (var folder in (ReadOnlySpan<string>)["/etc/xen", "/etc/xen/auto"])
        {
            foreach (var name in files.List(folder))
            {
                var path = $"{folder}/{name}";
                if (!IsGuestFile(name) && folder == "/etc/xen")
                    continue;
                string? text;
                try
                {
                    text = files.ReadText(path);
                }
                catch (HostFailure failure) when (failure.ErrorNumber == Errno.EISDIR)
                {
                    continue;
                }
                if (text is null)
                    continue;
                var config = XlConfig.Parse(text);
                foreach (var function in config.Functions)
                    claims.Add(new ConfiguredClaim(function, config.Name ?? name, path));
            }
        }
        // /etc/xen/auto holds links to the same files.
        return [.. claims.DistinctBy(claim => (claim.Address, claim.Guest))];
    }

    /// <summary>xl's own settings and scripts lie there too; RHEL 5 named guests' files without an ending.</summary>
    static bool IsGuestFile(string name) =>
        name.EndsWith(".cfg", StringComparison.Ordinal) || (!name.Contains('.') && name is not ("scripts" or "auto" or "README" or "xl" or "cpupool"));
}
