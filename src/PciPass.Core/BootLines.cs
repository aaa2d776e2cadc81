using System.Collections.Immutable;
using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>What the lines of modprobe's configuration that are about hidden functions do, each in a sentence: also those that somebody wrote by hand.</summary>
public static class BootLines
{
    /// <summary>Each line with its place, in the order in which modprobe reads them.</summary>
    public static ImmutableArray<(string Place, string Text, string Does)> Explain(HostSnapshot host, BootFiles files)
    {
        var isUnread = files.Contents.ContainsKey(BootFiles.OldModprobe) && !files.ReadsOldModprobe;
        var all = files.Modprobe.SelectMany(file => file.Commands.Select(command => (command, IsRead: true)));
        if (isUnread)
            all = all.Concat(ModprobeFile.Parse(BootFiles.OldModprobe, files.Contents[BootFiles.OldModprobe].Text).Commands.Select(command => (command, IsRead: false)));
        return [.. all.Where(each => BootContradictions.Tells(each.command)).Select(each => (each.command.Place, $"{each.command}", $"{(each.IsRead ? "" : "read by nobody; it would say: ")}{Does(host, each.command)}"))];
    }

    static string Does(HostSnapshot host, ModprobeFile.Command command)
    {
        switch (command.Name)
        {
            case "options" when ModprobeWay.IsList(command):
                var list = HideList.Parse(ModprobeWay.ListOf(command));
                return list.Error is not null ? "nothing: the kernel cannot read the list" : list.Entries.IsEmpty ? "hides nothing: the list is empty"
                    : $"once {command.Words[1]} is loaded, it holds {string.Join(", ", list.Entries.Select(entry => Named(host, entry)))}, where no other driver has it by then";
            case "options" when command.Module == "vfio_pci" && command.Options.FirstOrDefault(word => word.Text.StartsWith("ids=", StringComparison.Ordinal)) is { Text: string ids }:
                return $"once {command.Words[1]} is loaded, it holds every function of the kind {string.Join(", ", IdList.Parse(ids["ids=".Length..].Trim('"')).Entries.Select(id => Named(host, id)))}";
            case "options":
                return $"sets parameters of {command.Words[1]}";
            case "install":
                var install = InstallCommand.Parse(command.Rest);
                if (install.IsNothing)
                    return $"{command.Words[1]} is never loaded";
                return install.Loads.IsEmpty ? $"runs a command in place of loading {command.Words[1]}"
                    : $"when {command.Words[1]} is asked for, loads {string.Join(", then ", install.Loads.Select(load => load.Module.Replace("xen_pciback", "xen-pciback", StringComparison.Ordinal)))}";
            case "softdep":
                return ModprobeSetup.Before(command).ToArray() is { Length: > 0 } before ? $"before {command.Words[1]}, loads {string.Join(", ", before.Select(module => module.Replace("xen_pciback", "xen-pciback", StringComparison.Ordinal)))}" : $"loads nothing before {command.Words[1]}";
            case "blacklist":
                return $"{command.Words[1].TrimEnd('\r')} is not loaded for a function by itself";
            default:
                return "";
        }
    }

    static string Named(HostSnapshot host, IdList.Entry id)
    {
        var here = host.Functions.Values.Where(id.Means).Select(function => $"{function.Address}").ToArray();
        return $"{id.Text} ({(here.Length == 0 ? "none here" : string.Join(", ", here))})";
    }

    static string Named(HostSnapshot host, HideList.Entry entry)
    {
        var meant = host.Functions.Values.Where(function => entry.Means(function.Address)).ToArray();
        return meant.Length == 0 ? $"{entry} (not there)" : string.Join(", ", meant.Select(function => $"{function.Address} ({function.Class.Name}{(function.Driver is DriverName driver ? $", {driver} now" : "")})"));
    }
}
