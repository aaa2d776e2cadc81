namespace PciPass.Core.Rules;

/// <summary>The host itself runs from the function.</summary>
public sealed class RootFileSystem : Rule
{
    static readonly HashSet<string> OfSystem = ["/", "/boot", "/boot/efi", "/efi", "/usr", "/etc", "/var", "/var/log", "/var/lib"];

    public override string Code => "root-file-system";
    public override string Meaning => "The host runs or boots from a disk behind the function, whatever lies between (volumes, arrays, encryption, several paths).";
    public override string Source => "/proc/self/mountinfo, and the slaves of each block device in sysfs.";

    /// <summary>Whether a mount is one that the host cannot do without.</summary>
    public static bool IsOfSystem(HostUse use) => use.Kind == HostUseKind.Mount && OfSystem.Contains(use.Detail);

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in ToTake(host, request)
        from use in host.UsesOf(function.Address)
        where IsOfSystem(use)
        select Refuse(function.Address, Cannot(function, request), $"the host {(use.Detail.StartsWith("/boot", StringComparison.Ordinal) || use.Detail == "/efi" ? "boots" : "runs")} from it: its disk {use.Name} is mounted at {use.Detail}",
            "nothing: choose another function");
}
