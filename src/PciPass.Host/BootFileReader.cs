using PciPass.Core;

namespace PciPass.Host;

/// <summary>Reads the files of others that say what happens at the next start.</summary>
public static class BootFileReader
{
    public static BootFiles Read(SysTree files)
    {
        var read = new BootFiles { Kernels = [.. files.List("/lib/modules")] };
        Add(BootFiles.OldModprobe);
        foreach (var folder in BootFiles.ModprobeFolders)
            AddFolder(folder, ".conf");
        Add(BootFiles.Grub);
        AddFolder("/etc/default/grub.d", ".cfg");
        Add(BootFiles.KernelInstall);
        AddFolder("/boot/loader/entries", ".conf");
        AddFolder("/efi/loader/entries", ".conf");
        AddFolder("/boot/efi/loader/entries", ".conf");
        // A line ends with each name in modules.builtin (kbuild).
        return read with { PcibackIsBuiltIn = read.Kernels.Length > 0 && read.Kernels.All(kernel => (files.ReadText($"/lib/modules/{kernel}/modules.builtin") ?? "").Contains("/xen-pciback.ko", StringComparison.Ordinal)) };

        void AddFolder(string folder, string ending)
        {
            foreach (var name in files.List(folder).Where(name => name.EndsWith(ending, StringComparison.Ordinal) && !name.AsSpan().ContainsAny(" \t\n")))
                Add($"{folder}/{name}");
        }

        void Add(string path)
        {
            if (files.ReadAll(path) is byte[] bytes)
                read = read with { Contents = read.Contents.SetItem(path, new FileContent(bytes)) };
        }
    }
}
