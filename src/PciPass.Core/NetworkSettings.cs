using System.Collections.Immutable;
using System.Globalization;

namespace PciPass.Core;

/// <summary>
/// What somebody configured on a network interface and what is gone with the function's driver: the interface that comes back is a new
/// one (seen in the lab). What stands on it (VLANs) is not in it.
/// </summary>
/// <param name="IsUp">Whether it is switched on.</param>
/// <param name="Mtu">The largest packet in bytes; null where it is the usual 1500.</param>
/// <param name="Master">The bridge or bond whose port it is.</param>
/// <param name="Addresses">Addresses with their prefix lengths and broadcast addresses (<see cref="Formats.InterfaceAddress.Setting"/>), without those that the kernel gives by itself.</param>
/// <param name="Routes">Routes as <see cref="Route.Text"/>, without those that come with an address.</param>
public sealed record NetworkSettings(bool IsUp, int? Mtu, string? Master, ImmutableArray<string> Addresses, ImmutableArray<string> Routes)
{
    public static NetworkSettings None { get; } = new(false, null, null, [], []);

    public bool IsEmpty => !IsUp && Master is null && Addresses.IsEmpty && Routes.IsEmpty;

    /// <summary>What of these another one lacks.</summary>
    public NetworkSettings MissingIn(NetworkSettings other) => new(IsUp && !other.IsUp, Mtu == other.Mtu ? null : Mtu, Master == other.Master ? null : Master,
        [.. Addresses.Except(other.Addresses)], [.. Routes.Except(other.Routes)]);

    /// <summary>One setting a line, for the journal; <see cref="Parse"/> reads it.</summary>
    public string Text => string.Concat(Lines().Select(line => $"{line}\n"));

    IEnumerable<string> Lines()
    {
        if (IsUp)
            yield return "up";
        if (Mtu is int mtu)
            yield return string.Create(CultureInfo.InvariantCulture, $"mtu {mtu}");
        if (Master is not null)
            yield return $"master {Master}";
        foreach (var address in Addresses)
            yield return $"address {address}";
        foreach (var route in Routes)
            yield return $"route {route}";
    }

    /// <exception cref="FormatException">A line is none of these.</exception>
    public static NetworkSettings Parse(string text)
    {
        var (settings, addresses, routes) = (None, ImmutableArray.CreateBuilder<string>(), ImmutableArray.CreateBuilder<string>());
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var (word, rest) = line.IndexOf(' ') is >= 0 and var space ? (line[..space], line[(space + 1)..]) : (line, "");
            switch (word)
            {
                case "up" when rest.Length == 0: settings = settings with { IsUp = true }; break;
                case "mtu" when int.TryParse(rest, NumberStyles.None, CultureInfo.InvariantCulture, out var mtu): settings = settings with { Mtu = mtu }; break;
                case "master" when rest.Length > 0: settings = settings with { Master = rest }; break;
                case "address" when rest.Length > 0: addresses.Add(rest); break;
                case "route" when rest.Length > 0: routes.Add(rest); break;
                default: throw new FormatException($"\"{line}\" is no setting of a network interface");
            }
        }
        return settings with { Addresses = addresses.ToImmutable(), Routes = routes.ToImmutable() };
    }

    public bool Equals(NetworkSettings? other) => other is not null && Text == other.Text;

    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);
}
