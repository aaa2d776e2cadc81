namespace PciPass.Core.Rules;

/// <summary>What is not checked of a guest, said in words.</summary>
public sealed class GuestSystem : Rule
{
    public override string Code => "guest-system";
    public override string Meaning => "Which system runs inside a guest is not known from outside, so what it needs and supports is not checked.";
    public override string Source => "the vendors' statements (docs/support.md); Linux: drivers/pci/xen-pcifront.c (xen-pcifront in the guest).";
    public override string Remedy => "pcipass guest check, inside the guest, tells what it needs for hot-plug.";
    public override Weights Weights => Weights.Note;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Attach, Guest: GuestReference name } && host.FindGuest(name) is Guest guest)
            yield return guest.Type == Core.GuestType.Hvm
                ? Note(name, $"what runs in {name} was not checked", $"it needs a driver for the function and PCI hot-plug; {SupportStatement.WarningFor(guest)}")
                : Note(name, $"what runs in {name} was not checked", $"it needs a driver for the function and xen-pcifront; {SupportStatement.WarningFor(guest)}");
    }
}
