using System.Collections.Immutable;
using PciPass.Core.Formats;
using PciPass.Core.Rules;

namespace PciPass.Core;

/// <summary>What is wrong in the files that say what happens at a start, whatever becomes of a single function: each with its place and its cure.</summary>
/// <param name="host">The host.</param>
/// <param name="setup">The files, the kernel and the initramfs of the next start.</param>
/// <param name="root">modprobe's configuration in the root file system.</param>
/// <param name="line">The kernel's line of the next start.</param>
/// <param name="isXen">Whether Xen is below that kernel.</param>
sealed class BootContradictions(HostSnapshot host, BootSetup setup, ModprobeSetup root, KernelWords line, bool isXen)
{
    /// <summary>The parameters of the modules that hold functions: of another name the kernel says "unknown parameter" and goes on.</summary>
    /// <remarks>Linux 6.1: drivers/xen/xen-pciback, drivers/vfio/pci.</remarks>
    static readonly ImmutableDictionary<string, ImmutableArray<string>> Parameters = ImmutableDictionary.CreateRange<string, ImmutableArray<string>>(
    [
        new("xen_pciback", ["hide", "passthrough", "permissive", "verbose_request"]),
        new("pciback", ["hide", "passthrough", "permissive", "verbose_request", "pci_backend_mode"]),
        new("vfio_pci", ["ids", "nointxmask", "disable_vga", "disable_idle_d3", "enable_sriov", "disable_denylist"]),
    ]);

    /// <summary>Words of the kernel's line that decide who gets a function.</summary>
    static readonly ImmutableArray<string> Telling = ["xen-pciback.hide", "pciback.hide", "vfio-pci.ids", "rd.driver.pre", "rd.driver.blacklist", "modprobe.blacklist", "module_blacklist"];

    readonly List<Finding> all = [];

    public IEnumerable<Finding> All()
    {
        foreach (var error in host.Devices.Errors)
            Add("damaged-device-list", Severity.Refuse, DeviceList.Path, "a line hides nothing", $"{error}", "mend that line");
        if (setup.Image is { Unread: string unread } image)
            Add("image-unread", Severity.Warn, image.Path, "the initramfs could not be looked into", unread, "");
        if (line.IsUnclosed)
            Add("kernel-line", Severity.Refuse, Place, "the kernel's line has a quote that nothing closes", $"{Place}: all behind it is one word", "close it");
        Modprobe();
        Lists();
        Ids();
        Lines();
        foreach (var (place, text) in setup.ByHand)
            Add("taken-by-hand", Severity.Warn, place, "a script takes functions by itself", $"{place}: {text.Trim()}{(text.Contains("new_id", StringComparison.Ordinal) ? ": new_id takes every function of that kind" : "")}", "leave it to one of the two");
        foreach (var path in setup.Unread)
            Add("file-not-read", Severity.Refuse, path, "modprobe does not read this file", $"the name of {path} does not end in .conf", $"mv {path} {path}.conf");
        return all;
    }

    string Place => setup.Entry?.Place ?? "/proc/cmdline";

    /// <summary>An option of a module, as it gets it: the configuration's in its order, then the kernel's line; of several the last counts.</summary>
    internal static (string Value, string Place)? OptionOf(string module, string option, ModprobeSetup? modprobe, KernelWords line)
    {
        (string, string)? found = null;
        foreach (var command in modprobe?.OptionsOf(module) ?? [])
        {
            foreach (var word in command.Options.Select(word => word.Text.Replace("\"", "", StringComparison.Ordinal)).Where(word => word.StartsWith($"{option}=", StringComparison.Ordinal)))
                found = (word[(option.Length + 1)..].Trim(), command.Place);
        }
        foreach (var word in line.Find($"{module}.{option}"))
            found = (word.Value ?? "", "the kernel's line");
        return found;
    }

    void Modprobe()
    {
        if (setup.Files.Contents.ContainsKey(BootFiles.OldModprobe) && !setup.Files.ReadsOldModprobe)
            Add("file-not-read", Severity.Refuse, BootFiles.OldModprobe, "modprobe does not read this file", $"{BootFiles.OldModprobe} was read by module-init-tools; kmod, which this system has, reads {BootFiles.ModprobeFolders[0]}/*.conf alone",
                $"move its lines to {BootFiles.ModprobeFolders[0]}/local.conf");
        foreach (var error in root.Files.Where(file => file.Path.StartsWith("/etc/", StringComparison.Ordinal)).SelectMany(file => file.Errors))
            Add("line-passed-over", Severity.Warn, error.Path, "modprobe passes over a line", $"{error}", "mend that line");
        foreach (var command in root.Commands.Concat(OldCommands()))
        {
            if (command.Name is "include" or "config" && !setup.Files.ReadsOldModprobe && command.Path.StartsWith("/etc/", StringComparison.Ordinal))
                Add("line-passed-over", Severity.Warn, command.Path, "modprobe passes over a line", $"{command.Place}: \"{command.Name}\" is read by module-init-tools alone", $"move what it names into {BootFiles.ModprobeFolders[0]}");
            if (command.Name is "install" or "softdep" or "blacklist" && command.Words[^1].EndsWith('\r') && Tells(command))
                Add("carriage-return", Severity.Refuse, command.Path, "a line ends in a carriage return", $"{command.Place}: modprobe takes it for a part of the last word, and finds no such module", $"sed -i 's/\\r$//' {command.Path}");
            if (command.Name == "options" && Parameters.ContainsKey(command.Module))
                Options(command);
            if (command.Name is "install" or "softdep" && Tells(command))
                Loading(command);
        }
    }

    /// <summary>The commands of a /etc/modprobe.conf that nobody reads: what is wrong in them is told all the same.</summary>
    IEnumerable<ModprobeFile.Command> OldCommands() => setup.Files.ReadsOldModprobe || setup.Files.Contents.GetValueOrDefault(BootFiles.OldModprobe) is not FileContent old ? [] : ModprobeFile.Parse(BootFiles.OldModprobe, old.Text).Commands;

    /// <summary>Whether a line is about a module that holds functions.</summary>
    internal static bool Tells(ModprobeFile.Command command) => command.Words.Any(word => word.Contains("pciback", StringComparison.Ordinal) || word.Contains("vfio", StringComparison.Ordinal));

    void Options(ModprobeFile.Command command)
    {
        NeedsModule(command.Module, command.Words[1], command.Place);
        foreach (var option in command.Options)
        {
            var name = option.Text.Replace("\"", "", StringComparison.Ordinal).Split('=')[0].Trim();
            if (name.Length > 0 && !Parameters[command.Module].Contains(name))
                Add("unknown-parameter", Severity.Warn, command.Path, $"{command.Words[1]} has no such parameter", $"{command.Place}: \"{option.Text}\"{(name.StartsWith('#') ? ": a comment begins at a line's start only" : "")}; the module is loaded without it", "mend that line");
        }
        if (setup.Kernel?.BuiltIn.Contains(command.Module) == true)
            Add("options-of-built-in", Severity.Refuse, command.Path, $"the options of {command.Words[1]} are read by nobody", $"{command.Place}: it is built into Linux {setup.Kernel.Version}, and modprobe's options are for modules", $"put {command.Words[1]}.OPTION=VALUE on the kernel's line");
    }

    void Loading(ModprobeFile.Command command)
    {
        var module = command.Module;
        var counts = command.Name == "install" ? root.FindInstall(module) : root.FindSoftdep(module);
        if (counts is not null && counts != command && root.Commands.Contains(command))
            Add("line-shadowed", Severity.Refuse, command.Path, "a line has no effect", $"{command.Place}: modprobe takes the first {command.Name} line that means {command.Words[1]}, which is {counts.Place}", "join the two");
        if (command.Name == "softdep")
        {
            foreach (var needed in ModprobeSetup.Before(command).Where(needed => needed.Contains("pciback", StringComparison.Ordinal) || needed.StartsWith("vfio", StringComparison.Ordinal)))
                NeedsModule(needed.TrimEnd('\r'), needed.TrimEnd('\r'), command.Place);
            if (!command.Words.Any(word => word is "pre:" or "post:"))
                Add("softdep-without-pre", Severity.Refuse, command.Path, "a softdep line names nothing to load first", $"{command.Place}: neither \"pre:\" nor \"post:\" stands in it", $"softdep {command.Words[1]} pre: {command.Words[^1]}");
            return;
        }
        var install = InstallCommand.Parse(command.Rest);
        foreach (var (loaded, _, _) in install.Loads.Where(load => load.Module != module))
            NeedsModule(loaded, loaded, command.Place);
        var own = install.IndexOf(module);
        if (own >= 0 && !install.Loads[own].IgnoresInstall)
            Add("install-loops", Severity.Refuse, command.Path, $"{command.Words[1]} is never loaded", $"{command.Place}: it calls modprobe {command.Words[1]}, which comes back to this line", $"/sbin/modprobe --ignore-install {command.Words[1]}");
        else if (own < 0 && install.IsPlain && !install.IsNothing && !Parameters.ContainsKey(module))
            Add("install-without-driver", Severity.Warn, command.Path, $"{command.Words[1]} is never loaded", $"{command.Place}: the command does not load it in the end, so no function gets that driver", $"end the line with  ; /sbin/modprobe --ignore-install {command.Words[1]}");
        else if (own == 0 && install.Loads.Length > 1)
            Add("install-order", Severity.Refuse, command.Path, $"{command.Words[1]} is loaded first", $"{command.Place}: it comes before {install.Loads[1].Module}, and has every function by then", $"let the line load {install.Loads[1].Module} first");
    }

    void NeedsModule(string module, string written, string place)
    {
        if (setup.Kernel is { Modules.IsEmpty: false } kernel && !kernel.Has(module))
            Add("no-such-module", Severity.Refuse, place, $"there is no module {written}", $"{place}: Linux {kernel.Version} has none{(module is "pciback" or "xen_pciback" ? $"; its name there is {(module == "pciback" ? "xen-pciback" : "pciback")}" : "")}",
                module == "pciback" ? "write xen-pciback instead" : "install that kernel's modules, or mend the name");
    }

    void Lists()
    {
        List<(string Value, string Place, Func<int, string> Column)> lists = [];
        foreach (var file in root.Files.Concat(OldFile()))
        {
            foreach (var command in file.Commands.Where(ModprobeWay.IsList))
            {
                lists.Add((ModprobeWay.ListOf(command), command.Place, at => ModprobeWay.PlaceIn(file, command, at)));
            }
        }
        foreach (var word in line.Find("xen-pciback.hide").Concat(line.Find("pciback.hide")))
            lists.Add((word.Value ?? "", Place, at => $"{Place}, column {word.At + word.Name.Length + 2 + at} of the kernel's line"));
        if (lists.Count > 1)
            Add("two-lists", Severity.Warn, lists[^1].Place, "there is more than one hide list", $"{string.Join(" and ", lists.Select(each => each.Place))}: the kernel takes the last, \"{lists[^1].Value}\", and forgets the others", "join them in one");
        foreach (var (value, place, column) in lists)
        {
            var list = HideList.Parse(value);
            if (list.Error is string error)
            {
                Add("hide-list-wrong", Severity.Refuse, place, "the kernel will hide nothing of this list", $"{column(list.ErrorAt)}: {error}; the kernel drops the whole list for that, and pciback is not loaded", "mend it: (0000:09:00.0)(0000:0a:04.1), without commas");
                continue;
            }
            foreach (var entry in list.Entries)
                Entry(entry, place);
        }
    }

    IEnumerable<ModprobeFile> OldFile() => setup.Files.ReadsOldModprobe || setup.Files.Contents.GetValueOrDefault(BootFiles.OldModprobe) is not FileContent old ? [] : [ModprobeFile.Parse(BootFiles.OldModprobe, old.Text)];

    void Entry(HideList.Entry entry, string place)
    {
        var meant = host.Functions.Values.Where(function => entry.Means(function.Address)).ToArray();
        if (meant.Length == 0)
            Add("hides-nothing", Severity.Warn, place, $"{entry} names no function of this host", $"{place}: nothing answers there; the kernel keeps it in its list and hides nothing for it", "pcipass list     shows every function with its address");
        else if (!entry.IsSingle)
            Add("hides-several", Severity.Warn, place, $"{entry} means more than one function", $"{place}: {string.Join(", ", meant.Select(function => $"{function.Address} ({function.Class.Name})"))}", "spell out what is to be hidden");
        foreach (var function in meant.Where(function => function.HeaderType == 0 && NotPassable.ReasonAgainst(function) is not null))
            Add("hides-the-hosts", Severity.Warn, place, $"{function.Address} is not for a guest", $"{place}: it is {NotPassable.ReasonAgainst(function)}", "take it out of the list");
        foreach (var bridge in meant.Where(function => function.HeaderType == 1))
        {
            var behind = host.Functions.Values.Where(function => host.BridgesAbove(function).Any(above => above.Address == bridge.Address)).Select(function => $"{function.Address} ({function.Class.Name})").ToArray();
            Add("hides-bridge", Severity.Warn, place, $"{bridge.Address} is a bridge: the kernel hides everything behind it", $"{place}: {(behind.Length == 0 ? "nothing is there now" : string.Join(", ", behind))}", "name the functions");
        }
    }

    void Ids()
    {
        foreach (var module in (string[])["vfio_pci", "pci_stub"])
        {
            if (OptionOf(module, "ids", root, line) is not var (value, place))
                continue;
            var ids = IdList.Parse(value);
            foreach (var wrong in ids.Wrong)
                Add("ids-wrong", Severity.Refuse, place, $"\"{wrong}\" is no VENDOR:DEVICE", $"{place}: the kernel passes over it", "mend it: 10de:1b80,10de:10f0, hexadecimal");
            foreach (var id in ids.Entries)
            {
                var meant = host.Functions.Values.Where(id.Means).ToArray();
                if (meant.Length == 0)
                    Add("hides-nothing", Severity.Warn, place, $"{id.Text} names no function of this host", $"{place}: no function has these ids", "pcipass list     and show tell the ids");
                else if (meant.Length > 1)
                    Add("ids-take-all", Severity.Refuse, place, $"{id.Text} takes {meant.Length} functions", $"{place}: ids mean every function of a kind: {string.Join(", ", meant.Select(function => function.Address))}", $"pcipass hide --boot {meant[0].Address}     goes by what sits where, and hides that one alone; then take {id.Text} out");
            }
        }
    }

    /// <summary>From the settings to the menu, and from the menu to the kernel that runs.</summary>
    void Lines()
    {
        foreach (var word in line.Words.Where(word => word.Name.Contains('.') && Parameters.TryGetValue(word.Name.Split('.')[0], out var known) && !known.Contains(word.Name[(word.Name.IndexOf('.') + 1)..])))
            Add("unknown-parameter", Severity.Warn, Place, $"{word.Name} is no parameter", $"{Place}: the kernel passes over it", "mend it");
        foreach (var word in line.Words.Where(word => word.Name.StartsWith("rd.driv", StringComparison.Ordinal) && word.Name is not ("rd.driver.pre" or "rd.driver.post" or "rd.driver.blacklist")))
            Add("unknown-parameter", Severity.Warn, Place, $"{word.Name} is no parameter", $"{Place}: dracut passes over it", "rd.driver.pre=, rd.driver.post= and rd.driver.blacklist= are there");
        if (line.Find("pciback.hide").Any() && setup.Files.PcibackModule != "pciback")
            Add("no-such-module", Severity.Refuse, Place, "there is no module pciback", $"{Place}: \"pciback.hide=\" is the name of kernels before 3.1; it is xen-pciback.hide= now", "write xen-pciback.hide= instead");
        foreach (var settings in setup.Files.GrubSettings)
        {
            foreach (var assignment in settings.Assignments.Where(each => each.Name.StartsWith("GRUB_CMDLINE_XEN", StringComparison.Ordinal) && each.Value?.Contains("pciback", StringComparison.Ordinal) == true))
                Add("on-xens-line", Severity.Refuse, settings.Path, "Xen does not know pciback's list", $"{settings.Path}, line {assignment.Line}: {assignment.Name} is the line of the hypervisor, not of dom0's kernel", "put it into GRUB_CMDLINE_LINUX");
        }
        foreach (var (name, value, place) in Configured())
        {
            if (setup.Entry is not { } entry || place == entry.Place)
                continue;
            var inMenu = line.Find(name).LastOrDefault().Value;
            if (inMenu != value && setup.MenuCommand.Length > 0)
                Add("line-not-in-menu", Severity.Refuse, place, $"{name}= is not what the boot menu holds", $"{place} says \"{value}\", {entry.Place} {(inMenu is null ? "does not have it" : $"says \"{inMenu}\"")}", setup.MenuCommand);
        }
        if (setup.RunningLine is not string running || setup.Entry is null)
            return;
        var now = KernelWords.Parse(running);
        foreach (var name in Telling)
        {
            var (then, today) = (line.Find(name).LastOrDefault().Value, now.Find(name).LastOrDefault().Value);
            if (then != today)
                Add("line-not-running", Severity.Note, Place, $"{name}= {(today is null ? "comes with the next start" : then is null ? "goes with the next start" : "changes with the next start")}",
                    $"/proc/cmdline {(today is null ? "does not have it" : $"says \"{today}\"")}, {Place} {(then is null ? "does not have it" : $"says \"{then}\"")}", "");
        }
    }

    /// <summary>What the settings give the kernel that the next start is with.</summary>
    IEnumerable<(string Name, string Value, string Place)> Configured()
    {
        var settings = setup.Files.GrubSettings.ToArray();
        var replace = isXen && settings.Any(file => file.Find("GRUB_CMDLINE_LINUX_XEN_REPLACE") is not null);
        var replaceDefault = isXen && settings.Any(file => file.Find("GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT") is not null);
        foreach (var variable in (string[])[replace ? "GRUB_CMDLINE_LINUX_XEN_REPLACE" : "GRUB_CMDLINE_LINUX", replaceDefault ? "GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT" : "GRUB_CMDLINE_LINUX_DEFAULT"])
        {
            if (settings.LastOrDefault(file => file.Find(variable) is not null) is not { } file || file.Find(variable) is not { Value: string value } assignment)
                continue;
            foreach (var word in KernelWords.Parse(value).Words.Where(word => Telling.Any(name => ModprobeFile.Normal(name) == word.Name)))
                yield return (word.Name.Replace("xen_pciback", "xen-pciback", StringComparison.Ordinal).Replace("vfio_pci", "vfio-pci", StringComparison.Ordinal), word.Value ?? "", $"{file.Path}, line {assignment.Line}");
        }
        if (setup.Files.Contents.GetValueOrDefault(BootFiles.KernelInstall) is FileContent content && !content.Text.TrimStart().StartsWith('#'))
        {
            foreach (var word in KernelWords.Parse(content.Text).Words.Where(word => Telling.Any(name => ModprobeFile.Normal(name) == word.Name)))
                yield return (word.Name.Replace("xen_pciback", "xen-pciback", StringComparison.Ordinal).Replace("vfio_pci", "vfio-pci", StringComparison.Ordinal), word.Value ?? "", $"{BootFiles.KernelInstall}, line 1");
        }
    }

    void Add(string code, Severity severity, string subject, string what, string why, string remedy) => all.Add(new Finding(code, severity, subject, what, why, remedy));
}
