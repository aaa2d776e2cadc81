namespace PciPass.Core;

/// <summary>A network interface in another network namespace that stands on an interface outside of it.</summary>
/// <param name="Name">Its name there.</param>
/// <param name="Kind">What it is: <c>macvlan</c>, <c>vlan</c>, <c>ipvlan</c>.</param>
/// <param name="LowerIndex">The number of the interface that it stands on, in that one's namespace.</param>
public sealed record ForeignLink(string Name, string Kind, int LowerIndex);
