using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>
/// Hiding by modprobe's configuration: the list in an option of xen-pciback, and a line that loads it before each function's own driver.
/// Today that is a <c>softdep</c>; where modprobe reads an /etc/modprobe.conf, it is an <c>install</c> line, as that system knows it.
/// </summary>
static class ModprobeWay
{
    public static BootFiles Hide(BootFiles files, PciFunction function, List<BootProblem> problems)
    {
        if (FindList(files, problems) is not var (file, command, list))
            return files;
        var own = OwnFile(files);
        files = command is not null && file is not null
            ? files.With(file.Path, file.Insert(Word(command), list.With(function.Address)[list.Text.Length..]))
            : files.With(own, ModprobeFile.Parse(own, Text(files, own)).With($"options {files.PcibackModule} hide=({function.Address})"));
        return function.Driver is DriverName driver && driver != DriverName.Pciback && driver != DriverName.VfioPci ? LoadFirst(files, driver, problems) : files;
    }

    /// <summary>Whether a list in the files that modprobe reads means a function; a list that cannot be read means none.</summary>
    public static bool Lists(BootFiles files, PciAddress address) => files.Modprobe.SelectMany(file => file.Commands).Where(IsList)
        .Select(command => HideList.Parse(ListOf(command))).Any(list => list.Error is null && list.Entries.Any(entry => entry.Means(address)));

    /// <summary>Lets pciback be loaded before a driver, where no line does so already.</summary>
    internal static BootFiles LoadFirst(BootFiles files, DriverName driver, List<BootProblem> problems)
    {
        if ($"{driver}".Contains(' '))
        {
            problems.Add(new BootProblem($"the driver \"{driver}\" is in a module of another name, which cannot be known from here", "use --method initramfs"));
            return files;
        }
        var setup = new ModprobeSetup(files.Modprobe);
        // modprobe goes by the first line that means the module, and looks no further.
        var (install, softdep) = (setup.FindInstall($"{driver}"), setup.FindSoftdep($"{driver}"));
        if (install is not null ? LoadsPciback(install) : softdep is not null && LoadsPciback(softdep))
            return files;
        if (install is not null)
        {
            problems.Add(new BootProblem($"{install.Place}: \"{install}\" says already how {driver} is loaded", $"let that line load {files.PcibackModule} before {driver}, then again"));
            return files;
        }
        var line = LineFor(files, driver);
        if (softdep is not null && line.StartsWith("softdep", StringComparison.Ordinal))
        {
            problems.Add(new BootProblem($"{softdep.Place}: \"{softdep}\" says already what {driver} needs, and modprobe takes the first such line alone", $"put \"pre: {files.PcibackModule}\" into that line, then again"));
            return files;
        }
        var own = OwnFile(files);
        return files.With(own, ModprobeFile.Parse(own, Text(files, own)).With(line));
    }

    public static BootFiles Unhide(BootFiles files, PciAddress address, List<BootProblem> problems)
    {
        if (FindList(files, problems) is not var (file, command, list) || file is null || command is null || !list.Entries.Any(entry => entry.Means(address)))
            return files;
        if (list.Without(address) is not string left)
        {
            problems.Add(new BootProblem($"{command.Place}: an entry with * hides {address} together with others", "spell out in that line what is to stay hidden, then again"));
            return files;
        }
        if (left.Trim().Length > 0)
            return Set(files, file.Path, list.Entries.Where(entry => entry.Means(address)).ToArray() is [var one] && file.Without(Word(command), list.Text.Substring(one.At, one.Length)) is string shorter ? shorter : file.Replace(Word(command), Spelled(left)));
        return LoadNoLonger(Set(files, file.Path, command.Options.Skip(1).Any() ? file.Replace(Word(command), "") : file.Without(command)));
    }

    /// <summary>With nothing left to hide, here or on the kernel's line, nothing needs to be loaded first: in our own file, and in the one file of old systems, lines of exactly this form are ours, or as good as ours.</summary>
    internal static BootFiles LoadNoLonger(BootFiles files)
    {
        if (files.Modprobe.Any(file => file.Commands.Any(IsList)) || CmdlineWay.HasList(files))
            return files;
        foreach (var path in files.Modprobe.Select(each => each.Path).Where(path => path is BootFiles.OwnModprobe or BootFiles.OldModprobe).ToArray())
        {
            while (ModprobeFile.Parse(path, Text(files, path)) is var each && each.Commands.FirstOrDefault(other => other.Name is "install" or "softdep" && $"{other}" == LineFor(files, other.Words[1])) is ModprobeFile.Command mine)
                files = Set(files, path, each.Without(mine));
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
            problems.Add(new BootProblem($"{string.Join(" and ", found.Select(each => each.Command.Place))} each hold a hide= list: the kernel takes the last and forgets the others", "join them in one line, then again"));
            return null;
        }
        var (file, command) = found[0];
        if (!IsAdministrators(file.Path))
        {
            problems.Add(new BootProblem($"{command.Place} holds a hide= list, in a file that belongs to a package", $"copy it into {BootFiles.ModprobeFolders[0]}, where it comes first, then again"));
            return null;
        }
        var list = HideList.Parse(ListOf(command));
        if (list.Error is string error)
        {
            problems.Add(new BootProblem($"{PlaceIn(file, command, list.ErrorAt)}: in its hide= list {error}; the kernel drops the whole list for that, and hides nothing", "mend that line, then again"));
            return null;
        }
        return (file, command, list);
    }

    internal static bool IsList(ModprobeFile.Command command) => command is { Name: "options", Module: "xen_pciback" or "pciback" } && command.Options.Any(IsList);

    static bool IsList(ModprobeFile.Word word) => word.Text.Replace("\"", "", StringComparison.Ordinal).StartsWith("hide=", StringComparison.Ordinal);

    /// <summary>The word with the list; of several in one line the kernel takes the last.</summary>
    internal static ModprobeFile.Word Word(ModprobeFile.Command command) => command.Options.Last(IsList);

    internal static string ListOf(ModprobeFile.Command command) => Word(command).Text.Replace("\"", "", StringComparison.Ordinal)["hide=".Length..];

    internal static bool LoadsPciback(ModprobeFile.Command command) => command.Rest.Contains("xen-pciback", StringComparison.Ordinal) || command.Rest.Contains("xen_pciback", StringComparison.Ordinal)
        || command.Words.Skip(2).Any(word => word.TrimEnd(';') == "pciback");

    /// <summary>The file, line and column of a place in a command's list.</summary>
    internal static string PlaceIn(ModprobeFile file, ModprobeFile.Command command, int at)
    {
        var word = Word(command);
        // Within the word the places agree as long as nothing in it is quoted or continued.
        var (path, line, column, _) = file.ErrorAt(word.At + (word.Length == word.Text.Length && !word.Text.Contains('"') ? "hide=".Length + at : 0), "");
        return $"{path}, line {line}, column {column}";
    }

    static string Spelled(string list) => list.Contains(' ') ? $"\"hide={list}\"" : $"hide={list}";

    static string LineFor(BootFiles files, object driver) => files.ReadsOldModprobe
        ? $"install {driver} /sbin/modprobe {files.PcibackModule} ; /sbin/modprobe --first-time --ignore-install {driver}"
        : $"softdep {driver} pre: {files.PcibackModule}";

    static string OwnFile(BootFiles files) => files.ReadsOldModprobe ? BootFiles.OldModprobe : BootFiles.OwnModprobe;

    /// <summary>Files below /usr and /run are others' to make.</summary>
    static bool IsAdministrators(string path) => path.StartsWith("/etc/", StringComparison.Ordinal);

    static string Text(BootFiles files, string path) => files.Contents.GetValueOrDefault(path)?.Text ?? "";

    /// <summary>A file of our own that says nothing any more goes.</summary>
    static BootFiles Set(BootFiles files, string path, string text) => files.With(path, path == BootFiles.OwnModprobe && text.Trim().Length == 0 ? null : text);
}
