using System.Text.Json;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>What libxl keeps of a running guest's configuration: <c>/var/lib/xen/userdata-d.DOMID.UUID.libxl-json</c>.</summary>
static class GuestRecord
{
    const string Folder = "/var/lib/xen";

    /// <summary>
    /// Adds to a guest what libxl noted of its configuration. Most of all whether it was started with passthrough. libxl leaves default values out, and the setting came with Xen 4.13, so
    /// its absence means "no" only where some guest's record could have it.
    /// </summary>
    public static Guest Complete(SysTree files, Guest guest)
    {
        var prefix = $"userdata-d.{guest.Start}.";
        var name = files.List(Folder).FirstOrDefault(name => name.StartsWith(prefix, StringComparison.Ordinal) && name.EndsWith(".libxl-json", StringComparison.Ordinal));
        if (name is null || files.ReadText($"{Folder}/{name}") is not string text)
            return guest;
        try
        {
            // libxl writes the string with its terminating NUL (seen in the lab).
            using var record = JsonDocument.Parse(text.TrimEnd('\0', '\n'));
            var build = Member(record.RootElement, "b_info");
            var hostMap = Member(build, "type.pv") is { ValueKind: JsonValueKind.Object } pv ? Text(pv, "e820_host") == "True" : (bool?)null;
            return guest with
            {
                Passthrough = KnowsPassthrough(files) ? Passthrough(record.RootElement) : null,
                SaysPassthrough = KnowsPassthrough(files) ? SaysPassthrough(record.RootElement) : null,
                HasHostMap = hostMap,
                PopulatesOnDemand = guest.Type == GuestType.Hvm && Number(build, "target_memkb") is long target && Number(build, "max_memkb") is long most && target < most,
                HasSeveralMaps = Text(build, "altp2m") is not (null or "disabled"),
            };
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException) // half a surrogate pair
        {
            return guest;
        }
    }

    static bool? Passthrough(JsonElement record)
    {
        if (Member(record, "pcidevs") is { ValueKind: JsonValueKind.Array } functions && functions.GetArrayLength() > 0)
            return true;
        return SaysPassthrough(record);
    }

    static bool? SaysPassthrough(JsonElement record) =>
        Member(record, "c_info") is { ValueKind: JsonValueKind.Object } created ? Text(created, "passthrough") is not (null or "disabled" or "unknown") : null;

    static JsonElement Member(JsonElement element, string name) => element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var member) ? member : default;

    static string? Text(JsonElement element, string name) => Member(element, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    static long? Number(JsonElement element, string name) => Member(element, name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out var value) ? value : null;

    static bool KnowsPassthrough(SysTree files) =>
        int.TryParse(files.ReadText("/sys/hypervisor/version/major"), out var major) && int.TryParse(files.ReadText("/sys/hypervisor/version/minor"), out var minor)
        && (major > 4 || (major == 4 && minor >= 13));
}
