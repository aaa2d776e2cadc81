namespace PciPass.Core.Rules;

/// <summary>Only PV and HVM guests can have a function.</summary>
public sealed class GuestType : Rule
{
    public override string Code => "guest-type";
    public override string Meaning => "Xen passes functions to PV and HVM guests only.";
    public override string Source => $"{SupportStatement.OfXen(Core.GuestType.Pvh).Source}; a PVH guest has {SupportStatement.OfXen(Core.GuestType.Pvh).Limits}.";

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Attach, Guest: GuestReference name } && host.FindGuest(name) is { Type: not (Core.GuestType.Pv or Core.GuestType.Hvm) } guest)
        {
            var type = guest.Type == Core.GuestType.Pvh ? "a PVH guest" : "a guest of unknown type";
            yield return Refuse(name, $"guest {name} cannot have a function", $"it is {type} (xenstore /libxl/{guest.Start}/type)",
                $"set type=\"pv\" or type=\"hvm\" in the configuration of {name} and start it again");
        }
    }
}
