namespace PciPass.Core.Rules;

/// <summary>The function is switched off or has fallen off the bus.</summary>
public sealed class NoAnswer : Rule
{
    public override string Code => "no-answer";
    public override string Meaning => "The function's configuration space reads as all ones: it is without power (D3cold), has fallen off the bus, or is broken.";
    public override string Source => "PCI Express Base Specification, 2.3.2 (reads that nobody answers); a virtual function's ids alone read so as well (9.3.4.1), and are no sign.";
    public override string Remedy => "Wake it (power/control), or look at the card.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in ToTake(host, request)
        where !function.Answers
        select Refuse(function.Address, Cannot(function, request), "it does not answer: its configuration space reads as all ones",
            $"echo on > /sys/bus/pci/devices/{function.Address}/power/control     wakes it where it only sleeps");
}
