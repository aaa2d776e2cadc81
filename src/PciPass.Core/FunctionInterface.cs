namespace PciPass.Core;

/// <summary>A network interface of a function, with what is configured on it.</summary>
public sealed record FunctionInterface(PciAddress Address, string Name, NetworkSettings Settings);
