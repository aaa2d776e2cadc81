using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>
/// Hiding by the kernel's command line: <c>xen-pciback.hide=</c>, in every place from which this system makes that line. Xen's own line
/// (GRUB_CMDLINE_XEN and its kind) is another one, and is left alone.
/// </summary>
static class CmdlineWay
{
    const string Own = "xen-pciback.hide";

    public static BootFiles Hide(BootFiles files, PciAddress address, List<BootProblem> problems) =>
        EachLine(files, problems, (path, line) => With(path, line, address, problems));

    public static BootFiles Unhide(BootFiles files, PciAddress address, List<BootProblem> problems) =>
        EachLine(files, problems, (path, line) => Without(path, line, address, problems));

    static BootFiles EachLine(BootFiles files, List<BootProblem> problems, Func<string, string, string> change)
    {
        var places = 0;
        if (files.GrubSettings.Any())
        {
            places++;
            files = Grub(files, problems, change);
        }
        if (files.Contents.GetValueOrDefault(BootFiles.KernelInstall) is FileContent line)
        {
            places++;
            var end = line.Text.TrimEnd('\n');
            files = files.With(BootFiles.KernelInstall, change(BootFiles.KernelInstall, end) + line.Text[end.Length..]);
        }
        foreach (var (path, content) in files.LoaderEntries.ToArray())
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
        // 20_linux_xen of GRUB: where the first of these is set, it stands in place of the second in Xen's entries.
        var settings = files.GrubSettings.ToArray();
        var name = settings.Any(file => file.Find("GRUB_CMDLINE_LINUX_XEN_REPLACE") is not null) ? "GRUB_CMDLINE_LINUX_XEN_REPLACE" : "GRUB_CMDLINE_LINUX";
        var file = settings.LastOrDefault(file => file.Find(name) is not null);
        foreach (var error in settings.SelectMany(each => each.Errors))
            problems.Add(new BootProblem($"{error}", "mend it, then again"));
        if (settings.Any(each => !each.Errors.IsEmpty))
            return files;
        if (file is null)
            return change(settings[0].Path, "") is { Length: > 0 } fresh ? files.With(settings[0].Path, settings[0].With(name, fresh)) : files;
        var assignment = file.Find(name)!;
        if (assignment.Value is not string value)
        {
            problems.Add(new BootProblem($"{file.Path}, line {assignment.Line}: the shell works out the value of {name}", $"write it out, or put {Own}= there by hand"));
            return files;
        }
        var changed = change(file.Path, value);
        try
        {
            return changed == value ? files : files.With(file.Path, file.Replace(assignment, changed));
        }
        catch (FormatException error)
        {
            problems.Add(new BootProblem($"{file.Path}, line {assignment.Line}: {error.Message}", $"put {Own}= there by hand"));
            return files;
        }
    }

    static BootFiles Entry(BootFiles files, string path, FileContent content, List<BootProblem> problems, Func<string, string, string> change)
    {
        var lines = content.Text.Split('\n');
        for (var at = 0; at < lines.Length; at++)
        {
            if (!lines[at].StartsWith("options", StringComparison.Ordinal) || lines[at].Length < 8 || lines[at][7] is not (' ' or '\t'))
                continue;
            if (lines[at].Contains("$kernelopts", StringComparison.Ordinal))
            {
                problems.Add(new BootProblem($"{path}, line {at + 1}: the line comes from $kernelopts in GRUB's environment block", $"grubby --update-kernel=ALL --args={Own}=...     writes there"));
                return files;
            }
            lines[at] = $"{lines[at][..8]}{change(path, lines[at][8..])}";
        }
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
            problems.Add(new BootProblem($"{path}, column {all[0].At + Own.Length + 2 + list.ErrorAt} of the kernel's line: {error}; the kernel drops the whole list for that, and hides nothing", "mend it, then again"));
        else
            return all[0];
        return null;
    }

    /// <summary>The name stays as it was written, dash or underscore.</summary>
    static string Word(KernelWords words, KernelWords.Word word, string list) =>
        $"{words.Text.Substring(word.At, word.Length).Split('=')[0].Replace("\"", "", StringComparison.Ordinal)}={list}";
}
