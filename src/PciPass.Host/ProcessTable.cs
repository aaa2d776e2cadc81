using System.Globalization;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>A process, as messages name it.</summary>
sealed record ProcessName(int Id, string Name)
{
    public override string ToString() => $"{Name} (pid {Id})";
}

/// <summary>
/// What processes hold: namespaces of their own, and device nodes of functions. Read from /proc in one pass; processes that end
/// meanwhile, and those of others where an ordinary user asks, are passed over.
/// </summary>
sealed class ProcessTable
{
    readonly List<HostUse> open = [];

    ProcessTable() { }

    /// <summary>One process of each mount namespace but the caller's.</summary>
    public List<ProcessName> OtherMountNamespaces { get; } = [];

    /// <summary>One process of each network namespace but the caller's.</summary>
    public List<ProcessName> OtherNetworkNamespaces { get; } = [];

    /// <summary>The open device nodes of functions, one use for each process and node.</summary>
    public IReadOnlyList<HostUse> OpenNodes => open;

    /// <param name="files">The host's files.</param>
    /// <param name="nodes">The functions' device nodes: <c>/dev/nvme0n1</c>.</param>
    /// <param name="ownId">This process, which does not count.</param>
    public static ProcessTable Read(SysTree files, IReadOnlyDictionary<string, IReadOnlyList<PciAddress>> nodes, int ownId)
    {
        var table = new ProcessTable();
        HashSet<string> mounts = [files.ReadLink("/proc/self/ns/mnt") ?? ""], networks = [files.ReadLink("/proc/self/ns/net") ?? ""];
        foreach (var name in files.List("/proc"))
        {
            if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var id) || id == ownId)
                continue;
            try
            {
                if (files.ReadLink($"/proc/{id}/ns/mnt") is string mount && mounts.Add(mount))
                    table.OtherMountNamespaces.Add(Name(id));
                if (files.ReadLink($"/proc/{id}/ns/net") is string network && networks.Add(network))
                    table.OtherNetworkNamespaces.Add(Name(id));
                table.ReadOpenNodes(files, nodes, id, Name);
            }
            catch (HostFailure)
            {
                // Another user's process, or one that just ended.
            }
        }
        return table;

        ProcessName Name(int id) => new(id, files.ReadText($"/proc/{id}/comm") ?? "?");
    }

    void ReadOpenNodes(SysTree files, IReadOnlyDictionary<string, IReadOnlyList<PciAddress>> nodes, int id, Func<int, ProcessName> name)
    {
        HashSet<string>? seen = null;
        foreach (var descriptor in files.List($"/proc/{id}/fd"))
        {
            if (files.ReadLink($"/proc/{id}/fd/{descriptor}") is not ['/', ..] target)
                continue;
            var functions = target.StartsWith("/dev/", StringComparison.Ordinal) && nodes.TryGetValue(target, out var found) ? found : MappedFunction(target) is PciAddress mapped ? [mapped] : [];
            if (functions.Count > 0 && (seen ??= []).Add(target))
                open.AddRange(functions.Select(function => new HostUse(function, HostUseKind.OpenNode, target, name(id).ToString())));
        }
    }

    /// <summary>Programs that drive a function themselves map its BARs from sysfs: <c>/sys/devices/pci0000:00/0000:09:00.0/resource0</c>.</summary>
    static PciAddress? MappedFunction(string target) =>
        target.StartsWith("/sys/devices/", StringComparison.Ordinal) && target[(target.LastIndexOf('/') + 1)..].StartsWith("resource", StringComparison.Ordinal)
            ? KernelNames.FunctionBehind(target)
            : null;
}
