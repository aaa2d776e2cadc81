using System.Collections.Immutable;
using PciPass.Core;

namespace PciPass.Lab;

/// <summary>The files of the checkout that are made of the program itself, so that they say what it does: manual pages, the page of troubles, the package's parts of a start.</summary>
public static class Pages
{
    /// <summary>Where the package's parts of a start are kept, at the paths where the package puts them.</summary>
    const string PackageTree = "package/tree";

    /// <summary>All of them, by their path in the checkout.</summary>
    public static ImmutableSortedDictionary<string, string> All()
    {
        var pages = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        pages["docs/man/pcipass.8"] = ManualPage.OfTheCommand();
        pages["docs/man/pcipass-devices.5"] = ManualPage.OfTheDeviceList();
        pages["docs/troubleshooting.md"] = TroublesPage.Write();
        foreach (var part in (ReadOnlySpan<string>)[BootPart.InitramfsTools, BootPart.Dracut, BootPart.Unit])
        {
            foreach (var (path, content) in BootPart.PackagedFilesOf(part))
                pages[PackageTree + path] = content.Text;
        }
        return pages.ToImmutable();
    }

    /// <summary>Writes all of them into a checkout.</summary>
    public static void Write(string checkout)
    {
        foreach (var (path, text) in All())
        {
            var file = Path.Combine(checkout, path);
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, text);
        }
    }
}
