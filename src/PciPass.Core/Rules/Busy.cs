namespace PciPass.Core.Rules;

/// <summary>An operation on the function has not ended.</summary>
public sealed class Busy : Rule
{
    public override string Code => "busy";
    public override string Meaning => "An earlier operation on the function has not ended: it is stuck in the kernel, waits for a guest, or waits to be confirmed.";
    public override string Source => "pcipass' own journal. Acting on a function that is between two states would make both unknown.";
    public override string Remedy => "pcipass recover, or pcipass confirm for what waits for that.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from unfinished in host.Unfinished
        where request.Functions.Contains(unfinished.Address)
        select Refuse(unfinished.Address, $"{unfinished.Address} is in the middle of another operation",
            $"operation {unfinished.Operation} ({unfinished.Verb}) is {unfinished.State}",
            unfinished.State == "unconfirmed" ? "pcipass confirm     keeps what it did; without that it is undone by itself" : "pcipass recover     ends it as soon as the kernel or the guest has let go");
}
