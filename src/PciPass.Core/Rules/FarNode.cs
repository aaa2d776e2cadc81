namespace PciPass.Core.Rules;

/// <summary>Where the function is near, on a host of several memory nodes.</summary>
public sealed class FarNode : Rule
{
    public override string Code => "numa-node";
    public override string Meaning => "The host has several memory nodes: a guest on another one than the function's reaches it more slowly.";
    public override string Source => "numa_node in sysfs; xl.cfg(5), cpus=\"node:N\".";
    public override string Remedy => "Put the guest on that node.";
    public override Weights Weights => Weights.Note;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in Named(host, request)
        where request.Verb is Verb.Attach or Verb.Hide && function.NumaNode is >= 0
        select Note(function.Address, $"{function.Address} is at node {function.NumaNode}", "a guest whose processors and memory are elsewhere reaches it more slowly", $"cpus=\"node:{function.NumaNode}\" in the guest's configuration");
}
