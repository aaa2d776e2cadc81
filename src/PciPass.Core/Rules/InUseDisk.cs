namespace PciPass.Core.Rules;

/// <summary>The host's files or swap lie on the function.</summary>
public sealed class InUseDisk : Rule
{
    public override string Code => "in-use-disk";
    public override string Meaning => "The host uses a disk behind the function: a mounted file system or swap, directly or through device mapper or md.";
    public override string Source => "/proc/self/mountinfo, /proc/swaps, and the slaves of each block device in sysfs.";

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        foreach (var function in ToTake(host, request))
        {
            foreach (var use in host.Uses.Where(use => use.Address == function.Address))
            {
                var (why, remedy) = use.Kind switch
                {
                    HostUseKind.Mount => ($"its disk {use.Name} is mounted at {use.Detail}", $"umount {use.Detail}"),
                    HostUseKind.Swap => ($"its disk {use.Name} holds swap in use ({use.Detail})", $"swapoff {use.Detail}"),
                    _ => (null, null),
                };
                if (why is not null)
                    yield return Refuse(function.Address, Cannot(function, request), why, remedy!);
            }
        }
    }
}
