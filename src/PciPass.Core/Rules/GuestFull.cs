namespace PciPass.Core.Rules;

/// <summary>The guest has no place for more functions.</summary>
public sealed class GuestFull : Rule
{
    /// <summary>pciback and Xen's device model offer one bus of 32 devices.</summary>
    const int Slots = 32;

    public override string Code => "guest-full";
    public override string Meaning => "The guest would have more functions than it has places for: 32 slots on Xen's virtual bus, a free port or slot for each function in a guest of QEMU.";
    public override string Source => "Linux: drivers/xen/xen-pciback/vpci.c (PCI_SLOT_MAX). QEMU: docs/pcie.txt; a root port takes one device, and the root bus of q35 none while the guest runs.";
    public override string Remedy => "Take functions from the guest first.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Attach, IsNow: true, Guest: GuestReference name } || host.FindGuest(name) is not Guest guest)
            yield break;
        if (guest.FreePorts is { } ports)
        {
            if (ports.Length < request.Functions.Length)
                yield return Refuse(name, $"guest {name} cannot have {request.Functions.Length} more", ports.IsEmpty ? "none of its ports is free" : $"of its ports only {string.Join(", ", ports)} {(ports.Length == 1 ? "is" : "are")} free",
                    $"take some away first (pcipass status     shows them), or start the guest with more ports: {(guest.Start.Toolstack == Toolstack.Libvirt ? "<controller type='pci' model='pcie-root-port'/> in its definition" : "-device pcie-root-port,id=port1,chassis=1")}");
            yield break;
        }
        if (guest.Start.Toolstack != Toolstack.Xen)
            yield break;
        var has = host.Attachments.Count(attachment => attachment.Guest == guest.Start);
        if (has + request.Functions.Length > Slots)
            yield return Refuse(name, $"guest {name} cannot have {request.Functions.Length} more", $"it has {has} functions, and its virtual bus has {Slots} slots", "take some away first: pcipass status     shows them");
    }
}
