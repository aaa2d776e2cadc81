using PciPass.Core;

namespace PciPass.Host;

/// <summary>Runs xl, and tells in its own words why it failed.</summary>
sealed class Xl(HostSystem host)
{
    static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);

    /// <summary>Runs a command.</summary>
    /// <exception cref="HostFailure">It ended with another code than 0; the message holds what it said.</exception>
    public void Run(params ReadOnlySpan<string> arguments) => Run(Deadline, arguments);

    /// <summary>The same of one that takes longer.</summary>
    public void Run(TimeSpan deadline, params ReadOnlySpan<string> arguments)
    {
        var result = host.Run("xl", arguments.ToArray(), deadline);
        if (result.ExitCode != 0)
            throw new HostFailure($"xl {string.Join(' ', arguments)} ended with {result.ExitCode}: {Said(result)}");
    }

    /// <summary>Runs a command that may fail.</summary>
    public int ExitCodeOf(params ReadOnlySpan<string> arguments) => host.Run("xl", arguments.ToArray(), Deadline).ExitCode;

    /// <summary>libxl's own words, without the noise in front of them: <c>libxl: error: libxl_pci.c:909:...: </c>.</summary>
    static string Said(ProgramResult result)
    {
        var lines = result.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        // The reason may be a warning, before an error that only says that it did not work.
        var errors = lines.Where(line => line.Contains(": error:", StringComparison.Ordinal) || line.Contains(": warning:", StringComparison.Ordinal)).ToArray();
        var said = (errors.Length > 0 ? errors : lines).Select(line =>
        {
            var place = line.IndexOf(".c:", StringComparison.Ordinal);
            var colon = place < 0 ? -1 : line.IndexOf(": ", place, StringComparison.Ordinal);
            return colon < 0 ? line : line[(colon + 2)..];
        });
        return string.Join("; ", said) is { Length: > 0 } text ? text : "it gave no reason";
    }

    /// <summary>Only xl can ask: six letters, the third for paused, the fourth for shut down or suspended (xl(1), list); null when the guest is gone.</summary>
    public string? StateOf(GuestName guest, int domId)
    {
        if (!IsAlive(guest, domId))
            return null;
        var result = host.Run("xl", ["list", $"{domId}"], Deadline);
        var row = result.Output.TrimEnd('\n').Split('\n')[^1].Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        return result.ExitCode == 0 && row is [.., { Length: 6 } state, _] ? state : throw new HostFailure($"xl list {domId} ended with {result.ExitCode}: {Said(result)}");
    }

    /// <summary>Whether this start of the guest is there; one that has gone to another host waits for its end by another name (tools/xl/xl_migrate.c).</summary>
    public bool IsAlive(GuestName guest, int domId)
    {
        using var store = OpenXenstore();
        var name = store.Read($"/local/domain/{domId}/name");
        return name == guest.ToString() || name == $"{guest}--migratedaway";
    }

    public Xenstore OpenXenstore() => host.ConnectXenstore() is ByteChannel channel
        ? new Xenstore(channel, host.Clock)
        : throw new HostFailure("xenstored does not run");
}
