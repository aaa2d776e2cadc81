using System.Text.Json;

namespace PciPass.Host;

/// <summary>What libxl keeps of a running guest's configuration: <c>/var/lib/xen/userdata-d.DOMID.UUID.libxl-json</c>.</summary>
static class GuestRecord
{
    const string Folder = "/var/lib/xen";

    /// <summary>
    /// Whether the guest was started with passthrough. libxl leaves default values out, and the setting came with Xen 4.13, so
    /// its absence means "no" only where some guest's record could have it.
    /// </summary>
    /// <returns>Null when there is no record, it cannot be read, or this Xen is older than the setting.</returns>
    public static bool? HasPassthrough(SysTree files, int domId)
    {
        if (!KnowsPassthrough(files))
            return null;
        var prefix = $"userdata-d.{domId}.";
        var name = files.List(Folder).FirstOrDefault(name => name.StartsWith(prefix, StringComparison.Ordinal) && name.EndsWith(".libxl-json", StringComparison.Ordinal));
        if (name is null || files.ReadText($"{Folder}/{name}") is not string text)
            return null;
        try
        {
            // libxl writes the string with its terminating NUL (seen in the lab).
            using var record = JsonDocument.Parse(text.TrimEnd('\0', '\n'));
            if (record.RootElement.TryGetProperty("pcidevs", out var functions) && functions.ValueKind == JsonValueKind.Array && functions.GetArrayLength() > 0)
                return true;
            if (!record.RootElement.TryGetProperty("c_info", out var created) || created.ValueKind != JsonValueKind.Object)
                return null;
            return created.TryGetProperty("passthrough", out var setting) && setting.ValueKind == JsonValueKind.String && setting.GetString() is not ("disabled" or "unknown");
        }
        catch (JsonException)
        {
            return null;
        }
    }

    static bool KnowsPassthrough(SysTree files) =>
        int.TryParse(files.ReadText("/sys/hypervisor/version/major"), out var major) && int.TryParse(files.ReadText("/sys/hypervisor/version/minor"), out var minor)
        && (major > 4 || (major == 4 && minor >= 13));
}
