using System.Collections.Immutable;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Whether the distribution saves the guests of Xen when the host shuts down: the script xendomains, and its settings.</summary>
static class XendomainsReader
{
    static readonly ImmutableArray<string> Scripts = ["/etc/init.d/xendomains", "/usr/lib/systemd/system/xendomains.service", "/lib/systemd/system/xendomains.service"];
    static readonly ImmutableArray<string> Files = ["/etc/default/xendomains", "/etc/sysconfig/xendomains"];

    /// <summary>See <see cref="HostSnapshot.SavesAtShutdown"/>.</summary>
    public static string? Read(HostSystem host)
    {
        foreach (var path in Files)
        {
            if (host.Files.ReadText(path) is not string text)
                continue;
            var last = ShellAssignments.Parse(path, text).Assignments.LastOrDefault(assignment => assignment.Name == "XENDOMAINS_SAVE");
            return last is null or { Value: "" } || !Scripts.Any(host.Files.Exists) || new SaveHelpers(host).StandsEverywhere ? null
                : $"XENDOMAINS_SAVE={last.Value ?? last.Written} in {path}";
        }
        return null;
    }
}
