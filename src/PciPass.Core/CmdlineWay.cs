using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>
/// Hiding by the kernel's command line: <c>xen-pciback.hide=</c>, in every place from which this system makes that line. Xen's own line
/// (GRUB_CMDLINE_XEN and its kind) is another one, and is left alone.
/// </summary>
static class CmdlineWay
{
    const string Own = "xen-pciback.hide";

    /// <summary>
    /// The list on the line; and where pciback is a module, which gets it from there as well, the line of modprobe's that loads it before
    /// the function's own driver: without that the driver is first (seen in the lab).
    /// </summary>
    public static BootFiles Hide(BootFiles files, PciFunction function, List<BootProblem> problems)
    {
        files = EachLine(files, problems, (path, line) => With(path, line, function.Address, problems));
        return function.Driver is DriverName driver && driver != DriverName.Pciback && driver != DriverName.VfioPci && !files.PcibackIsBuiltIn ? ModprobeWay.LoadFirst(files, driver, problems) : files;
    }

    /// <summary>Whether a list on one of the lines means a function; a list that cannot be read means none.</summary>
    public static bool Lists(BootFiles files, PciAddress address)
    {
        var found = false;
        EachLine(files, [], (_, line) =>
        {
            found |= KernelWords.Parse(line).Find(Own).Select(word => HideList.Parse(word.Value ?? "")).Any(list => list.Error is null && list.Entries.Any(entry => entry.Means(address)));
            return line;
        });
        return found;
    }

    /// <summary>Whether a list is on one of the lines.</summary>
    public static bool HasList(BootFiles files)
    {
        var found = false;
        EachLine(files, [], (_, line) =>
        {
            found |= KernelWords.Parse(line).Find(Own).Any();
            return line;
        });
        return found;
    }

    public static BootFiles Unhide(BootFiles files, PciAddress address, List<BootProblem> problems) =>
        ModprobeWay.LoadNoLonger(EachLine(files, problems, (path, line) => Without(path, line, address, problems)));

    static BootFiles EachLine(BootFiles files, List<BootProblem> problems, Func<string, string, string> change)
    {
        var places = 0;
        if (files.GrubSettings.Any())
        {
            places++;
            files = Grub(files, problems, change);
        }
        if (files.Contents.GetValueOrDefault(BootFiles.KernelInstall) is FileContent install)
        {
            places++;
            // kernel-install joins the lines, and leaves out those that are comments.
            files = EachPart(files, BootFiles.KernelInstall, install, line => line.Trim() is { Length: > 0 } words && words[0] != '#' ? 0 : null, change);
        }
        // What starts a program of the firmware has no kernel's line.
        foreach (var (path, content) in files.LoaderEntries.Where(each => each.Value.Text.Split('\n').Any(line => IsKey(line, "linux"))).ToArray())
        {
            places++;
            files = Entry(files, path, content, problems, change);
        }
        if (places == 0)
            problems.Add(new BootProblem("there is neither /etc/default/grub nor /etc/kernel/cmdline nor an entry in /boot/loader/entries", "put xen-pciback.hide= on the kernel's line by the means of this system, or use --method initramfs"));
        return files;
    }

    static BootFiles Grub(BootFiles files, List<BootProblem> problems, Func<string, string, string> change)
    {
        var settings = files.GrubSettings.ToArray();
        foreach (var error in settings.SelectMany(each => each.Errors))
            problems.Add(new BootProblem($"{error}", "mend it, then again"));
        if (settings.Any(each => !each.Errors.IsEmpty))
            return files;
        // 20_linux_xen of GRUB: where the second of each is set, it stands in place of the first in Xen's entries. Both make the line, in this order.
        var name = Of("GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_XEN_REPLACE");
        var parts = PartsOf(settings, name).Concat(PartsOf(settings, Of("GRUB_CMDLINE_LINUX_DEFAULT", "GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT"))).ToArray();
        var holding = parts.Where(part => part.Assignment.Written is string text && KernelWords.Parse(text).Find(Own).Any()).ToArray();
        if (holding.Length > 1)
        {
            problems.Add(new BootProblem($"{string.Join(" and ", holding.Select(part => $"{part.File.Path}, line {part.Assignment.Line}"))} each put {Own}= on the line: the kernel takes the last and forgets the others", "join them in one, then again"));
            return files;
        }
        var (file, assignment) = holding.Length > 0 ? holding[0] : parts.FirstOrDefault(part => part.Assignment.Name == name);
        // A list could be in what the shell works out, and would be lost.
        var unclear = parts.FirstOrDefault(part => part.Assignment.Written is null || Hides(settings, part.Assignment));
        if (unclear.File is not null)
        {
            problems.Add(new BootProblem($"{unclear.File.Path}, line {unclear.Assignment.Line}: the shell works out the value of {unclear.Assignment.Name}", $"write it out, or put {Own}= there by hand"));
            return files;
        }
        if (file is null && settings[0].EndsWithinBlock)
        {
            if (change(settings[0].Path, "").Length > 0)
                problems.Add(new BootProblem($"{settings[0].Path}: it ends within a condition, a loop or a function that nothing closes", "close it, then again"));
            return files;
        }
        if (file is null)
            return change(settings[0].Path, "") is { Length: > 0 } fresh ? files.With(settings[0].Path, settings[0].With(name, fresh)) : files;
        var written = assignment.Written!;
        if (assignment.IsConditional)
        {
            problems.Add(new BootProblem($"{file.Path}, line {assignment.Line}: {assignment.Name} is set there under a condition", $"set it once more behind that, {name}=\"${name}\", then again"));
            return files;
        }
        var changed = change($"{file.Path}, line {assignment.Line}", written);
        // What is joined on something needs a blank between.
        if (assignment.IsAppended && written.Trim().Length == 0 && changed.Length > 0 && changed[0] != ' ')
            changed = $" {changed}";
        try
        {
            return changed == written ? files : files.With(file.Path, (changed.Length == 0 ? file.Without(assignment) : null) ?? file.Replace(assignment, changed));
        }
        catch (FormatException error)
        {
            problems.Add(new BootProblem($"{file.Path}, line {assignment.Line}: {error.Message}", $"put {Own}= there by hand"));
            return files;
        }

        string Of(string usual, string xens) => settings.Any(file => file.Find(xens) is not null) ? xens : usual;
    }

    /// <summary>The assignments that make a variable's value, the last first: what a later one takes up of the earlier ones is a part of it as well.</summary>
    static IEnumerable<(ShellAssignments File, ShellAssignments.Assignment Assignment)> PartsOf(ShellAssignments[] settings, string name)
    {
        foreach (var file in settings.AsEnumerable().Reverse())
        {
            foreach (var assignment in file.Assignments.Where(assignment => assignment.Name == name).Reverse())
            {
                yield return (file, assignment);
                if (!assignment.GoesOn && !assignment.IsConditional)
                    yield break;
            }
        }
    }

    /// <summary>Whether a variable that an assignment names may hold a list.</summary>
    static bool Hides(ShellAssignments[] settings, ShellAssignments.Assignment assignment) => settings.SelectMany(file => file.Assignments)
        .Any(other => other.Name != assignment.Name && (other.Written is null || other.Written.Contains("pciback", StringComparison.Ordinal))
            && (assignment.Written!.Contains($"${other.Name}", StringComparison.Ordinal) || assignment.Written.Contains($"${{{other.Name}}}", StringComparison.Ordinal)));

    static BootFiles Entry(BootFiles files, string path, FileContent content, List<BootProblem> problems, Func<string, string, string> change)
    {
        if (content.Text.Split('\n').Index().FirstOrDefault(line => IsKey(line.Item, "options") && line.Item.Contains("$kernelopts", StringComparison.Ordinal)) is { Item: not null } clue)
        {
            problems.Add(new BootProblem($"{path}, line {clue.Index + 1}: the line comes from $kernelopts in GRUB's environment block", $"grubby --update-kernel=ALL --args={Own}=...     writes there"));
            return files;
        }
        if (!content.Text.Split('\n').Any(line => IsKey(line, "options")))
        {
            if (change(path, "").Length > 0)
                problems.Add(new BootProblem($"{path}: it has no line \"options\" for the kernel's line", "write one, then again"));
            return files;
        }
        return EachPart(files, path, content, line => IsKey(line, "options") ? "options".Length + 1 : null, change);
    }

    static bool IsKey(string line, string key) => line.StartsWith(key, StringComparison.Ordinal) && line.Length > key.Length && line[key.Length] is ' ' or '\t';

    /// <summary>Changes one line of a file whose lines together are the kernel's: the one that has the list, else the last.</summary>
    /// <param name="files">All files.</param>
    /// <param name="path">The file.</param>
    /// <param name="content">Its content.</param>
    /// <param name="start">Where the kernel's words begin in a line; null in another line.</param>
    /// <param name="change">The change.</param>
    static BootFiles EachPart(BootFiles files, string path, FileContent content, Func<string, int?> start, Func<string, string, string> change)
    {
        var lines = content.Text.Split('\n');
        var parts = lines.Index().Where(line => start(line.Item) is not null).Select(line => line.Index).ToArray();
        var holding = parts.Where(part => KernelWords.Parse(lines[part][start(lines[part])!.Value..]).Find(Own).Any()).ToArray();
        var at = holding.Length > 0 ? holding[^1] : parts.Length > 0 ? parts[^1] : -1;
        if (at < 0)
            return path != BootFiles.KernelInstall || change(path, "") is not { Length: > 0 } fresh ? files
                : files.With(path, $"{content.Text}{(content.Text.Length == 0 || content.Text.EndsWith('\n') ? "" : "\n")}{fresh}\n");
        var from = start(lines[at])!.Value;
        lines[at] = $"{lines[at][..from]}{change($"{path}, line {at + 1}", lines[at][from..])}";
        return files.With(path, string.Join('\n', lines));
    }

    static string With(string path, string line, PciAddress address, List<BootProblem> problems)
    {
        var words = KernelWords.Parse(line);
        if (Find(path, words, problems) is not KernelWords.Word word)
            return words.Find("xen-pciback.hide").Any() ? line : words.With($"{Own}=({address})");
        return words.Replace(word, Word(words, word, HideList.Parse(word.Value ?? "").With(address)));
    }

    static string Without(string path, string line, PciAddress address, List<BootProblem> problems)
    {
        var words = KernelWords.Parse(line);
        if (Find(path, words, problems) is not KernelWords.Word word)
            return line;
        if (HideList.Parse(word.Value ?? "").Without(address) is not string left)
        {
            problems.Add(new BootProblem($"{path}: an entry with * hides {address} together with others", "spell out what is to stay hidden, then again"));
            return line;
        }
        return words.Replace(word, left.Trim().Length == 0 ? "" : Word(words, word, left));
    }

    /// <summary>The list in force; null when there is none, or a problem.</summary>
    static KernelWords.Word? Find(string path, KernelWords words, List<BootProblem> problems)
    {
        if (words.IsUnclosed)
        {
            problems.Add(new BootProblem($"{path}: the kernel's line has a quote that nothing closes", "close it, then again"));
            return null;
        }
        if (words.Find(Own).ToArray() is not { Length: > 0 } all)
            return null;
        if (all.Length > 1)
            problems.Add(new BootProblem($"{path}: {Own}= stands there {all.Length} times: the kernel takes the last and forgets the others", "join them, then again"));
        else if (HideList.Parse(all[0].Value ?? "") is { Error: string error } list)
            problems.Add(new BootProblem($"{path}, column {all[0].At + Own.Length + 2 + list.ErrorAt} of the kernel's words: {error}; the kernel drops the whole list for that, and hides nothing", "mend it, then again"));
        else
            return all[0];
        return null;
    }

    /// <summary>The name stays as it was written, dash or underscore.</summary>
    static string Word(KernelWords words, KernelWords.Word word, string list) =>
        $"{words.Text.Substring(word.At, word.Length).Split('=')[0].Replace("\"", "", StringComparison.Ordinal)}={list}";
}
