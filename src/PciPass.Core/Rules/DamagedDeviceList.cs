using PciPass.Core.Formats;

namespace PciPass.Core.Rules;

/// <summary>The list of what stays hidden cannot be understood.</summary>
public sealed class DamagedDeviceList : Rule
{
    public override string Code => "damaged-device-list";
    public override string Meaning => "A line of /etc/pcipass/devices cannot be understood; nothing is added or removed before it is mended.";
    public override string Source => "pcipass' own file. What a damaged line was to hide is hidden by nobody, so it is told before anything else is.";
    public override string Remedy => "Mend the line, or put a # in front of it.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request) =>
        request.Verb is Verb.Hide or Verb.Unhide && request.IsBoot
            ? host.Devices.Errors.Select(error => Refuse(DeviceList.Path, $"{DeviceList.Path} cannot be understood", error.ToString(), error.Line > 0 ? $"mend line {error.Line}, or put a # in front of it" : $"look who wrote it; then make it a plain file of root's, which nobody else can write: {DeviceList.Path}"))
            : [];
}
