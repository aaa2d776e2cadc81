namespace PciPass.Host;

/// <summary>How much of each function is read.</summary>
public enum Detail
{
    /// <summary>All that is told of it, and that any rule looks at.</summary>
    All,

    /// <summary>
    /// What says whose it is and whether it may go: all that a list shows. Not read is what is only told of one function (its memory node, its
    /// override) and what is only warned of (its interrupt line, its resets).
    /// </summary>
    State,

    /// <summary>Whose it is, and not whether it may go: neither what the host does with it, nor how it is isolated. For telling how a change came out.</summary>
    Owner,
}
