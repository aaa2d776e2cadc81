namespace PciPass.Core.Rules;

/// <summary>A reason why something must not be done, with what it rests on. Pure: it sees the snapshot and the request.</summary>
public abstract class Rule
{
    /// <summary>Stable, lower-case, hyphenated; what <c>--accept</c> takes.</summary>
    public abstract string Code { get; }

    /// <summary>What the rule holds against a request, in one sentence.</summary>
    public abstract string Meaning { get; }

    /// <summary>Why the rule exists, and where that can be read.</summary>
    public abstract string Source { get; }

    /// <summary>What helps against it, in general; each finding says it for its own case.</summary>
    public abstract string Remedy { get; }

    /// <summary>How much its findings can weigh.</summary>
    public abstract Weights Weights { get; }

    /// <summary>What it finds; nothing when it does not apply to this verb.</summary>
    public abstract IEnumerable<Finding> Check(HostSnapshot host, Request request);

    private protected Finding Refuse(object subject, string what, string why, string remedy) =>
        new(Code, Severity.Refuse, subject.ToString()!, what, why, remedy);

    private protected Finding RefuseUnlessAccepted(object subject, string what, string why, string remedy) =>
        new(Code, Severity.RefuseUnlessAccepted, subject.ToString()!, what, why, remedy);

    private protected Finding Warn(object subject, string what, string why, string remedy) => new(Code, Severity.Warn, subject.ToString()!, what, why, remedy);

    private protected Finding Note(object subject, string what, string why, string remedy = "") => new(Code, Severity.Note, subject.ToString()!, what, why, remedy);

    /// <summary>The functions named in the request that exist: another rule tells of those that do not.</summary>
    private protected static IEnumerable<PciFunction> Named(HostSnapshot host, Request request) => host.Named(request).All;

    /// <summary>The functions that the request would take from the host: those it names that neither a guest has nor the driver that holds functions for guests.</summary>
    private protected static IEnumerable<PciFunction> ToTake(HostSnapshot host, Request request) =>
        request.Verb is Verb.Hide or Verb.Attach ? host.Named(request).OfTheHost : [];

    /// <summary>The sentence of most refusals.</summary>
    private protected static string Cannot(PciFunction function, Request request) => request.Verb switch
    {
        Verb.Attach => $"{function.Address} cannot go to guest {request.Guest}",
        Verb.Hide => $"{function.Address} cannot be hidden",
        Verb.Detach => $"{function.Address} cannot be taken from guest {request.Guest}",
        _ => $"{function.Address} cannot be given back to the host",
    };
}
