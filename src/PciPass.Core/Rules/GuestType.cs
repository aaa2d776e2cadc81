namespace PciPass.Core.Rules;

/// <summary>Only PV and HVM guests can have a function.</summary>
public sealed class GuestType : Rule
{
    public override string Code => "guest-type";
    public override string Meaning => "Xen passes functions to PV and HVM guests only.";
    public override string Source => $"{SupportStatement.OfXen(Core.GuestType.Pvh).Source}; a PVH guest has {SupportStatement.OfXen(Core.GuestType.Pvh).Limits}.";
    public override string Remedy => "Make it a PV or an HVM guest and start it again.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Attach, Guest: GuestReference name })
            yield break;
        var running = request.IsNow ? host.FindGuest(name) : null;
        if (running is { Type: not (Core.GuestType.Pv or Core.GuestType.Hvm) } guest)
        {
            yield return Refuse(name, $"guest {name} cannot have a function", $"it is {Words(guest.Type)} (xenstore /libxl/{guest.Start}/type)",
                $"set type=\"pv\" or type=\"hvm\" in the configuration of {name} and start it again");
        }
        else if (request.IsBoot && host.DefinitionsOf(name).FirstOrDefault(definition => definition.Type is not (Core.GuestType.Pv or Core.GuestType.Hvm)) is GuestDefinition definition)
        {
            yield return Refuse(name, $"guest {name} cannot have a function", $"{definition.Source} makes it {Words(definition.Type)}", "make it <type machine='xenpv'>linux</type> or <type>hvm</type> there (virsh edit)");
        }
        else if (request.IsBoot && host.FilesOf(name).FirstOrDefault(file => file.Type is not (Core.GuestType.Pv or Core.GuestType.Hvm)) is GuestFile file)
        {
            yield return Refuse(name, $"guest {name} cannot have a function", $"{file.Path} makes it {Words(file.Type)}", $"set type=\"pv\" or type=\"hvm\" in {file.Path}");
        }
    }

    static string Words(Core.GuestType type) => type == Core.GuestType.Pvh ? "a PVH guest" : "a guest of unknown type";
}
