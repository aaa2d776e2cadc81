using System.Collections.Immutable;
using System.Text;

namespace PciPass.Core.Formats;

/// <summary>
/// GRUB's menu as grub-mkconfig writes it: the entries with what they start, and which one is the default. It is a script; what is read
/// is its <c>menuentry</c>, <c>submenu</c>, <c>linux</c>, <c>initrd</c>, <c>multiboot2</c>, <c>module2</c> and <c>set default=</c>.
/// </summary>
/// <remarks>GRUB: util/grub.d/10_linux.in, 20_linux_xen.in, 00_header.in.</remarks>
public sealed class GrubMenu
{
    /// <summary>What starts the kernel of an entry.</summary>
    /// <param name="Path">The menu.</param>
    /// <param name="Line">The line with the kernel, from 1.</param>
    /// <param name="Titles">Its title, with those of the submenus around it before it.</param>
    /// <param name="Ids">Their ids; empty where there is none.</param>
    /// <param name="Numbers">Their places in their menus, from 0.</param>
    /// <param name="Hypervisor">Xen's file; null without Xen.</param>
    /// <param name="Kernel">The kernel's file.</param>
    /// <param name="Initrd">The initramfs; null without one.</param>
    /// <param name="KernelLine">What the kernel is given.</param>
    public sealed record Entry(string Path, int Line, ImmutableArray<string> Titles, ImmutableArray<string> Ids, ImmutableArray<int> Numbers, string? Hypervisor, string Kernel, string? Initrd, string KernelLine);

    public ImmutableArray<Entry> Entries { get; private set; } = [];

    /// <summary>What <c>default</c> is set to; <c>${saved_entry}</c> and its kind as they stand.</summary>
    public string Default { get; private set; } = "0";

    /// <summary>Whether the entries come from files of the Boot Loader Specification instead (<c>blscfg</c>).</summary>
    public bool UsesLoaderEntries { get; private set; }

    public static GrubMenu Parse(string path, string text)
    {
        var menu = new GrubMenu();
        var entries = ImmutableArray.CreateBuilder<Entry>();
        // Each open brace: a menu's own (with its title) or another's.
        var open = new Stack<(string Title, string Id, int Number, bool IsMenu)>();
        var counts = new Stack<int>([0]);
        string? hypervisor = null, kernel = null, initrd = null, line = null;
        var (number, kernelLine) = (0, 0);
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var words = Split(raw);
            if (words.Count == 0 || words[0].StartsWith('#'))
                continue;
            switch (words[0])
            {
                case "menuentry" or "submenu" when words.Count > 1:
                    var id = words.IndexOf("$menuentry_id_option") is > 0 and var at && at + 1 < words.Count ? words[at + 1] : words.FirstOrDefault(word => word.StartsWith("--id=", StringComparison.Ordinal))?[5..] ?? "";
                    open.Push((words[1], id, counts.Pop() is var place ? place : 0, true));
                    counts.Push(place + 1);
                    counts.Push(0);
                    (hypervisor, kernel, initrd, line) = (null, null, null, null);
                    break;
                case "multiboot" or "multiboot2" or "xen_hypervisor" when words.Count > 1:
                    hypervisor = words[1];
                    break;
                case "linux" or "linux16" or "linuxefi" when words.Count > 1:
                    (kernel, line, kernelLine) = (words[1], Rest(words, 2), number);
                    break;
                case "initrd" or "initrd16" or "initrdefi" when words.Count > 1:
                    initrd = words[^1];
                    break;
                case "module" or "module2" or "xen_module" when words.Count > 1:
                    var options = words.Skip(1).TakeWhile(word => word.StartsWith("--", StringComparison.Ordinal)).Count();
                    if (kernel is null && words.Count > 1 + options)
                        // 20_linux_xen gives the file's name again, or "placeholder": Xen drops the first word.
                        (kernel, line, kernelLine) = (words[1 + options], Rest(words, words.Count > 2 + options && (words[2 + options] == "placeholder" || words[2 + options] == words[1 + options]) ? 3 + options : 2 + options), number);
                    else if (words.Count > 1 + options)
                        initrd = words[^1];
                    break;
                case "set" when words.Count > 1 && words[1].StartsWith("default=", StringComparison.Ordinal):
                    // What next_entry says holds for one start, and is looked at by itself.
                    if (!words[1].Contains("next_entry", StringComparison.Ordinal))
                        menu.Default = words[1]["default=".Length..];
                    break;
                case "blscfg":
                    menu.UsesLoaderEntries = true;
                    break;
            }
            if (words[^1] == "{" && words[0] is not ("menuentry" or "submenu"))
                open.Push(("", "", 0, false));
            if (words[0] != "}" || !open.TryPop(out var closed) || !closed.IsMenu)
                continue;
            counts.Pop();
            if (kernel is not null)
            {
                var around = open.Where(each => each.IsMenu).Reverse().Append(closed).ToArray();
                entries.Add(new Entry(path, kernelLine, [.. around.Select(each => each.Title)], [.. around.Select(each => each.Id)], [.. around.Select(each => each.Number)], hypervisor, kernel, initrd, line ?? ""));
            }
            (hypervisor, kernel, initrd, line) = (null, null, null, null);
        }
        menu.Entries = entries.ToImmutable();
        return menu;
    }

    /// <summary>The entry that a value of <c>default</c> means: numbers, ids or titles, with <c>&gt;</c> between menus; null when none does.</summary>
    public Entry? Find(string wished)
    {
        // A title may hold the sign as well, so the whole is tried first.
        return Entries.FirstOrDefault(entry => entry.Titles.Length == 1 && (entry.Titles[0] == wished || entry.Ids[0] == wished)) ?? Entries.FirstOrDefault(entry => Means(entry, wished.Split('>')));

        static bool Means(Entry entry, string[] parts)
        {
            for (var at = 0; at < entry.Titles.Length; at++)
            {
                // A default that names a submenu alone starts its first entry.
                var isMeant = at >= parts.Length ? entry.Numbers[at] == 0 : parts[at].Trim() is var part && (part == $"{entry.Numbers[at]}" || part == entry.Titles[at] || (part.Length > 0 && part == entry.Ids[at]));
                if (!isMeant)
                    return false;
            }
            return parts.Length <= entry.Titles.Length;
        }
    }

    static string Rest(List<string> words, int from) => string.Join(' ', words.Skip(from));

    /// <summary>Words at blanks; quotes and backslashes as GRUB's scripts have them, but for double quotes within a word, which are the kernel's.</summary>
    static List<string> Split(string line)
    {
        List<string> words = [];
        var word = new StringBuilder();
        var isWord = false;
        for (var at = 0; at < line.Length; at++)
        {
            var letter = line[at];
            if (letter is ' ' or '\t' or '\r')
            {
                End();
                continue;
            }
            isWord = true;
            if (letter is '\'' or '"')
            {
                var close = line.IndexOf(letter, at + 1);
                var end = close < 0 ? line.Length : close;
                word.Append(line, at + 1, end - at - 1);
                at = end;
            }
            else if (letter == '\\' && at + 1 < line.Length)
            {
                word.Append(line[++at]);
            }
            else
            {
                word.Append(letter);
            }
        }
        End();
        return words;

        void End()
        {
            if (isWord)
                words.Add(word.ToString());
            word.Clear();
            isWord = false;
        }
    }
}
