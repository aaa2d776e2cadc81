using System.Collections.Immutable;
using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>
/// modprobe's configuration as a whole, asked as modprobe asks it: all options of a module count, in the order of the files; of the lines
/// that say how to load it, and of those that say what it needs, the first one that means it, and no other.
/// </summary>
/// <remarks>kmod: kmod_module_get_options, kmod_module_get_install_commands, kmod_module_get_softdeps in libkmod/libkmod-module.c.</remarks>
/// <param name="files">The files, in the order in which modprobe reads them.</param>
public sealed class ModprobeSetup(IEnumerable<ModprobeFile> files)
{
    /// <summary>All files.</summary>
    public ImmutableArray<ModprobeFile> Files { get; } = [.. files];

    public IEnumerable<ModprobeFile.Command> Commands => Files.SelectMany(file => file.Commands);

    public IEnumerable<ModprobeFile.Command> OptionsOf(string module) => Commands.Where(command => command.Name == "options" && command.Module == ModprobeFile.Normal(module));

    public ModprobeFile.Command? FindInstall(string module) => First("install", module);

    public ModprobeFile.Command? FindSoftdep(string module) => First("softdep", module);

    /// <summary>The line by which udev, which asks for functions' aliases, does not get a module.</summary>
    public ModprobeFile.Command? FindBlacklist(string module) => Commands.FirstOrDefault(command => command.Name == "blacklist" && command.Module.TrimEnd('\r') == ModprobeFile.Normal(module));

    /// <summary>What a softdep line lets be loaded before its module.</summary>
    public static IEnumerable<string> Before(ModprobeFile.Command softdep) => Part(softdep.Words.Skip(2));

    /// <summary>The words between <c>pre:</c> and <c>post:</c>, with underscores.</summary>
    public static IEnumerable<string> Part(IEnumerable<string> words)
    {
        var isBefore = false;
        foreach (var word in words)
        {
            if (word is "pre:" or "post:")
                isBefore = word == "pre:";
            else if (isBefore)
                yield return ModprobeFile.Normal(word);
        }
    }

    ModprobeFile.Command? First(string name, string module) => Commands.FirstOrDefault(command => command.Name == name && Glob.Matches(command.Module, ModprobeFile.Normal(module)));
}
