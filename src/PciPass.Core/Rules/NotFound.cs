namespace PciPass.Core.Rules;

/// <summary>There is no function at the address.</summary>
public sealed class NotFound : Rule
{
    public override string Code => "not-found";
    public override string Meaning => "There is no function at this address.";
    public override string Source => "pciback's new_slot takes addresses of functions that do not exist without an error (seen in the lab), so it is asked before.";
    public override string Remedy => "Name a function that is there: pcipass list.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from address in request.Functions
        where host.Find(address) is null && !(request is { Verb: Verb.Unhide, IsBoot: true } && host.Devices.Find(address) is not null)
        select Refuse(address, $"{address} is not there", "no function answers at this address on the host", "pcipass list     shows every function");
}
