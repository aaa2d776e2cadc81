using System.Collections.Immutable;
using System.Text;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads what decides the next start: the boot loader's files, that entry's kernel and initramfs, and what the root file system loads.</summary>
public sealed class BootSetupReader
{
    static readonly string[] Menus = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"];
    static readonly string[] Loaders = ["/boot/loader/loader.conf", "/efi/loader/loader.conf", "/boot/efi/loader/loader.conf"];
    static readonly string[] Scripts = ["/etc/rc.local", "/etc/rc.d/rc.local", "/etc/rc.modules"];
    static readonly string[] ScriptFolders = ["/etc/udev/rules.d", "/etc/systemd/system", "/usr/local/sbin", "/usr/local/bin", "/etc/initramfs-tools/scripts/init-top", "/etc/initramfs-tools/scripts/init-premount", "/etc/sysconfig/modules"];

    readonly HostSystem host;
    readonly SysTree files;
    readonly BootFiles found;
    readonly string? running;

    BootSetupReader(HostSystem host)
    {
        this.host = host;
        files = host.Files;
        found = BootFileReader.Read(files);
        // /proc is the running host's, which is another one than a system that is mounted somewhere.
        running = host.Root is null ? files.ReadText("/proc/cmdline") : null;
    }

    public static BootSetup Read(HostSystem host) => new BootSetupReader(host).Read();

    BootSetup Read()
    {
        var entry = FindEntry();
        var images = new BootImages(host);
        var generators = images.Generators();
        return new BootSetup
        {
            Files = found,
            Entry = entry,
            Kernel = entry is { Version.Length: > 0 } ? ReadKernel(entry.Version) : null,
            Image = entry?.Initrd is string initrd ? ImageReader.Read(host, initrd) : null,
            RunningLine = running,
            LoadedByName = [.. LoadedByName()],
            ByHand = [.. ByHand()],
            Overrides = [.. Overrides()],
            Unread = [.. files.List("/etc/modprobe.d").Where(IsForgotten).Select(name => $"/etc/modprobe.d/{name}")],
            HasUnit = files.Exists($"/etc/systemd/system/multi-user.target.wants/{BootPart.Unit}"),
            ImageCommand = generators.Count > 0 ? BootImages.CommandOf(generators[0]) : "",
            MenuCommand = found.GrubSettings.Any() && Menus.Any(files.Exists) ? images.MenuCommand : "",
        };
    }

    // ---- which entry -------------------------------------------------------------------------------------------------------------------

    BootEntry? FindEntry()
    {
        foreach (var path in Menus)
        {
            if (Text(path) is string text && OfGrub(GrubMenu.Parse(path, text), $"{path[..path.LastIndexOf('/')]}/grubenv") is BootEntry entry)
                return entry;
        }
        if (Loaders.FirstOrDefault(files.Exists) is string loader && OfLoader(Text(loader) ?? "") is BootEntry one)
            return one;
        return Assumed();
    }

    BootEntry? OfGrub(GrubMenu menu, string environmentFile)
    {
        var environment = (Text(environmentFile) ?? "").Split('\n').Where(line => line.Contains('=') && !line.StartsWith('#'))
            .GroupBy(line => line[..line.IndexOf('=')], StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Last()[(group.Key.Length + 1)..], StringComparer.Ordinal);
        var next = environment.GetValueOrDefault("next_entry", "");
        var isSaved = menu.Default.Contains("saved_entry", StringComparison.Ordinal);
        var wished = next.Length > 0 ? next : isSaved ? environment.GetValueOrDefault("saved_entry", "") : menu.Default;
        var how = next.Length > 0 ? $"chosen for one start, in {environmentFile}" : isSaved && wished.Length > 0 ? $"the saved default, in {environmentFile}" : "the default";
        var loaderEntries = menu.UsesLoaderEntries ? found.LoaderEntries.Select(each => LoaderEntry.Parse(each.Key, each.Value.Text).With(environment)).Where(each => each.Kernel.Length > 0).ToList() : [];
        loaderEntries.Sort(LoaderEntry.Compare);
        if (loaderEntries.FirstOrDefault(each => each.Id == wished || each.Title == wished) is LoaderEntry named)
            return Of(named, how);
        if (wished.Length > 0 && !(menu.UsesLoaderEntries && int.TryParse(wished, out _)) && menu.Find(wished) is GrubMenu.Entry chosen)
            return Of(chosen, how);
        // What cannot be found is passed over by GRUB, which starts the first.
        if (loaderEntries.Count > 0)
            return Of(int.TryParse(wished, out var number) && number >= 0 && number < loaderEntries.Count ? loaderEntries[number] : loaderEntries[0], wished.Length is 0 or 1 ? how : $"the first: no entry is \"{wished}\"");
        return menu.Entries.IsEmpty ? null : Of(menu.Entries[0], wished is "" or "0" ? how : $"the first: no entry is \"{wished}\"");
    }

    BootEntry? OfLoader(string settings)
    {
        var entries = found.LoaderEntries.Select(each => LoaderEntry.Parse(each.Key, each.Value.Text)).Where(each => each.Kernel.Length > 0).ToList();
        entries.Sort(LoaderEntry.Compare);
        var wished = settings.Split('\n').Select(line => line.Trim()).LastOrDefault(line => line.StartsWith("default", StringComparison.Ordinal) && line.Length > 8)?[8..].Trim() ?? "";
        if (entries.Count == 0)
            return null;
        return entries.FirstOrDefault(each => wished.Length > 0 && (Glob.Matches(wished, each.Id) || Glob.Matches(wished, $"{each.Id}.conf"))) is LoaderEntry chosen
            ? Of(chosen, "the default") : Of(entries[0], wished.Length is 0 || wished.StartsWith('@') ? "the newest" : $"the newest: no entry is \"{wished}\"");
    }

    /// <summary>Without a menu: the kernel that runs, or the newest, with the line that it has or that is configured.</summary>
    BootEntry? Assumed()
    {
        var kernels = found.Kernels.Where(version => files.Exists($"/lib/modules/{version}/modules.dep")).ToList();
        if (kernels.Count == 0)
            return null;
        kernels.Sort((one, other) => -LoaderEntry.CompareVersions(one, other));
        var version = host.Root is null && files.ReadText("/proc/sys/kernel/osrelease") is string release && kernels.Contains(release) ? release : kernels[0];
        string[] names = [$"initrd.img-{version}", $"initramfs-{version}.img", $"initrd-{version}.img", $"initrd-{version}"];
        var initrd = names.Select(name => $"/boot/{name}").FirstOrDefault(files.Exists);
        var (line, place) = running is not null ? (running, "/proc/cmdline") : found.Contents.GetValueOrDefault(BootFiles.KernelInstall) is FileContent content ? (content.Text.TrimEnd('\n'), BootFiles.KernelInstall)
            : (found.GrubSettings.Select(settings => settings.Find("GRUB_CMDLINE_LINUX")?.Value).LastOrDefault(value => value is not null) ?? "", BootFiles.Grub);
        return new BootEntry($"Linux {version}", place, version, initrd, line, null, "no boot menu was found; taken for it") { IsFound = false };
    }

    BootEntry Of(GrubMenu.Entry entry, string how) => new(entry.Titles[^1], $"{entry.Path}, line {entry.Line}", VersionIn(entry.Kernel), entry.Initrd is null ? null : Find(entry.Initrd), entry.KernelLine, entry.Hypervisor is not null, how);

    BootEntry Of(LoaderEntry entry, string how)
    {
        var name = entry.Kernel[(entry.Kernel.LastIndexOf('/') + 1)..];
        return new BootEntry(entry.Title, $"{entry.Path}, line {entry.LineNumber}", VersionIn($"{entry.Kernel} {entry.Version}"), entry.Initrd is null ? null : Find(entry.Initrd), entry.Line,
            name.StartsWith("xen", StringComparison.Ordinal), how);
    }

    string VersionIn(string text) => found.Kernels.Where(version => text.Contains(version, StringComparison.Ordinal)).OrderByDescending(version => version.Length).FirstOrDefault()
        // Arch and its kin name the kernel's file after the package, and have one of each.
        ?? (found.Kernels.Length == 1 && !text.Contains('-', StringComparison.Ordinal) ? found.Kernels[0] : text.Contains("vmlinuz-", StringComparison.Ordinal) ? text[(text.IndexOf("vmlinuz-", StringComparison.Ordinal) + 8)..].Split(' ')[0] : "");

    /// <summary>A boot loader's path begins where its own file system does, which is mounted somewhere here.</summary>
    string Find(string path)
    {
        var name = path[(path.LastIndexOf('/') + 1)..];
        var inBoot = path.IndexOf("/boot/", StringComparison.Ordinal);
        string[] places = [path, $"/boot{path}", $"/boot/efi{path}", $"/efi{path}", inBoot > 0 ? path[inBoot..] : path, $"/boot/{name}"];
        return places.FirstOrDefault(place => place.StartsWith('/') && files.Exists(place)) ?? path;
    }

    // ---- what it loads ---------------------------------------------------------------------------------------------------------------------

    KernelModules? ReadKernel(string version)
    {
        var folder = $"/lib/modules/{version}";
        return Text($"{folder}/modules.dep") is not string dependencies ? null
            : KernelModules.Parse(version, dependencies, Text($"{folder}/modules.builtin") ?? "", Text($"{folder}/modules.builtin.modinfo") ?? "", Text($"{folder}/modules.alias") ?? "");
    }

    IEnumerable<(string Module, string Place)> LoadedByName()
    {
        List<string> paths = ["/etc/modules"];
        foreach (var folder in (string[])["/etc/modules-load.d", "/run/modules-load.d", "/usr/lib/modules-load.d"])
            paths.AddRange(files.List(folder).Where(name => name.EndsWith(".conf", StringComparison.Ordinal)).Select(name => $"{folder}/{name}"));
        foreach (var path in paths)
        {
            foreach (var (at, line) in (Text(path) ?? "").Split('\n').Index())
            {
                if (line.Trim() is { Length: > 0 } word && word[0] is not ('#' or ';'))
                    yield return (ModprobeFile.Normal(word.Split(' ', '\t')[0]), $"{path}, line {at + 1}");
            }
        }
        foreach (var name in files.List("/etc/sysconfig/modules").Where(name => name.EndsWith(".modules", StringComparison.Ordinal)))
        {
            foreach (var (at, line) in (Text($"/etc/sysconfig/modules/{name}") ?? "").Split('\n').Index())
            {
                if (!line.TrimStart().StartsWith('#') && line.Contains("modprobe", StringComparison.Ordinal))
                {
                    foreach (var load in InstallCommand.Parse(line[line.IndexOf("modprobe", StringComparison.Ordinal)..]).Loads)
                        yield return (load.Module, $"/etc/sysconfig/modules/{name}, line {at + 1}");
                }
            }
        }
    }

    IEnumerable<(string Place, string Text)> ByHand()
    {
        foreach (var path in Scripts.Concat(ScriptFolders.SelectMany(folder => files.List(folder).Where(name => !name.StartsWith("pcipass", StringComparison.Ordinal)).Select(name => $"{folder}/{name}"))))
        {
            // A program is no script, and what is longer than any is not looked through.
            if (Small(path) is not string text || text.Contains('\0'))
                continue;
            foreach (var (at, line) in text.Split('\n').Index())
            {
                if (!line.TrimStart().StartsWith('#') && (line.Contains("new_id", StringComparison.Ordinal) || line.Contains("pci-assignable-add", StringComparison.Ordinal) || line.Contains("driver_override", StringComparison.Ordinal)
                    || (line.Contains("bind", StringComparison.Ordinal) && (line.Contains("drivers/pciback", StringComparison.Ordinal) || line.Contains("drivers/vfio-pci", StringComparison.Ordinal)))))
                    yield return ($"{path}, line {at + 1}", line.Length > 120 ? line[..120] + "..." : line);
            }
        }
    }

    IEnumerable<(PciAddress Address, string Driver, string Place)> Overrides()
    {
        foreach (var name in files.List("/etc/driverctl.d").Where(name => name.StartsWith("pci-", StringComparison.Ordinal)))
        {
            if (PciAddress.TryParse(name[4..], out var address) && Text($"/etc/driverctl.d/{name}")?.Trim() is { Length: > 0 } driver)
                yield return (address, driver, $"/etc/driverctl.d/{name}");
        }
    }

    /// <summary>Whether a file of another name is about hiding; what editors and packages leave behind is not meant to be read.</summary>
    bool IsForgotten(string name) => !name.EndsWith(".conf", StringComparison.Ordinal) && !name.EndsWith('~') && name[0] != '.' && !name.Contains(".dpkg-", StringComparison.Ordinal) && !name.Contains(".rpm", StringComparison.Ordinal)
        && !name.EndsWith(".bak", StringComparison.Ordinal) && !name.EndsWith(".disabled", StringComparison.Ordinal) && Small($"/etc/modprobe.d/{name}") is string text && ModprobeFile.Parse(name, text).Commands.Any(command => command.Words.Any(word => word.Contains("pciback", StringComparison.Ordinal) || word.Contains("vfio", StringComparison.Ordinal)));

    string? Small(string path)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            var count = files.Read(path, buffer);
            return count < 0 || count == buffer.Length ? null : Encoding.Latin1.GetString(buffer, 0, count);
        }
        catch (HostFailure)
        {
            // A folder, a socket, or what only root can read.
            return null;
        }
    }

    string? Text(string path)
    {
        try
        {
            return files.ReadAll(path) is byte[] bytes ? Encoding.Latin1.GetString(bytes) : null;
        }
        catch (HostFailure failure) when (failure.ErrorNumber == Errno.EACCES)
        {
            return null;
        }
    }
}
