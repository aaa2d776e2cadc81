using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>What the host keeps on other machines: mounted file systems of theirs, and disks by iSCSI and NVMe over fabrics.</summary>
static class NetworkStorage
{
    const string Connections = "/sys/class/iscsi_connection", Sessions = "/sys/class/iscsi_session", Controllers = "/sys/class/nvme";

    /// <summary>The other machines' addresses, each with what comes from there.</summary>
    public static IEnumerable<(string Server, string What)> Read(SysTree files)
    {
        foreach (var mount in MountTable.ParseMountInfo(files.ReadText("/proc/self/mountinfo") ?? ""))
        {
            if (mount.Server is not null)
                yield return (mount.Server, $"{mount.MountPoint} ({mount.Type} from {mount.Server})");
        }
        foreach (var connection in files.List(Connections))
        {
            // connection1:0 is the first of session1 (drivers/scsi/scsi_transport_iscsi.c). The address that a login was sent on to comes before the one that was set up.
            var server = Text($"{Connections}/{connection}/address") ?? Text($"{Connections}/{connection}/persistent_address");
            var session = $"session{connection["connection".Length..].Split(':')[0]}";
            if (server is not null)
                yield return (server, $"the disks of the iSCSI target {Text($"{Sessions}/{session}/targetname") ?? session} (from {server})");
        }
        foreach (var controller in files.List(Controllers))
        {
            // traddr=10.0.0.9,trsvcid=4420,src_addr=10.0.0.2 (drivers/nvme/host/fabrics.c)
            if (Text($"{Controllers}/{controller}/transport") is "tcp" or "rdma" && Text($"{Controllers}/{controller}/address") is string address
                && address.Split(',').FirstOrDefault(word => word.StartsWith("traddr=", StringComparison.Ordinal))?["traddr=".Length..] is string server)
                yield return (server, $"the disks of {controller} (NVMe from {server})");
        }

        string? Text(string path) => files.ReadText(path) is { Length: > 0 } text && text != "(null)" ? text : null;
    }
}
