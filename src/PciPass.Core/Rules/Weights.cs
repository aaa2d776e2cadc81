namespace PciPass.Core.Rules;

/// <summary>How much the findings of a rule can weigh, for the catalogue.</summary>
[Flags]
public enum Weights
{
    None = 0,
    Note = 1,
    Warn = 2,
    RefuseUnlessAccepted = 4,
    Refuse = 8,
}

/// <summary>The words of <see cref="Weights"/>.</summary>
public static class WeightNames
{
    /// <summary>The heaviest first: <c>refuses unless accepted, or warns</c>.</summary>
    public static string Text(this Weights weights) => string.Join(", or ", new[]
    {
        (Weights.Refuse, "refuses"), (Weights.RefuseUnlessAccepted, "refuses unless accepted"), (Weights.Warn, "warns"), (Weights.Note, "tells on check"),
    }.Where(pair => weights.HasFlag(pair.Item1)).Select(pair => pair.Item2));

    /// <summary>The weight of a finding.</summary>
    public static Weights Of(Severity severity) => severity switch
    {
        Severity.Note => Weights.Note,
        Severity.Warn => Weights.Warn,
        Severity.RefuseUnlessAccepted => Weights.RefuseUnlessAccepted,
        _ => Weights.Refuse,
    };
}
