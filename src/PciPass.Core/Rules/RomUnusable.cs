namespace PciPass.Core.Rules;

/// <summary>A display's guest may miss what starts it.</summary>
public sealed class RomUnusable : Rule
{
    public override string Code => "rom";
    public override string Meaning => "A display's ROM is the copy that the host's firmware has run and changed, or is not there: a guest's firmware shows no picture by it, and some drivers fail.";
    public override string Source => "Linux: pci_fixup_video in arch/x86/pci/fixup.c, pci_map_rom in drivers/pci/rom.c; resource in sysfs, seventh line.";
    public override string Remedy => "Give the guest the card's ROM as a file.";
    public override Weights Weights => Weights.Note;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in ToTake(host, request)
        where function.Rom is RomState.Shadow or RomState.Absent
        select Note(function.Address, $"{function.Address} has no ROM of its own that a guest could use",
            function.Rom == RomState.Shadow ? "what is read is the copy at c0000 that the firmware ran when the host booted" : "the firmware gave no place to one",
            "give the guest the card's ROM as a file");
}
