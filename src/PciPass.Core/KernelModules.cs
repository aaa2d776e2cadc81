using System.Collections.Immutable;
using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>The drivers of one kernel: which it has as modules, which are built in, and what each is for. Names have underscores.</summary>
/// <remarks>depmod's files below /lib/modules/VERSION: modules.dep, modules.alias, modules.builtin and modules.builtin.modinfo (kbuild).</remarks>
public sealed record KernelModules
{
    /// <summary>The kernel's version.</summary>
    public required string Version { get; init; }

    public ImmutableHashSet<string> Modules { get; init; } = [];

    /// <summary>What each module needs, and what that needs in turn: all of it is loaded before the module.</summary>
    public ImmutableDictionary<string, ImmutableArray<string>> Needs { get; init; } = ImmutableDictionary<string, ImmutableArray<string>>.Empty;

    public ImmutableHashSet<string> BuiltIn { get; init; } = [];

    /// <summary>Patterns of functions' aliases with the module that wants them, in their order; those of what is built in first.</summary>
    public ImmutableArray<(string Pattern, string Module)> Aliases { get; init; } = [];

    public bool Has(string module) => Modules.Contains(module) || BuiltIn.Contains(module);

    /// <summary>The modules that want a function by its alias.</summary>
    public IEnumerable<string> Wanting(PciFunction function)
    {
        var alias = AliasOf(function);
        return Aliases.Where(each => Glob.Matches(each.Pattern, alias)).Select(each => each.Module).Distinct(StringComparer.Ordinal);
    }

    /// <summary>What the kernel shows as a function's modalias (pci_uevent in drivers/pci/pci-driver.c).</summary>
    public static string AliasOf(PciFunction function) =>
        $"pci:v{function.Ids.Vendor:X8}d{function.Ids.Device:X8}sv{function.Ids.SubVendor:X8}sd{function.Ids.SubDevice:X8}bc{function.Class.Base:X2}sc{function.Class.Sub:X2}i{function.Class.Interface:X2}";

    /// <param name="version">The kernel's version.</param>
    /// <param name="dependencies">modules.dep.</param>
    /// <param name="builtIn">modules.builtin.</param>
    /// <param name="builtInFacts">modules.builtin.modinfo: NAME.KEY=VALUE, with zeros between.</param>
    /// <param name="aliases">modules.alias.</param>
    public static KernelModules Parse(string version, string dependencies, string builtIn, string builtInFacts, string aliases)
    {
        var all = ImmutableArray.CreateBuilder<(string, string)>();
        foreach (var fact in builtInFacts.Split('\0'))
        {
            var (dot, mark) = (fact.IndexOf('.'), fact.IndexOf(".alias=pci:", StringComparison.Ordinal));
            if (mark > 0 && dot == mark)
                all.Add((fact[(mark + 7)..], ModprobeFile.Normal(fact[..mark])));
        }
        foreach (var line in aliases.Split('\n'))
        {
            if (line.StartsWith("alias pci:", StringComparison.Ordinal) && line.LastIndexOf(' ') is > 6 and var blank)
                all.Add((line[6..blank], ModprobeFile.Normal(line[(blank + 1)..])));
        }
        var needs = ImmutableDictionary.CreateBuilder<string, ImmutableArray<string>>();
        foreach (var line in dependencies.Split('\n').Where(line => line.Contains(':')))
            needs[NameOf(line[..line.IndexOf(':')])] = [.. line[(line.IndexOf(':') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(NameOf)];
        return new KernelModules
        {
            Version = version,
            Modules = [.. needs.Keys],
            Needs = needs.ToImmutable(),
            BuiltIn = [.. builtIn.Split('\n').Where(line => line.Length > 0).Select(NameOf)],
            Aliases = all.ToImmutable(),
        };
    }

    /// <summary>The module of a file <c>kernel/drivers/x/e1000e.ko.xz</c>.</summary>
    public static string NameOf(string path)
    {
        var name = path[(path.LastIndexOf('/') + 1)..];
        var end = name.IndexOf(".ko", StringComparison.Ordinal);
        return ModprobeFile.Normal(end < 0 ? name : name[..end]);
    }
}
