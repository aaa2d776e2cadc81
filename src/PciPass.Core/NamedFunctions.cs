namespace PciPass.Core;

/// <summary>The functions that a request names and that exist.</summary>
/// <param name="Request">The request.</param>
/// <param name="Holder">The driver that holds functions for guests.</param>
/// <param name="All">All of them, in the request's order.</param>
/// <param name="OfTheHost">Those that are not held for guests yet.</param>
sealed record NamedFunctions(Request Request, DriverName Holder, PciFunction[] All, PciFunction[] OfTheHost)
{
    public static NamedFunctions Of(HostSnapshot host, Request request)
    {
        PciFunction[] all = [.. request.Functions.Select(host.Find).OfType<PciFunction>()];
        return new NamedFunctions(request, host.Holder, all, [.. all.Where(function => !host.IsHeld(function))]);
    }
}
