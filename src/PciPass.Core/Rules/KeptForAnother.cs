using PciPass.Core.Formats;

namespace PciPass.Core.Rules;

/// <summary>Another card was to stay hidden at this address.</summary>
public sealed class KeptForAnother : Rule
{
    public override string Code => "kept-for-another";
    public override string Meaning => "A line of /etc/pcipass/devices keeps another function hidden that was at this address, or the same one is kept at another address.";
    public override string Source => "Bus numbers move when cards are added or removed; an address says where a function is, not what it is.";
    public override string Remedy => "Unhide the other one first (--boot).";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request.Verb != Verb.Hide || !request.IsBoot)
            yield break;
        foreach (var function in Named(host, request))
        {
            if (host.Devices.Find(function.Address) is KeptFunction here)
            {
                if (here.Identity.DifferenceTo(function.Identity) is string difference)
                    yield return Refuse(function.Address, Cannot(function, request), $"line {here.Line} of {DeviceList.Path} keeps another one at this address: {difference}",
                        $"pcipass unhide --boot {function.Address}     ends that; then again");
            }
            else if (host.Devices.Functions.FirstOrDefault(kept => kept.Identity.DifferenceTo(function.Identity) is null) is KeptFunction moved)
            {
                yield return Refuse(function.Address, Cannot(function, request), $"line {moved.Line} of {DeviceList.Path} keeps the same function, which was at {moved.Address} then",
                    $"pcipass unhide --boot {moved.Address}     ends that; then again");
            }
        }
    }
}
