namespace PciPass.Host;

/// <summary>What lies on a disk or a partition.</summary>
/// <param name="Type">The file system's or the partition table's type: <c>ext4</c>, <c>gpt</c>.</param>
/// <param name="Label">The file system's label; for ZFS the pool's name.</param>
/// <param name="IsTable">Whether it is a partition table.</param>
/// <param name="IsEfi">Whether its partition is of the type that firmware boots from.</param>
/// <param name="Partition">A partition's own GUID in its table.</param>
sealed record DiskContent(string Type, string? Label, bool IsTable, bool IsEfi = false, string? Partition = null)
{
    public bool IsZfs => Type == "zfs_member";

    public string Text => IsEfi ? "an EFI system partition" : IsTable ? $"a partition table ({Type})" : $"a file system or a volume ({Type}{(Label is null ? "" : $", {Label}")})";
}

/// <summary>
/// udev's notes on each block device, by its number (<c>/run/udev/data/b259:1</c>, sd-device): it has looked at the first blocks,
/// so this program need not read from disks, which may hang.
/// </summary>
static class UdevDatabase
{
    /// <returns>Null where udev found nothing, or has no notes.</returns>
    public static DiskContent? Content(SysTree files, string? number)
    {
        if (number is null || files.ReadText($"/run/udev/data/b{number}") is not string notes)
            return null;
        const string EfiSystemPartition = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
        if (Value("ID_FS_TYPE") is { Length: > 0 } type)
            return new DiskContent(type, Value("ID_FS_LABEL"), IsTable: false, Value("ID_PART_ENTRY_TYPE") == EfiSystemPartition, Value("ID_PART_ENTRY_UUID"));
        return Value("ID_PART_TABLE_TYPE") is { Length: > 0 } table ? new DiskContent(table, null, IsTable: true) : null;

        string? Value(string name)
        {
            var key = $"E:{name}=";
            var line = notes.Split('\n').FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal));
            return line?[key.Length..];
        }
    }
}
