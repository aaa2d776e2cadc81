namespace PciPass.Core.Rules;

/// <summary>The driver that should get the function back is not loaded.</summary>
public sealed class DriverGone : Rule
{
    public override string Code => "driver-gone";
    public override string Meaning => "The driver that had the function before is no longer loaded: the function would be left without one.";
    public override string Source => "/sys/bus/pci/drivers.";
    public override string Remedy => "modprobe that driver.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request.Verb is not (Verb.Unhide or Verb.Detach) || !request.IsNow)
            yield break;
        foreach (var function in Named(host, request))
        {
            foreach (var taken in host.Taken.Where(taken => taken.Address == function.Address && (request.Verb == Verb.Unhide || taken.Guest is not null)))
            {
                if (taken.Driver is DriverName driver && !host.Drivers.Contains(driver.ToString()))
                    yield return Refuse(function.Address, Cannot(function, request), $"its driver before was {driver}, which is not loaded",
                        $"modprobe {driver}");
            }
        }
    }
}
