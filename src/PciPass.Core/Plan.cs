using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>What was asked for.</summary>
public enum Verb
{
    Hide,
    Unhide,
    Attach,
    Detach,
}

/// <summary>A request as the command line gives it, with every name already found.</summary>
/// <param name="Verb">What to do.</param>
/// <param name="Functions">To which functions, in the order they were named, without repeats.</param>
/// <param name="Guest">For attach and detach: the guest.</param>
/// <param name="Accepted">The codes of the risks that were accepted by name.</param>
public sealed record Request(Verb Verb, ImmutableArray<PciAddress> Functions, GuestName? Guest, ImmutableSortedSet<string> Accepted)
{
    public string VerbName => Verb.ToString().ToLowerInvariant();
}

/// <summary>What would be done, step by step, or why it is not done.</summary>
/// <param name="Request">What was asked for.</param>
/// <param name="Steps">The steps; empty when it is refused, or when the host already is as wished.</param>
/// <param name="Findings">All findings, refusals first.</param>
public sealed record Plan(Request Request, ImmutableArray<Step> Steps, ImmutableArray<Finding> Findings)
{
    /// <summary>The findings that refuse it: a risk that is accepted by name does not.</summary>
    public IEnumerable<Finding> Refusals => Findings.Where(finding =>
        finding.Severity == Severity.Refuse || (finding.Severity == Severity.RefuseUnlessAccepted && !Request.Accepted.Contains(finding.Code)));

    public bool IsRefused => Refusals.Any();
}
