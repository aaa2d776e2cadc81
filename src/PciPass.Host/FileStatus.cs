namespace PciPass.Host;

/// <summary>What stands at a path: the thing itself, not what a link leads to.</summary>
/// <param name="IsLink">Whether it is a symbolic link.</param>
/// <param name="UserId">Its owner.</param>
/// <param name="GroupId">Its group.</param>
/// <param name="Mode">Its permission bits.</param>
public readonly record struct FileStatus(bool IsLink, int UserId, int GroupId, int Mode)
{
    const int WritableByGroup = 0b000_010_000, WritableByOthers = 0b000_000_010;

    /// <summary>Why its content may be somebody else's than root's: what pcipass keeps of its own is believed, and acted upon as root.</summary>
    /// <returns>Words that follow the path; null when only root can write it.</returns>
    public string? Foreign
    {
        get
        {
            if (IsLink)
                return "is a symbolic link, and is not followed";
            if (UserId != 0)
                return $"belongs to user {UserId}, not to root";
            // Root's own group is as good as root.
            return (Mode & WritableByOthers) != 0 || ((Mode & WritableByGroup) != 0 && GroupId != 0)
                ? $"can be written by others than root (mode {Convert.ToString(Mode, 8).PadLeft(4, '0')}{(GroupId != 0 ? $", group {GroupId}" : "")})"
                : null;
        }
    }
}
