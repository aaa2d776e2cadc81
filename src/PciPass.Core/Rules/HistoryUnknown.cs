namespace PciPass.Core.Rules;

/// <summary>The guest may have had a function that nobody knows of any more.</summary>
public sealed class HistoryUnknown : Rule
{
    public override string Code => "history-unknown";
    public override string Meaning => "Which functions the guest has had since it was started is not known for sure, and one with an interrupt pin would kill it as it resumes.";
    public override string Source => "pcipass' journal, and pciback's \"registering for DOMID\" in the kernel's log, which tells what others attached by hand as long as it goes back to the kernel's start.";
    public override string Remedy => "Accept it if nobody has attached a function by hand; or shut the guest down and start it again.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Save or Verb.Migrate, Guest: GuestReference name } || host.FindGuest(name) is not { Type: Core.GuestType.Pv, History: GuestHistory history } guest)
            yield break;
        var gone = history.Functions.Where(address => host.Find(address) is null).ToArray();
        var why = gone.Length > 0 ? $"it has had {string.Join(", ", gone)}, which {(gone.Length == 1 ? "is" : "are")} no longer there to be asked for an interrupt pin" : history.MissingBecause;
        if (why is not null)
            yield return RefuseUnlessAccepted(name, $"guest {name} may die as it resumes", $"{why}, so a function with an interrupt pin may have been in {guest.Start.Words}", $"--accept {Code}, if nobody has attached one by hand; or shut {name} down and start it again");
    }
}
