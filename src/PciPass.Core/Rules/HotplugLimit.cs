namespace PciPass.Core.Rules;

/// <summary>A function goes in and out of guests too often.</summary>
public sealed class HotplugLimit : Rule
{
    public override string Code => "hotplug-limit";

    public override string Meaning =>
        $"A function was plugged in and out of guests so often that it comes near {Settings.HotplugLimit} times: warned of from 384 on in 24 h, refused where an attach and its way back would pass 480. A detach is never refused.";

    public override string Source =>
        $"Red Hat Enterprise Linux 5, Virtualization Guide, 15.5: because of the tracking of interrupts, more than {Settings.HotplugLimit} in a brief time can cause a kernel error. Counted per function, guest and boot from the journal and the kernel's log; {Settings.Path} sets window and figures.";
    public override string Remedy => "Wait until it is less within the window, or restart the host.";
    public override Weights Weights => Weights.RefuseUnlessAccepted | Weights.Warn;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request.Verb is not (Verb.Attach or Verb.Detach))
            yield break;
        var settings = host.Settings;
        foreach (var function in Named(host, request))
        {
            var counts = host.Hotplugs.Where(count => count.Address == function.Address).ToArray();
            var total = counts.Sum(count => count.Count);
            // What goes in has to come out again, and that must be possible without passing the limit.
            if (request.Verb == Verb.Attach && total + 2 > settings.HotplugRefuse)
            {
                yield return RefuseUnlessAccepted(function.Address, Cannot(function, request), Why(), $"wait until it is less within the {settings.WindowText}, or restart the host; --accept {Code} goes on all the same");
            }
            else if (total >= settings.HotplugWarn)
            {
                yield return Warn(function.Address, $"{function.Address} is plugged in and out often", Why(),
                    $"from {settings.HotplugRefuse} on, no guest gets it any more without --accept {Code}");
            }

            string Why()
            {
                var with = counts.Where(count => request.Guest is GuestReference name && host.FindGuest(name)?.Start == count.Guest).Sum(count => count.Count);
                var others = counts.Sum(count => count.ByOthers);
                return $"it was plugged in or out {total} times in this boot within {settings.WindowText}, {with} of them with {request.Guest} as it runs now"
                    + (others > 0 ? $", {others} by others (by the kernel's log)" : "") + $"; {Settings.HotplugLimit} in a brief time can cause a kernel error";
            }
        }
    }
}
