using System.Collections.Immutable;
using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>The files of others that say what happens at the next start, as they were read together.</summary>
public sealed record BootFiles
{
    public const string OldModprobe = "/etc/modprobe.conf", OwnModprobe = "/etc/modprobe.d/pcipass.conf", Grub = "/etc/default/grub", KernelInstall = "/etc/kernel/cmdline";

    /// <summary>Each file's content, by path: modprobe's, GRUB's settings, the kernel's line of systemd-boot, the entries of a boot loader.</summary>
    public ImmutableSortedDictionary<string, FileContent> Contents { get; init; } = ImmutableSortedDictionary.Create<string, FileContent>(StringComparer.Ordinal);

    /// <summary>The kernels that are installed: the names below /lib/modules.</summary>
    public ImmutableArray<string> Kernels { get; init; } = [];

    /// <summary>Where modprobe looks for files, in the order in which one hides another of the same name (modprobe.d(5); kmod's default_config_paths).</summary>
    public static ImmutableArray<string> ModprobeFolders { get; } = ["/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"];

    /// <summary>
    /// Whether modprobe reads /etc/modprobe.conf: module-init-tools did, with the kernels 2.6 of its time; kmod does not. Where no kernel is
    /// known, the file is there for a reason.
    /// </summary>
    public bool ReadsOldModprobe => Contents.ContainsKey(OldModprobe) && Kernels.All(kernel => kernel.StartsWith("2.6.", StringComparison.Ordinal));

    /// <summary>modprobe's files in the order in which it reads them: all folders' by name, of two with one name the first folder's.</summary>
    public IEnumerable<ModprobeFile> Modprobe
    {
        get
        {
            if (ReadsOldModprobe)
                yield return ModprobeFile.Parse(OldModprobe, Contents[OldModprobe].Text);
            foreach (var (path, content) in ModprobeInFolders(all: false))
                yield return ModprobeFile.Parse(path, content.Text);
        }
    }

    /// <summary>The files in modprobe's folders, by name.</summary>
    /// <param name="all">Whether those count that another file of the same name hides.</param>
    public IEnumerable<KeyValuePair<string, FileContent>> ModprobeInFolders(bool all) => Contents
        .Select(each => (each.Key, each.Value, Slash: each.Key.LastIndexOf('/')))
        .Select(each => (each.Key, each.Value, Rank: ModprobeFolders.IndexOf(each.Key[..each.Slash]), Name: each.Key[(each.Slash + 1)..]))
        .Where(each => each.Rank >= 0 && each.Name.EndsWith(".conf", StringComparison.Ordinal))
        .GroupBy(each => each.Name, StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal)
        .SelectMany(group => group.OrderBy(each => each.Rank).Take(all ? int.MaxValue : 1))
        .Select(each => KeyValuePair.Create(each.Key, each.Value));

    /// <summary>GRUB's settings in the order in which its shell reads them.</summary>
    public IEnumerable<ShellAssignments> GrubSettings => Contents.Where(each => each.Key == Grub || each.Key.StartsWith($"{Grub}.d/", StringComparison.Ordinal)).Select(each => ShellAssignments.Parse(each.Key, each.Value.Text));

    /// <summary>The boot loader's entries (the Boot Loader Specification, type 1).</summary>
    public IEnumerable<KeyValuePair<string, FileContent>> LoaderEntries => Contents.Where(each => each.Key.Contains("/loader/entries/", StringComparison.Ordinal));

    /// <summary>Whether pciback is a part of every kernel that is installed, so that nothing loads it and modprobe's options do not reach it.</summary>
    public bool PcibackIsBuiltIn { get; init; }

    /// <summary>Linux 2.6.18 of Xen 3 calls it pciback, all kernels since Linux 3.1 xen-pciback.</summary>
    public string PcibackModule => !Kernels.IsEmpty && Kernels.All(kernel => kernel.StartsWith("2.6.", StringComparison.Ordinal)) ? "pciback" : "xen-pciback";

    public BootFiles With(string path, string? text) => this with { Contents = text is null ? Contents.Remove(path) : Contents.SetItem(path, new FileContent(text)) };
}

/// <summary>Why a file of others is not changed.</summary>
/// <param name="Why">The file, the place, and what is wrong there.</param>
/// <param name="Remedy">What to do.</param>
public sealed record BootProblem(string Why, string Remedy);
