using System.Collections.Immutable;

namespace PciPass.Lab;

/// <summary>
/// Kernel modules that only some machines need: they come with the machine and not with the image, which every machine has in its memory.
/// In the machine, <c>depmod -a</c> makes modprobe know them.
/// </summary>
public static class KernelModules
{
    /// <summary>The modules with all that they depend on.</summary>
    /// <param name="images">The images; the payload beside them has every module of the kernel.</param>
    /// <param name="names">Their names as their files have them: "dm-crypt".</param>
    /// <exception cref="LabException">The kernel has no such module.</exception>
    public static ImmutableArray<MachineFile> Of(Images images, params ReadOnlySpan<string> names)
    {
        var folder = Directory.GetDirectories(Path.Combine(images.Folder, "payload", "root", "lib", "modules")).Single();
        var needs = File.ReadLines(Path.Combine(folder, "modules.dep")).Select(line => line.Split(':')).ToDictionary(pair => Path.GetFileNameWithoutExtension(pair[0]));
        SortedSet<string> paths = new(StringComparer.Ordinal);
        foreach (var name in names)
        {
            if (!needs.TryGetValue(name, out var line))
            {
                throw new LabException($"the lab's kernel has no module {name}");
            }
            paths.Add(line[0]);
            paths.UnionWith(line[1].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        }
        return
        [
            .. paths.Select(path => new MachineFile($"/lib/modules/{Path.GetFileName(folder)}/{path}", File.ReadAllBytes(Path.Combine(folder, path)), MachineFile.Plain)),
        ];
    }
}
