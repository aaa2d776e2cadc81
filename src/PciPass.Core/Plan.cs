using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>What was asked for.</summary>
public enum Verb
{
    Hide,
    Unhide,
    Attach,
    Detach,

    /// <summary>Install what hides functions when the host starts.</summary>
    Install,

    /// <summary>Remove it.</summary>
    Uninstall,

    /// <summary>In a guest: load what it needs for hot-plug, now and at each start.</summary>
    Setup,

    /// <summary>In a guest: take that out of its files.</summary>
    Undo,

    /// <summary>Write a running guest into a file and end it, its functions taken out before.</summary>
    Save,

    /// <summary>Start a guest from such a file.</summary>
    Restore,

    /// <summary>Move a running guest to another host, its functions taken out before and like ones given there.</summary>
    Migrate,
}

/// <summary>When a request takes effect.</summary>
[Flags]
public enum Scope
{
    /// <summary>On the running host; for attach and detach, in the running guest.</summary>
    Now = 1,

    /// <summary>From the host's next start on; for attach and detach, from the guest's.</summary>
    Boot = 2,
}

/// <summary>A request as the command line gives it, with every name already found.</summary>
/// <param name="Verb">What to do.</param>
/// <param name="Functions">To which functions, in the order they were named, without repeats.</param>
/// <param name="Guest">For attach and detach: the guest.</param>
/// <param name="Accepted">The codes of the risks that were accepted by name.</param>
public sealed record Request(Verb Verb, ImmutableArray<PciAddress> Functions, GuestReference? Guest, ImmutableSortedSet<string> Accepted)
{
    /// <summary>When it takes effect.</summary>
    public Scope Scope { get; init; } = Scope.Now;

    /// <summary>For attach and detach: the guest's configuration file, where that was named; null for the one that is found.</summary>
    public string? GuestFile { get; init; }

    /// <summary>For hide: by whom from the next start on.</summary>
    public HideMethod Method { get; init; }

    /// <summary>For hide: what happens at a start when a function has moved.</summary>
    public MovePolicy IfMoved { get; init; }

    /// <summary>Names of the functions for people, for the files that are written.</summary>
    public ImmutableDictionary<PciAddress, string> NamesForPeople { get; init; } = ImmutableDictionary<PciAddress, string>.Empty;

    /// <summary>For hide and attach: all is undone again unless it is confirmed within this time of its beginning; null where it holds at once.</summary>
    public TimeSpan? RollbackAfter { get; init; }

    /// <summary>For save and restore: the image and what lies beside it; null where a question is about no file.</summary>
    public GuestImage? Image { get; init; }

    /// <summary>For migrate: where to, and what that host says; null where a question names none.</summary>
    public Destination? Destination { get; init; }

    /// <summary>For migrate: whether a guest of Xen runs on meanwhile. One of libvirt's always does.</summary>
    public bool IsLive { get; init; }

    /// <summary>For restore: which functions the guest gets.</summary>
    public Homecoming Homecoming { get; init; }

    public bool IsNow => Scope.HasFlag(Scope.Now);
    public bool IsBoot => Scope.HasFlag(Scope.Boot);
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
