namespace PciPass.Host;

/// <summary>A guest as libvirt names it in its calls.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Uuid">What tells it from another of that name: 16 bytes.</param>
/// <param name="Id">The number of this start of it; -1 while it does not run.</param>
public sealed record LibvirtDomain(string Name, byte[] Uuid, int Id);
