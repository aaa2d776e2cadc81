using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>The configuration file of a Xen guest, whether the guest runs or not.</summary>
/// <param name="Path">The file itself; links to it are followed before.</param>
/// <param name="Content">What it holds.</param>
/// <param name="Config">What that says.</param>
public sealed record GuestFile(string Path, FileContent Content, XlConfig Config)
{
    /// <summary>Where it leads, when it is a link that was not followed; null for a file.</summary>
    public string? LinkTarget { get; init; }

    /// <summary>The guest that it is for; a file without a name is known by its own.</summary>
    public string Guest => Config.Name ?? FileName;

    /// <summary>How the guest will be virtualised: <c>type</c>, or <c>builder</c> in older files; PV without either (xl.cfg(5)).</summary>
    public GuestType Type => (Config.Setting("type") ?? Config.Setting("builder")) switch
    {
        null or "pv" or "generic" or "linux" => GuestType.Pv,
        "hvm" => GuestType.Hvm,
        "pvh" => GuestType.Pvh,
        _ => GuestType.Unknown,
    };

    string FileName => Path[(Path.LastIndexOf('/') + 1)..] is var name && name.EndsWith(".cfg", StringComparison.Ordinal) ? name[..^4] : name;
}
