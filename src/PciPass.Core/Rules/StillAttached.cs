namespace PciPass.Core.Rules;

/// <summary>A function cannot go back to the host while a guest has it.</summary>
public sealed class StillAttached : Rule
{
    public override string Code => "still-attached";
    public override string Meaning => "A running guest still has the function.";
    public override string Source => "Linux: unbinding from pciback while a guest has the function only logs \"still in-use\" and goes on (drivers/xen/xen-pciback/pci_stub.c).";
    public override string Remedy => "Detach it first.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request.Verb != Verb.Unhide || !request.IsNow)
            yield break;
        foreach (var function in Named(host, request))
        {
            if (host.FindAttachment(function.Address) is Attachment attachment)
            {
                var owner = host.FindGuest(attachment.Guest)!;
                yield return Refuse(function.Address, Cannot(function, request), $"{owner.Words} has it",
                    $"pcipass detach {function.Address} {owner.Name}");
            }
        }
    }
}
