namespace PciPass.Core.Rules;

/// <summary>The caller would cut off himself.</summary>
public sealed class OwnSession : Rule
{
    public override string Code => "ssh-session";
    public override string Meaning => "The SSH session of whoever asks comes in through the function: he would cut himself off.";
    public override string Source => "SSH_CONNECTION of this program and its parents (ssh(1)), the address's interface, and what that one stands on.";

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in ToTake(host, request)
        from use in host.UsesOf(function.Address)
        where use.Kind == HostUseKind.SshSession
        select Refuse(function.Address, Cannot(function, request), $"this SSH session comes in through its interface {use.Name} ({use.Detail})",
            "from the host's own console, or over another interface");
}
