namespace PciPass.Core.Rules;

/// <summary>The caller would cut off himself.</summary>
public sealed class OwnSession : Rule
{
    public override string Code => "ssh-session";
    public override string Meaning => "The SSH session of whoever asks comes in through the function: he would cut himself off.";
    public override string Source => "SSH_CONNECTION of this program and its parents (ssh(1)), the address's interface, and what that one stands on.";
    public override string Remedy => "From the console or over another interface; or with --rollback-after.";
    public override Weights Weights => Weights.RefuseUnlessAccepted | Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        from function in ToTake(host, request)
        from use in host.UsesOf(function.Address)
        where use.Kind == HostUseKind.SshSession
        let why = $"this SSH session comes in through its interface {use.Name} ({use.Detail})"
        select request.RollbackAfter is TimeSpan time
            ? RefuseUnlessAccepted(function.Address, Cannot(function, request), why, $"go on with --accept {Code}: all is undone {time.TotalSeconds:0} s later unless pcipass confirm is run before")
            : Refuse(function.Address, Cannot(function, request), why,
                $"from the host's own console or over another interface; or with --rollback-after 60s --accept {Code}, which undoes it unless pcipass confirm is run within that time");
}
