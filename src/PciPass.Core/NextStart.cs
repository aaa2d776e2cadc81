using System.Collections.Immutable;
using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>What becomes of a function when the host starts the next time, and why. Pure.</summary>
/// <param name="Address">Where it is now; for a line that means no function, where it was.</param>
/// <param name="IsHiddenNow">Whether it is away from the host now.</param>
/// <param name="WillBeHidden">Whether it will be.</param>
/// <param name="Why">Why, with the line and file.</param>
public sealed record NextStart(PciAddress Address, bool IsHiddenNow, bool WillBeHidden, string Why)
{
    /// <summary>All functions that are away from the host, that a line names, or that the next start hides; in the order of their addresses.</summary>
    /// <param name="host">The host.</param>
    /// <param name="forecast">What the files of the next start say of it; they know better than the list alone.</param>
    public static ImmutableArray<NextStart> Of(HostSnapshot host, BootForecast forecast)
    {
        var all = Of(host);
        if (!forecast.IsKnown)
            return all;
        var told = forecast.Functions.ToImmutableDictionary(each => each.Address);
        return [.. all.Select(each => told.GetValueOrDefault(each.Address) is { } next && next.IsHidden != each.WillBeHidden ? each with { WillBeHidden = next.IsHidden, Why = next.Why } : each)
            .Concat(forecast.Functions.Where(next => next.IsHidden && all.All(each => each.Address != next.Address)).Select(next => new NextStart(next.Address, false, true, next.Why)))
            .OrderBy(each => each.Address)];
    }

    /// <summary>The same by the list of pcipass alone.</summary>
    public static ImmutableArray<NextStart> Of(HostSnapshot host)
    {
        var all = ImmutableArray.CreateBuilder<NextStart>();
        foreach (var decision in BootDecision.Of(host.Devices, host.Functions, host.Hypervisor))
        {
            var line = $"line {decision.Kept.Line} of {DeviceList.Path}";
            all.Add(decision.Function is PciFunction function
                ? new NextStart(function.Address, IsHidden(function), true, decision.Why.Length == 0 ? line : $"{line}; {decision.Why}")
                : new NextStart(decision.Kept.Address, false, false, $"{line} hides nothing: {decision.Why}"));
        }
        foreach (var function in host.Functions.Values.Where(function => IsHidden(function) && !all.Any(each => each.WillBeHidden && each.Address == function.Address)))
        {
            var taken = host.Taken.FirstOrDefault(taken => taken.Address == function.Address);
            all.Add(new NextStart(function.Address, true, false, taken is null
                ? $"no line of {DeviceList.Path} keeps it hidden; others may"
                : taken.Guest is GuestReference guest ? $"attach hid it for {guest}, which holds until the restart" : "hidden until the restart"));
        }
        return [.. all.OrderBy(each => each.Address)];
    }

    static bool IsHidden(PciFunction function) => function.Driver is DriverName driver && (driver == DriverName.Pciback || driver == DriverName.VfioPci);
}
