using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>A guest that is defined in libvirt, whether it runs or not.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Xml">What it will be at its next start, as libvirt tells it.</param>
public sealed record GuestDefinition(GuestName Name, DomainXml Xml)
{
    /// <summary>What it is called where others name a file.</summary>
    public string Source => $"libvirt's definition of {Name}";
}
