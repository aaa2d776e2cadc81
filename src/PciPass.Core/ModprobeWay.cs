using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>
/// Hiding by modprobe's configuration: the list in an option of xen-pciback, and a line that loads it before each function's own driver.
/// Today that is a <c>softdep</c>; where there is an /etc/modprobe.conf, it is an <c>install</c> line, as that system knows it.
/// </summary>
static class ModprobeWay
{
    public static BootFiles Hide(BootFiles files, PciFunction function, List<BootProblem> problems)
    {
        if (FindList(files, problems) is not var (file, command, list))
            return files;
        var target = file?.Path ?? (files.Contents.ContainsKey(BootFiles.OldModprobe) ? BootFiles.OldModprobe : BootFiles.OwnModprobe);
        var text = Text(files, target);
        text = command is not null && file is not null ? file.Replace(command, WithList(command, list.With(function.Address))) : ModprobeFile.Parse(target, text).With($"options {files.PcibackModule} hide=({function.Address})");
        files = files.With(target, text);
        if (function.Driver is DriverName driver && driver != DriverName.Pciback && LoadsFirst(files, driver) is string line && !files.Modprobe.Any(each => each.Commands.Any(other => Same(other, line))))
        {
            if (files.Modprobe.SelectMany(each => each.Commands.Select(other => (each.Path, Command: other))).FirstOrDefault(each => each.Command.Name == "install" && each.Command.Module == ModprobeFile.Normal($"{driver}")) is { Command: not null } taken)
            {
                if (!taken.Command.Rest.Contains("pciback", StringComparison.Ordinal))
                    problems.Add(new BootProblem($"{taken.Path}, line {taken.Command.Line}: \"{string.Join(' ', taken.Command.Words)}\" says already how {driver} is loaded", $"let that line load {files.PcibackModule} before {driver}, then again"));
                return files;
            }
            var own = files.Contents.ContainsKey(BootFiles.OldModprobe) ? BootFiles.OldModprobe : BootFiles.OwnModprobe;
            files = files.With(own, ModprobeFile.Parse(own, Text(files, own)).With(line));
        }
        return files;
    }

    public static BootFiles Unhide(BootFiles files, PciAddress address, List<BootProblem> problems)
    {
        if (FindList(files, problems) is not var (file, command, list) || file is null || command is null || !list.Entries.Any(entry => entry.Means(address)))
            return files;
        if (list.Without(address) is not string left)
        {
            problems.Add(new BootProblem($"{file.Path}, line {command.Line}: an entry with * hides {address} together with others", "spell out in that line what is to stay hidden, then again"));
            return files;
        }
        files = Set(files, file.Path, file.Replace(command, WithList(command, left)));
        if (left.Trim().Length > 0)
            return files;
        // With nothing left to hide, nothing needs to be loaded first: lines of exactly this form are ours, or as good as ours.
        foreach (var path in files.Modprobe.Select(each => each.Path).ToArray())
        {
            while (ModprobeFile.Parse(path, Text(files, path)) is var each && each.Commands.FirstOrDefault(other => other.Name is "install" or "softdep" && Same(other, LoadsFirst(files, other.Words[1]))) is ModprobeFile.Command mine)
                files = Set(files, path, each.Replace(mine, ""));
        }
        return files;
    }

    /// <summary>The list in force, with the line that it stands in.</summary>
    /// <returns>Null when there is a problem; no file when there is no list.</returns>
    static (ModprobeFile? File, ModprobeFile.Command? Command, HideList List)? FindList(BootFiles files, List<BootProblem> problems)
    {
        var found = files.Modprobe.SelectMany(file => file.Commands.Where(IsList).Select(command => (File: file, Command: command))).ToArray();
        if (found.Length == 0)
            return (null, null, HideList.Parse(""));
        if (found.Length > 1)
        {
            problems.Add(new BootProblem($"{string.Join(" and ", found.Select(each => $"{each.File.Path}, line {each.Command.Line}"))} each hold a hide= list: the kernel takes the last and forgets the others", "join them in one line, then again"));
            return null;
        }
        var list = HideList.Parse(ListOf(found[0].Command));
        if (list.Error is string error)
        {
            problems.Add(new BootProblem($"{found[0].File.Path}, line {found[0].Command.Line}: in its hide= list {error}; the kernel drops the whole list for that, and hides nothing", "mend that line, then again"));
            return null;
        }
        return (found[0].File, found[0].Command, list);
    }

    internal static bool IsList(ModprobeFile.Command command) => command is { Name: "options", Module: "xen_pciback" or "pciback" } && command.Words.Skip(2).Any(word => word.StartsWith("hide=", StringComparison.Ordinal));

    internal static string ListOf(ModprobeFile.Command command) => command.Words.Last(word => word.StartsWith("hide=", StringComparison.Ordinal))["hide=".Length..].Trim('"');

    static string WithList(ModprobeFile.Command command, string list)
    {
        var words = command.Words.Select(word => !word.StartsWith("hide=", StringComparison.Ordinal) ? word : list.Length == 0 ? "" : $"hide={list}").Where(word => word.Length > 0).ToArray();
        return words.Length > 2 ? string.Join(' ', words) : "";
    }

    static string LoadsFirst(BootFiles files, object driver) => files.Contents.ContainsKey(BootFiles.OldModprobe)
        ? $"install {driver} /sbin/modprobe {files.PcibackModule} ; /sbin/modprobe --first-time --ignore-install {driver}"
        : $"softdep {driver} pre: {files.PcibackModule}";

    static bool Same(ModprobeFile.Command command, string line) => string.Join(' ', command.Words) == line;

    static string Text(BootFiles files, string path) => files.Contents.GetValueOrDefault(path)?.Text ?? "";

    /// <summary>A file of our own that says nothing any more goes.</summary>
    static BootFiles Set(BootFiles files, string path, string text) => files.With(path, path == BootFiles.OwnModprobe && text.Trim().Length == 0 ? null : text);
}
