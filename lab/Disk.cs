namespace PciPass.Lab;

/// <summary>A disk of a machine.</summary>
/// <param name="Size">Its size in bytes.</param>
/// <param name="WritesPerSecond">The bytes that it writes in a second; 0 for as fast as it can.</param>
public sealed record Disk(long Size, int WritesPerSecond);
