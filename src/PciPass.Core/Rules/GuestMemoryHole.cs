namespace PciPass.Core.Rules;

/// <summary>An HVM guest has no room below 4 GiB for what the functions' BARs need there.</summary>
public sealed class GuestMemoryHole : Rule
{
    /// <summary>hvmloader places BARs from f0000000 up to fc000000; with QEMU it makes that larger only as far as the guest's memory leaves room.</summary>
    const ulong Hole = 0xfc000000 - 0xf0000000;

    /// <summary>What the emulated chipset and display take of it.</summary>
    const ulong Emulated = 32 << 20;

    public override string Code => "guest-mmio-hole";
    public override string Meaning => "The functions' BARs that must lie below 4 GiB need more room than an HVM guest leaves there: some stay without an address, and their drivers fail.";
    public override string Source => "Xen: pci_setup in tools/firmware/hvmloader/pci.c (BARs of 64 bits go above 4 GiB, the others not); xl.cfg(5), mmio_hole.";
    public override string Remedy => "Set mmio_hole in its configuration and start it again.";
    public override Weights Weights => Weights.Warn;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Attach, Guest: GuestReference name } || host.FindGuest(name) is not { Type: Core.GuestType.Hvm, Start.Toolstack: Toolstack.Xen } guest)
            yield break;
        var functions = Named(host, request).Concat(host.Attachments.Where(attachment => attachment.Guest == guest.Start).Select(attachment => host.Find(attachment.Address)).OfType<PciFunction>());
        var needed = functions.DistinctBy(function => function.Address).SelectMany(function => host.RangesOf(function.Address).Where(range => !range.IsPort && !function.WideBars.Contains(range.Start)))
            .Aggregate(0UL, (sum, range) => sum + range.Size);
        if (needed > Hole - Emulated)
            yield return Warn(name, $"guest {name} may have no room for the BARs", $"those that must lie below 4 GiB need {needed >> 20} MiB, and the hole there has {Hole >> 20} MiB by default",
                $"set mmio_hole={Math.Max(256, (needed >> 20) + 256)} in the configuration of {guest.Name} and start it again");
    }
}
