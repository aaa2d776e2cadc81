namespace PciPass.Core;

/// <summary>A route of the main table that leaves through an interface.</summary>
/// <param name="Interface">The interface.</param>
/// <param name="Target">Where it leads: <c>10.8.0.0/16</c>, or <c>default</c>.</param>
/// <param name="Gateway">The next hop; null for what is reached directly.</param>
/// <param name="Metric">Its preference, the lower the better.</param>
/// <param name="IsOfKernel">The kernel or a router's advertisement made it, and will do so again.</param>
public sealed record Route(string Interface, string Target, string? Gateway, long Metric, bool IsOfKernel = false)
{
    public bool IsDefault => Target == "default";
    public bool IsInet6 => (Gateway ?? Target).Contains(':');

    /// <summary>As <c>ip route add</c> takes it, without the interface.</summary>
    public string Text => $"{Target}{(Gateway is null ? "" : $" via {Gateway}")}{(Metric == 0 ? "" : $" metric {Metric}")}";
}
