using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>What a guest runs on, seen from inside: it decides who tells it of functions that come and go.</summary>
public enum GuestPlatform
{
    /// <summary>A virtual or real machine with ACPI: KVM's guests.</summary>
    Machine,

    /// <summary>Xen's paravirtualised guest: functions come over xenstore.</summary>
    XenPv,

    /// <summary>Xen's fully virtualised guest: a machine with ACPI, made by a device model.</summary>
    XenHvm,

    /// <summary>Xen's PVH guest: it cannot have functions.</summary>
    XenPvh,
}

/// <summary>How a kernel has a module.</summary>
public enum ModuleState
{
    /// <summary>Neither built in nor among its modules.</summary>
    Missing,
    Loadable,
    Loaded,
    BuiltIn,
}

/// <summary>How a system is told to load a module at each start.</summary>
public enum KeepWay
{
    /// <summary>None that is known here.</summary>
    None,

    /// <summary>/etc/modules-load.d (modules-load.d(5)): systemd, and others since.</summary>
    ModulesLoad,

    /// <summary>Scripts with their run bit in /etc/sysconfig/modules: Red Hat Enterprise Linux 5 and 6.</summary>
    SysconfigModules,

    /// <summary>Lines of /etc/modules: Debian before systemd, Alpine.</summary>
    EtcModules,
}

/// <summary>A module that a guest needs, or may need.</summary>
/// <param name="Name">Its name, as modprobe takes it.</param>
/// <param name="State">How this kernel has it.</param>
/// <param name="IsRequired">Whether nothing comes or goes without it.</param>
/// <param name="Why">What it is for.</param>
public sealed record GuestModule(string Name, ModuleState State, bool IsRequired, string Why);

/// <summary>A guest as its own kernel shows it.</summary>
/// <param name="Platform">What it runs on.</param>
/// <param name="Release">The kernel's release.</param>
/// <param name="Modules">What it needs for hot-plug.</param>
/// <param name="Way">How its modules are kept.</param>
/// <param name="Files">The files of that way that are there, by path.</param>
public sealed record GuestKernel(GuestPlatform Platform, string Release, ImmutableArray<GuestModule> Modules, KeepWay Way, ImmutableSortedDictionary<string, FileContent> Files)
{
    public const string ModulesLoadFolder = "/etc/modules-load.d", SysconfigFolder = "/etc/sysconfig/modules", EtcModules = "/etc/modules";

    /// <summary>What stands above pcipass' lines in a file of others.</summary>
    public const string OwnComment = "# for PCI hot-plug (pcipass guest setup)";

    /// <summary>The modules that a machine of this kind needs; which of them the kernel has is read elsewhere.</summary>
    /// <param name="platform">The kind.</param>
    /// <param name="hasExpressPorts">Whether there are PCI Express ports.</param>
    /// <param name="hasHotplugBridge">Whether there is a conventional bridge with a hot-plug controller (QEMU's pci-bridge).</param>
    public static IEnumerable<(string Name, bool IsRequired, string Why)> Needs(GuestPlatform platform, bool hasExpressPorts, bool hasHotplugBridge)
    {
        switch (platform)
        {
            case GuestPlatform.XenPv:
                yield return ("xen-pcifront", true, "functions come over xenstore");
                yield break;
            case GuestPlatform.XenPvh:
                yield break;
        }
        yield return ("acpiphp", true, "the device model tells of functions by ACPI");
        if (hasExpressPorts)
            yield return ("pciehp", false, "PCI Express ports may tell of functions themselves");
        if (hasHotplugBridge)
            yield return ("shpchp", false, "the PCI bridge has a hot-plug controller");
    }

    /// <summary>What stands in the way of setting it up; null when nothing does.</summary>
    public string? Obstacle => Platform == GuestPlatform.XenPvh ? "a PVH guest cannot have functions: it has neither a frontend nor a device model"
        : Modules.FirstOrDefault(module => module is { IsRequired: true, State: ModuleState.Missing }) is GuestModule missing ? $"kernel {Release} has no module {missing.Name}: neither built in nor in /lib/modules/{Release}" : null;

    /// <summary>Whether hot-plug works now.</summary>
    public bool IsReady => Obstacle is null && Modules.Where(module => module.IsRequired).All(module => module.State is ModuleState.Loaded or ModuleState.BuiltIn);

    /// <summary>Those that have to be loaded: what is built in needs nothing.</summary>
    public IEnumerable<GuestModule> ToLoad => Modules.Where(module => module.State is ModuleState.Loadable or ModuleState.Loaded);

    /// <summary>The file that loads a module at a start; null when none does.</summary>
    public string? KeptBy(string module) => Files.FirstOrDefault(file => IsNamedIn(file.Key, file.Value.Text, module)).Key;

    /// <summary>First the files, then the modules: what is loaded is the last thing done, and the first undone.</summary>
    public ImmutableArray<Step> Setup()
    {
        var steps = ImmutableArray.CreateBuilder<Step>();
        var toKeep = ToLoad.Where(module => KeptBy(module.Name) is null).Select(module => module.Name).ToArray();
        foreach (var (path, wished) in Kept(toKeep))
            steps.Add(new EditFile(path, Files.GetValueOrDefault(path), wished));
        foreach (var module in ToLoad.Where(module => module.State == ModuleState.Loadable))
            steps.Add(new LoadModule(module.Name, Loaded: true));
        return steps.ToImmutable();
    }

    /// <summary>Takes out of the files what setup put there. What is loaded stays: a function may hang on it.</summary>
    public ImmutableArray<Step> Undo()
    {
        var steps = ImmutableArray.CreateBuilder<Step>();
        foreach (var (path, content) in Files)
        {
            if (path == EtcModules)
            {
                var lines = content.Text.Split('\n').ToList();
                for (var at = lines.IndexOf(OwnComment); at >= 0; at = lines.IndexOf(OwnComment))
                    lines.RemoveRange(at, Math.Min(2, lines.Count - at));
                if (string.Join('\n', lines) is var rest && rest != content.Text)
                    steps.Add(new EditFile(path, content, new FileContent(rest)));
            }
            else if (content.Text.Contains(OwnComment, StringComparison.Ordinal))
            {
                steps.Add(new EditFile(path, content, null));
            }
        }
        return steps.ToImmutable();
    }

    IEnumerable<(string Path, FileContent Content)> Kept(string[] modules)
    {
        switch (Way)
        {
            case KeepWay.ModulesLoad when modules.Length > 0:
                var path = $"{ModulesLoadFolder}/pcipass.conf";
                var now = Files.GetValueOrDefault(path)?.Text ?? $"{OwnComment}\n";
                yield return (path, new FileContent($"{now}{(now.EndsWith('\n') ? "" : "\n")}{string.Concat(modules.Select(module => $"{module}\n"))}"));
                break;
            case KeepWay.SysconfigModules:
                foreach (var module in modules)
                    yield return ($"{SysconfigFolder}/{module}.modules", new FileContent($"#!/bin/sh\n{OwnComment}\nmodprobe {module} >/dev/null 2>&1\n"));
                break;
            case KeepWay.EtcModules when modules.Length > 0:
                var text = Files.GetValueOrDefault(EtcModules)?.Text ?? "";
                yield return (EtcModules, new FileContent($"{text}{(text.Length == 0 || text.EndsWith('\n') ? "" : "\n")}{string.Concat(modules.Select(module => $"{OwnComment}\n{module}\n"))}"));
                break;
        }
    }

    /// <summary>A line is a module's name, alone or behind modprobe; - and _ are one to the kernel.</summary>
    static bool IsNamedIn(string path, string text, string module) => text.Split('\n').Select(line => line.Split('#')[0].Split(' ', '\t').Where(word => word.Length > 0).ToArray())
        .Any(words => path.StartsWith(SysconfigFolder, StringComparison.Ordinal)
            ? words.Length > 1 && words[0].EndsWith("modprobe", StringComparison.Ordinal) && words.Skip(1).Any(word => Same(word, module))
            : words.Length > 0 && Same(words[0], module));

    static bool Same(string one, string other) => one.Replace('-', '_') == other.Replace('-', '_');
}
