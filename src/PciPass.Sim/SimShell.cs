using System.Globalization;
using System.Net;
using System.Text;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>
/// The two small programs of the demonstration, in the simulated control domain and in its guests. What they print follows from the
/// state of the simulation: a card whose DMA goes to another domain than its driver's answers no ping.
/// </summary>
/// <remarks>
/// <c>show-pci</c> prints a line per function: address, vendor:device, class, driver, network interface, with a dash for none.
/// <c>net-check IFACE</c> puts 10.0.2.15/24 on an interface and pings 10.0.2.2 three times.
/// </remarks>
public sealed class SimShell
{
    const string Mine = "10.0.2.15", Peer = "10.0.2.2";

    readonly SimHost host;

    internal SimShell(SimHost host) => this.host = host;

    /// <summary>Runs a command line in the control domain.</summary>
    public ProgramResult OnHost(string commandLine) => commandLine.Split(' ') switch
    {
        ["show-pci"] => Lines(host.Functions.Select(function =>
            Line(function, $"{function.Address}", function.Driver, host.Names.HasInterface(function.KernelName ?? "") ? function.KernelName : null))),
        ["net-check", var name] => NetCheckOnHost(name),
        var words => NotFound(words[0]),
    };

    /// <summary>Runs a command line in a running guest.</summary>
    public ProgramResult InGuest(string guest, string commandLine)
    {
        if (host.FindGuest(guest) is not SimGuest running)
            return new ProgramResult(125, "", $"no guest {guest} is running\n");
        var words = commandLine.Split(' ');
        switch (words)
        {
            case ["show-pci"]:
                return Lines(running.Functions.Select(entry => Line(entry.Value, entry.Key, running.DriverOf(entry.Value), running.InterfaceOf(entry.Value))));
            case ["net-check", var name]:
                var function = running.Functions.Values.FirstOrDefault(function => running.InterfaceOf(function) == name);
                return NetCheck(name, function is not null, function is not null && Reaches(function, running.DomId));
            default:
                return NotFound(words[0]);
        }
    }

    bool Reaches(SimFunction function, int domain) => !host.IsXen || !host.HasIommu || host.Iommu.Owner(function.Address) == domain;

    ProgramResult NetCheckOnHost(string name)
    {
        var function = host.Functions.FirstOrDefault(function => function.KernelName == name && function.MacAddress is not null);
        if (function is null)
            return NetCheck(name, exists: false, works: false);
        // As the script does: the address stays only as long as the check.
        host.Names.AddAddress(name, IPAddress.Parse(Mine), 24);
        var result = NetCheck(name, exists: true, Reaches(function, 0));
        host.Names.RemoveAddress(name, IPAddress.Parse(Mine), 24);
        return result;
    }

    ProgramResult NetCheck(string name, bool exists, bool works)
    {
        const int Count = 3;
        if (!exists)
            return new ProgramResult(1, "", $"net-check: no interface {name}\n");
        var text = new StringBuilder($"PING {Peer} ({Peer}): 56 data bytes\n");
        List<double> times = [];
        for (var n = 0; n < Count; n++)
        {
            // The first answer waits for ARP.
            var time = works ? n == 0 ? 5.125 : 0.875 + (n * 0.125) : 1000;
            host.Clock.Advance(TimeSpan.FromMilliseconds(works ? 1000 : time));
            if (!works)
                continue;
            times.Add(time);
            text.Append(CultureInfo.InvariantCulture, $"64 bytes from {Peer}: seq={n} ttl=255 time={time:0.000} ms\n");
        }
        text.Append(CultureInfo.InvariantCulture, $"\n--- {Peer} ping statistics ---\n{Count} packets transmitted, {times.Count} packets received, {100 - (times.Count * 100 / Count)}% packet loss\n");
        if (times.Count > 0)
            text.Append(CultureInfo.InvariantCulture, $"round-trip min/avg/max = {times.Min():0.000}/{times.Average():0.000}/{times.Max():0.000} ms\n");
        return new ProgramResult(times.Count > 0 ? 0 : 1, text.ToString(), "");
    }

    static string Line(SimFunction function, string address, string? driver, string? networkInterface) =>
        $"{address} {function.Ids} {function.Class} {driver ?? "-"} {networkInterface ?? "-"}\n";

    static ProgramResult Lines(IEnumerable<string> lines) => new(0, string.Concat(lines), "");

    static ProgramResult NotFound(string program) => new(127, "", $"sh: {program}: not found\n");
}
