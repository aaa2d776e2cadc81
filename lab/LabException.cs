namespace PciPass.Lab;

/// <summary>The lab itself failed: a machine did not boot or is gone, or a command did not end in time.</summary>
public sealed class LabException(string message) : Exception(message);
