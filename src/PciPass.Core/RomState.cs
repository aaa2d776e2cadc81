namespace PciPass.Core;

/// <summary>What there is of a function's expansion ROM.</summary>
public enum RomState
{
    /// <summary>It was not looked at.</summary>
    Unknown,

    /// <summary>It has no ROM, or none that the firmware gave a place.</summary>
    Absent,

    /// <summary>What is read is the copy at c0000 that the firmware has run, and changed, when the host booted.</summary>
    Shadow,

    Present,
}
