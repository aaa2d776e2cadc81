using System.Globalization;

namespace PciPass.Host;

/// <summary>
/// The SSH session that this program was started in. sshd leaves the connection's addresses in the environment of the shell that it
/// starts (SSH_CONNECTION, ssh(1)); sudo drops that, so the parents are asked too.
/// </summary>
static class SshSession
{
    const string Variable = "SSH_CONNECTION=";
    const int MostParents = 32;

    /// <returns>The address of this host that the session came to; null where there is no session.</returns>
    public static string? ServerAddress(SysTree files, int processId)
    {
        for (var parents = 0; processId > 1 && parents < MostParents; parents++)
        {
            try
            {
                foreach (var entry in (files.ReadText($"/proc/{processId}/environ") ?? "").Split('\0'))
                {
                    // "client port server port"; an address of the local link carries its interface: fe80::1%eth0.
                    if (entry.StartsWith(Variable, StringComparison.Ordinal) && entry[Variable.Length..].Split(' ') is [_, _, var server, _])
                        return server.Split('%')[0];
                }
                processId = ParentOf(files, processId);
            }
            catch (HostFailure)
            {
                return null;
            }
        }
        return null;
    }

    static int ParentOf(SysTree files, int processId)
    {
        var line = (files.ReadText($"/proc/{processId}/status") ?? "").Split('\n').FirstOrDefault(line => line.StartsWith("PPid:", StringComparison.Ordinal));
        return int.TryParse(line?["PPid:".Length..].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var parent) ? parent : 0;
    }
}
