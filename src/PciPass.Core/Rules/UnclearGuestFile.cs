namespace PciPass.Core.Rules;

/// <summary>The guest's configuration file cannot be changed, or there is none.</summary>
public sealed class UnclearGuestFile : Rule
{
    public override string Code => "guest-file";
    public override string Meaning => "The guest's configuration file cannot be changed without guessing, is one of several, or is not there.";
    public override string Source => "The pci list of the files in /etc/xen and /etc/xen/auto (xl.cfg(5), xl-pci-configuration(5)); xl's own grammar (libxlu_cfg_y.y).";
    public override string Remedy => "Mend the line that is named, or name the file by --guest-file.";
    public override Weights Weights => Weights.Refuse | Weights.Warn | Weights.Note;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { IsBoot: true, Verb: Verb.Attach or Verb.Detach, Guest: GuestReference name })
            yield break;
        var what = $"the configuration of guest {name} cannot be changed";
        foreach (var problem in GuestFilePlanner.Plan(host, request).Problems)
            yield return Refuse(name, what, problem.Why, problem.Remedy);
        if (request.Verb == Verb.Attach && host.DefinitionsOf(name).FirstOrDefault() is GuestDefinition definition)
        {
            foreach (var function in Named(host, request).Where(function => host.Devices.Find(function.Address) is null))
                yield return NotForLong(host, name, function, definition.Source);
        }
        if (host.Hypervisor != Hypervisor.XenDom0 || host.DefinitionsOf(name).Any())
            yield break;
        if (host.FindGuest(name) is { RunBy: Toolstack.Libvirt })
        {
            var (why, remedy) = ("libvirt has no definition of it, which would outlast its run", "virsh define     makes one");
            if (!request.IsNow)
                yield return Refuse(name, what, why, remedy);
            else if (request.Verb == Verb.Attach)
                yield return Note(name, $"guest {name} will not have it at its next start", why, remedy);
            yield break;
        }
        var files = host.FilesOf(name).ToArray();
        if (files.Length == 0 && !request.IsNow)
            yield return Refuse(name, what, "no file in /etc/xen or /etc/xen/auto is its configuration", "--guest-file FILE names one elsewhere");
        else if (files.Length == 0 && request.Verb == Verb.Attach && host.FindGuest(name) is not null)
            yield return Note(name, $"guest {name} will not have it at its next start", "no file in /etc/xen or /etc/xen/auto is its configuration", "--guest-file FILE names one elsewhere");
        foreach (var file in request.Verb == Verb.Attach ? files : [])
        {
            if (file.Config.XlProblem is Formats.ConfigProblem problem)
                yield return Warn(name, $"xl will not read {file.Path}", $"{problem}; xm took all of Python", "mend that line");
            foreach (var function in Named(host, request).Where(function => host.Devices.Find(function.Address) is null))
                yield return NotForLong(host, name, function, file.Path);
        }
    }

    Finding NotForLong(HostSnapshot host, GuestReference guest, PciFunction function, string source)
    {
        var (until, why, remedy) = ($"{function.Address} is hidden until the host's next start", $"{source} names it for longer than that", $"pcipass hide --boot {function.Address}     hides it from every start on");
        return host.FindGuest(guest) is null ? Warn(function.Address, until, why, remedy) : Note(function.Address, until, why, remedy);
    }
}
