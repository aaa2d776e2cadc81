namespace PciPass.Core.Rules;

/// <summary>The host itself runs from the function.</summary>
public sealed class RootFileSystem : Rule
{
    static readonly HashSet<string> OfSystem = ["/", "/boot", "/boot/efi", "/efi", "/usr", "/etc", "/var", "/var/log", "/var/lib"];

    public override string Code => "root-file-system";
    public override string Meaning => "The host runs or boots from a disk behind the function, whatever lies between (volumes, arrays, encryption, several paths).";
    public override string Source => "/proc/self/mountinfo, the slaves of each block device in sysfs, /etc/fstab, and the firmware's BootCurrent (UEFI Specification, 3.3).";
    public override string Remedy => "None: choose another function.";
    public override Weights Weights => Weights.Refuse;

    /// <summary>Whether a mount is one that the host cannot do without.</summary>
    public static bool IsOfSystem(HostUse use) => use.Kind == HostUseKind.Mount && IsOfSystem(use.Detail);

    /// <summary>Whether the host cannot do without what is mounted there.</summary>
    public static bool IsOfSystem(string mountPoint) => OfSystem.Contains(mountPoint);

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in ToTake(host, request)
        from use in host.UsesOf(function.Address)
        where IsOfSystem(use) || use.Kind == HostUseKind.BootPartition
        select Refuse(function.Address, Cannot(function, request), use.Kind == HostUseKind.BootPartition ? $"its disk {use.Name} is the system's: {use.Detail}" : $"the host {(use.Detail.StartsWith("/boot", StringComparison.Ordinal) || use.Detail == "/efi" ? "boots" : "runs")} from it: its disk {use.Name} is mounted at {use.Detail}",
            "nothing: choose another function");
}
