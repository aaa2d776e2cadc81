namespace PciPass.Core.Rules;

/// <summary>Nothing to give back.</summary>
public sealed class NotHidden : Rule
{
    public override string Code => "not-hidden";
    public override string Meaning => "The function is not hidden from the host.";
    public override string Source => "The driver link in sysfs. pciback's slots prove nothing: they list functions that stayed with their driver (seen in the lab).";
    public override string Remedy => "pcipass status shows what is hidden.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request.Verb != Verb.Unhide)
            yield break;
        foreach (var function in Named(host, request))
        {
            if (request.IsBoot && (host.Devices.Find(function.Address) is not null || BootPlanner.IsListed(host.BootFiles, function.Address)))
                continue;
            if (!request.IsNow)
                yield return Refuse(function.Address, Cannot(function, request), $"no line of {Formats.DeviceList.Path} keeps it hidden", "pcipass status     shows what is hidden");
            else if (!host.IsHeld(function) && !(function.Driver is null && host.Taken.Any(taken => taken.Address == function.Address)))
                yield return Refuse(function.Address, Cannot(function, request),
                    function.Driver is DriverName driver ? $"the host already has it, with driver {driver}" : "it is not hidden; it has no driver",
                    "pcipass status     shows what is hidden");
        }
    }
}
