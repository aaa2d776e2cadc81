namespace PciPass.Core.Rules;

/// <summary>Another card sits where the hidden one was.</summary>
public sealed class OtherIdentity : Rule
{
    public override string Code => "other-identity";
    public override string Meaning => "The function at this address is not the one that was hidden: its driver would go to the wrong card.";
    public override string Source => "Bus numbers move when cards are added or removed; an address says where a function is, not what it is.";
    public override string Remedy => "See what is where (pcipass show, pcipass history), and what the address means now.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request.Verb is not (Verb.Unhide or Verb.Detach) || !request.IsNow)
            yield break;
        foreach (var function in Named(host, request))
        {
            foreach (var taken in host.Taken.Where(taken => taken.Address == function.Address))
            {
                if (taken.Identity.DifferenceTo(function.Identity) is string difference)
                    yield return Refuse(function.Address, Cannot(function, request), $"it is not the function that operation {taken.Operation} hid: {difference}",
                        $"pcipass show {function.Address}     and pcipass history {function.Address}     tell what is where");
            }
        }
    }
}
