using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>All that decides what the next start does with the host's functions: read once, for <see cref="BootForecast"/>.</summary>
public sealed record BootSetup
{
    /// <summary>The files of others: modprobe's, GRUB's settings, boot loader entries.</summary>
    public BootFiles Files { get; init; } = new();

    /// <summary>What starts next; null when no boot loader's files and no kernel were found.</summary>
    public BootEntry? Entry { get; init; }

    /// <summary>The drivers of its kernel; null when they are not known.</summary>
    public KernelModules? Kernel { get; init; }

    /// <summary>Its initramfs; null without one.</summary>
    public BootImage? Image { get; init; }

    /// <summary>The line of the kernel that runs; null for a system that does not run.</summary>
    public string? RunningLine { get; init; }

    /// <summary>The modules that the root file system loads by name, with the place of each (modules-load.d(5), /etc/modules).</summary>
    public ImmutableArray<(string Module, string Place)> LoadedByName { get; init; } = [];

    /// <summary>Lines of scripts and rules that hide or take functions by hand: their place, and what they say.</summary>
    public ImmutableArray<(string Place, string Text)> ByHand { get; init; } = [];

    /// <summary>driverctl's files: the function, the driver that they set, the place.</summary>
    public ImmutableArray<(PciAddress Address, string Driver, string Place)> Overrides { get; init; } = [];

    /// <summary>Files in modprobe's folders that it does not read, since their names do not end in .conf.</summary>
    public ImmutableArray<string> Unread { get; init; } = [];

    /// <summary>Whether the late unit is enabled.</summary>
    public bool HasUnit { get; init; }

    /// <summary>How this host makes its images anew; empty where that is not known.</summary>
    public string ImageCommand { get; init; } = "";

    /// <summary>How this host makes its menu anew; empty where nothing needs to.</summary>
    public string MenuCommand { get; init; } = "";
}
