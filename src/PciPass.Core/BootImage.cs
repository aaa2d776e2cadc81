using System.Collections.Immutable;
using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>An initramfs as it lies there: what of it decides which driver gets a function.</summary>
public sealed record BootImage
{
    public required string Path { get; init; }

    /// <summary>Why it, or what follows in it, could not be read; null when all was.</summary>
    public string? Unread { get; init; }

    /// <summary>How its main part is compressed: gzip, zstd, ...; "none".</summary>
    public string Compression { get; init; } = "none";

    /// <summary>Its modules, with underscores.</summary>
    public ImmutableHashSet<string> Modules { get; init; } = [];

    /// <summary>The small files of configuration in it, by path; without <c>usr</c> at the beginning, where links lead anyway.</summary>
    public ImmutableSortedDictionary<string, FileContent> Files { get; init; } = ImmutableSortedDictionary.Create<string, FileContent>(StringComparer.Ordinal);

    /// <summary>The names of all that it holds, likewise.</summary>
    public ImmutableHashSet<string> Names { get; init; } = [];

    public bool IsRead => Unread is null;

    /// <summary>Who made it, as far as can be told.</summary>
    public string Generator => Names.Contains("/lib/dracut/hooks") || Names.Any(name => name.StartsWith("/lib/dracut", StringComparison.Ordinal)) ? BootPart.Dracut
        : Names.Contains("/scripts/init-top") || Names.Contains("/conf/initramfs.conf") ? BootPart.InitramfsTools
        : Names.Contains("/init_functions") ? "mkinitcpio" : "an unknown generator";

    /// <summary>Whether pcipass is in it, and is run there before the drivers.</summary>
    public bool HasPart => Names.Contains("/sbin/pcipass") && (Names.Contains("/scripts/init-top/pcipass") || Names.Any(name => name.StartsWith("/lib/dracut/hooks/pre-udev/", StringComparison.Ordinal) && name.EndsWith("pcipass.sh", StringComparison.Ordinal)));

    /// <summary>The list of what stays hidden that is in it.</summary>
    public DeviceList Devices => DeviceList.Parse(Files.GetValueOrDefault(DeviceList.Path));

    /// <summary>modprobe's configuration in it.</summary>
    public ModprobeSetup Modprobe { get; private init; } = new([]);

    /// <summary>The modules that it loads before udev runs: dracut's, by its own line (dracut.cmdline(7), rd.driver.pre); mkinitcpio's.</summary>
    public IEnumerable<string> LoadedFirst
    {
        get
        {
            foreach (var (path, content) in Files.Where(each => each.Key.StartsWith("/etc/cmdline.d/", StringComparison.Ordinal)))
            {
                foreach (var word in KernelWords.Parse(content.Text.Replace('\n', ' ')).Find("rd.driver.pre"))
                    yield return ModprobeFile.Normal(word.Value ?? "");
            }
            if (Files.GetValueOrDefault("/config") is FileContent config && ShellAssignments.Parse("/config", config.Text).Find("MODULES")?.Value is string modules)
            {
                foreach (var module in modules.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                    yield return ModprobeFile.Normal(module);
            }
        }
    }

    /// <summary>The modules that initramfs-tools loads by name: after udev has loaded what functions ask for (its init runs init-top first; seen in the lab).</summary>
    public IEnumerable<string> LoadedLate => (Files.GetValueOrDefault("/conf/modules")?.Text ?? "").Split('\n')
        .Select(line => line.Trim().Split(' ')[0]).Where(word => word.Length > 0 && word[0] != '#').Select(ModprobeFile.Normal);

    /// <summary>The image with what was found in it.</summary>
    public BootImage With(IEnumerable<string> names, IEnumerable<KeyValuePair<string, FileContent>> files)
    {
        var all = names.ToImmutableHashSet();
        var image = this with
        {
            Names = all,
            Modules = [.. all.Where(name => name.StartsWith("/lib/modules/", StringComparison.Ordinal) && name.Contains(".ko", StringComparison.Ordinal)).Select(KernelModules.NameOf)],
            Files = ImmutableSortedDictionary.CreateRange(StringComparer.Ordinal, files),
        };
        var found = image.Files.Aggregate(new BootFiles { Kernels = ["any"] }, (some, file) => some.With(file.Key, file.Value.Text));
        return image with { Modprobe = new ModprobeSetup(found.Modprobe) };
    }
}
