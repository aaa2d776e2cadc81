namespace PciPass.Core.Rules;

/// <summary>The restored guest could not get its functions back.</summary>
public sealed class CannotComeBack : Rule
{
    public override string Code => "cannot-come-back";
    public override string Meaning => "The guest's configuration does not say passthrough=\"enabled\", so the restored guest can get no function; or libvirt gives the function to the host as soon as it is out of the guest.";
    public override string Source => "xl.cfg(5), passthrough; after xl restore, xl pci-attach ends with \"xc_assign_device failed: Operation not supported\" (seen in the lab). A function in pci= prepares a guest at its start, but a saved one no longer has it.";
    public override string Remedy => "Set passthrough=\"enabled\" in the guest's configuration and start it again.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Save or Verb.Migrate, Guest: GuestReference name, Functions.Length: > 0 } || host.FindGuest(name) is not Guest guest)
            yield break;
        foreach (var managed in host.Attachments.Where(attachment => attachment.Guest == guest.Start && attachment.IsManaged))
            yield return Refuse(managed.Address, $"guest {name} would come back without {managed.Address}", "libvirt manages it (managed='yes'), and gives it to the host's driver as soon as it is out",
                $"pcipass detach {managed.Address} {name}; pcipass attach {managed.Address} {name}     and it is pcipass' to give");
        if (guest is { Start.Toolstack: Toolstack.Xen, SaysPassthrough: false })
            yield return RefuseUnlessAccepted(name, $"guest {name} would come back without its functions", $"libxl's record of {guest.Start.Words} does not say passthrough=\"enabled\"",
                $"set passthrough=\"enabled\" in the configuration of {name} and start it again");
    }
}
