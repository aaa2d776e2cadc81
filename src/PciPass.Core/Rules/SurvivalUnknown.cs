namespace PciPass.Core.Rules;

/// <summary>Nobody has seen a guest of this kind survive.</summary>
public sealed class SurvivalUnknown : Rule
{
    public override string Code => "survival-unknown";
    public override string Meaning => "That a guest of this type goes on after it was saved and restored has been seen for PV guests only; and one that libvirt runs is not saved by xl behind its back.";
    public override string Source => "docs/save.md: every exit code of xl is 0 and the guest may be dead, so only what a restored guest does counts. QEMU (hw/vfio/migration.c) blocks migration, and so saving, while a function is in whose driver has no migration: \"VFIO device doesn't support migration\" (QEMU 7.2), and libvirt 9.0 says the same to virsh save (seen in the lab).";
    public override string Remedy => "Shut the guest down inside, and start it again with its functions.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Save or Verb.Migrate, Guest: GuestReference name } || host.FindGuest(name) is not Guest guest || guest is { Type: Core.GuestType.Pv, RunBy: not Toolstack.Libvirt })
            yield break;
        var what = $"guest {name} cannot be {(request.Verb == Verb.Save ? "saved" : "migrated")}";
        const string Anew = "shut it down inside, and start it again with its functions";
        yield return guest is { Type: Core.GuestType.Pv, RunBy: Toolstack.Libvirt }
            ? Refuse(name, what, "libvirt runs it, and xl would end it behind libvirt's back", Anew)
            : guest.Start.Toolstack == Toolstack.Xen
            ? Refuse(name, what, $"it is no PV guest (xenstore /libxl/{guest.Start}/type), and only PV guests of Xen were seen to survive with functions", Anew)
            : request.Functions.IsEmpty
                ? Refuse(name, what, "it is a guest of QEMU, and pcipass does this for PV guests of Xen; it has no function, so nothing stands in the way of its own toolstack", guest.Start.Toolstack == Toolstack.Libvirt ? $"virsh {(request.Verb == Verb.Save ? "save" : "migrate")} {name.Name}" : "QEMU's own command migrate, over its monitor")
                : Refuse(name, what, $"it is a guest of QEMU, which refuses that itself while {string.Join(", ", request.Functions)} {(request.Functions.Length == 1 ? "is" : "are")} in it: a function on vfio-pci has a state that nobody can read and write. That the guest survives with its functions taken out and given back has not been tried", Anew);
    }
}
