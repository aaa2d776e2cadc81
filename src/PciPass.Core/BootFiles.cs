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

    /// <summary>modprobe's files in the order in which they count: those of the folder by name, and the old one.</summary>
    public IEnumerable<ModprobeFile> Modprobe => Contents.Where(each => each.Key.StartsWith("/etc/modprobe", StringComparison.Ordinal)).Select(each => ModprobeFile.Parse(each.Key, each.Value.Text));

    /// <summary>GRUB's settings in the order in which its shell reads them.</summary>
    public IEnumerable<ShellAssignments> GrubSettings => Contents.Where(each => each.Key.StartsWith(Grub, StringComparison.Ordinal)).Select(each => ShellAssignments.Parse(each.Key, each.Value.Text));

    /// <summary>The boot loader's entries (the Boot Loader Specification, type 1).</summary>
    public IEnumerable<KeyValuePair<string, FileContent>> LoaderEntries => Contents.Where(each => each.Key.Contains("/loader/entries/", StringComparison.Ordinal));

    /// <summary>Linux 2.6.18 of Xen 3 calls it pciback, all kernels since Linux 3.1 xen-pciback.</summary>
    public string PcibackModule => !Kernels.IsEmpty && Kernels.All(kernel => kernel.StartsWith("2.6.", StringComparison.Ordinal)) ? "pciback" : "xen-pciback";

    public BootFiles With(string path, string? text) => this with { Contents = text is null ? Contents.Remove(path) : Contents.SetItem(path, new FileContent(text)) };
}

/// <summary>Why a file of others is not changed.</summary>
/// <param name="Why">The file, the place, and what is wrong there.</param>
/// <param name="Remedy">What to do.</param>
public sealed record BootProblem(string Why, string Remedy);
