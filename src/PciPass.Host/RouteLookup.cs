using System.Globalization;
using System.Net;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>Which way the host would send something.</summary>
static class RouteLookup
{
    /// <summary>
    /// The interface over which the host reaches an address: the longest network that holds it, of two alike the one of the better route.
    /// Rules that choose among several tables (ip-rule(8)) are not followed.
    /// </summary>
    /// <param name="address">The address, IPv4 or IPv6.</param>
    /// <param name="own">The host's own addresses with their prefix lengths, each with its interface: the networks that it is in.</param>
    /// <param name="routes">The routes of the main table.</param>
    /// <returns>Null where none leads there, and for what is no address.</returns>
    public static string? InterfaceTo(string address, IEnumerable<(string Interface, string Address)> own, IEnumerable<Route> routes)
    {
        if (!IPAddress.TryParse(address.Split('%')[0], out var target))
            return null;
        return own.Select(each => (each.Interface, Network: each.Address, Metric: 0L))
            .Concat(routes.Select(route => (route.Interface, Network: route.IsDefault ? route.IsInet6 ? "::/0" : "0.0.0.0/0" : route.Target, route.Metric)))
            .Select(way => (way.Interface, way.Metric, Length: LengthWhereHeld(way.Network, target)))
            .Where(way => way.Length is not null && way.Interface.Length > 0)
            .OrderByDescending(way => way.Length).ThenBy(way => way.Metric)
            .Select(way => way.Interface).FirstOrDefault();
    }

    /// <summary>The prefix length of a network that an address is in; null where it is in another.</summary>
    static int? LengthWhereHeld(string network, IPAddress address)
    {
        if (network.Split('/') is not [var text, var length] || !IPAddress.TryParse(text, out var first) || first.AddressFamily != address.AddressFamily
            || !int.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var bits))
            return null;
        var (one, other) = (first.GetAddressBytes(), address.GetAddressBytes());
        if (bits > one.Length * 8)
            return null;
        for (var bit = 0; bit < bits; bit++)
        {
            if (((one[bit / 8] ^ other[bit / 8]) & (0x80 >> (bit % 8))) != 0)
                return null;
        }
        return bits;
    }
}
