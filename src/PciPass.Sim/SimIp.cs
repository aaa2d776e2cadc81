using System.Globalization;
using System.Net;

namespace PciPass.Sim;

/// <summary>The program <c>ip</c>, as far as addresses, default routes, ports and the switch of an interface go.</summary>
static class SimIp
{
    public static SimProcess Start(SimNames names, IReadOnlyList<string> arguments) => new(process => Run(process, names, arguments), changesSomething: true);

    static IEnumerable<TimeSpan> Run(SimProcess process, SimNames names, IReadOnlyList<string> arguments)
    {
        yield return TimeSpan.FromMilliseconds(2);
        var words = arguments.Where(word => word != "-6").ToArray();
        var name = Array.IndexOf(words, "dev") is >= 0 and var at && at + 1 < words.Length ? words[at + 1] : "";
        if (!names.HasInterface(name))
        {
            process.Error($"Cannot find device \"{name}\"");
            process.ExitCode = 1;
            yield break;
        }
        var refused = words switch
        {
            ["link", "set", "dev", _, "up"] => names.Switch(name, on: true),
            ["link", "set", "dev", _, "down"] => names.Switch(name, on: false),
            ["link", "set", "dev", _, "nomaster"] => names.Release(name),
            ["link", "set", "dev", _, "master", var master] => names.HasInterface(master) ? names.Join(name, master) : "Device does not exist",
            ["address", "flush", "dev", _] => names.Flush(name),
            ["address", "add", var address, "dev", _] => names.Give(name, address, null),
            ["address", "add", var address, "broadcast", var broadcast, "dev", _] => names.Give(name, address, broadcast),
            ["route", "add", "default", "via", var gateway, .. var rest] => names.Lead(name, IPAddress.Parse(gateway), rest is ["metric", var metric, ..] ? int.Parse(metric, CultureInfo.InvariantCulture) : 0),
            _ => $"Command \"{string.Join(' ', words)}\" is unknown to the simulator",
        };
        if (refused is null)
            yield break;
        process.Error($"RTNETLINK answers: {refused}");
        process.ExitCode = 2;
    }
}
