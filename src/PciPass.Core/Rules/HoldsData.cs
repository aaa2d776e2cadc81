namespace PciPass.Core.Rules;

/// <summary>Something lies on a disk that nothing uses now.</summary>
public sealed class HoldsData : Rule
{
    public override string Code => "holds-data";
    public override string Meaning => "A disk behind the function has partitions or a file system that nothing uses now: the guest can read and overwrite them.";
    public override string Source => "Partitions in sysfs, and udev's notes (/run/udev/data).";
    public override string Remedy => "See that nobody needs the data.";
    public override Weights Weights => Weights.Warn;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            var contents = host.UsesOf(function.Address).Where(use => use.Kind == HostUseKind.Content).Select(use => $"{use.Name} ({use.Detail})").ToArray();
            if (contents.Length > 0)
                yield return Warn(function.Address, $"{function.Address} holds data", Isolation.Listed(contents), "see that nobody needs it, or that it is meant for this guest");
        }
    }
}
