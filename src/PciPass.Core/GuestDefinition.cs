using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>A guest that is defined in libvirt, whether it runs or not.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Xml">What it will be at its next start, as libvirt tells it.</param>
public sealed record GuestDefinition(GuestName Name, DomainXml Xml)
{
    /// <summary>What it is called where others name a file.</summary>
    public string Source => $"libvirt's definition of {Name}";

    /// <summary>How the guest will be virtualised (formatdomain: <c>type</c> of <c>domain</c> and of <c>os</c>).</summary>
    public GuestType Type => Xml.Type != "xen" ? GuestType.Hvm : Xml.OsType switch
    {
        "linux" or "xen" => GuestType.Pv,
        "hvm" => GuestType.Hvm,
        "xenpvh" => GuestType.Pvh,
        _ => GuestType.Unknown,
    };

    /// <summary>The functions that it names.</summary>
    public IEnumerable<ConfiguredClaim> Claims => Xml.Functions.Distinct().Select(function => new ConfiguredClaim(function, $"{Name}", Source));
}
