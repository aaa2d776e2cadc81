namespace PciPass.Core.Rules;

/// <summary>Nobody has seen a guest of this kind survive.</summary>
public sealed class SurvivalUnknown : Rule
{
    public override string Code => "survival-unknown";
    public override string Meaning => "That a guest of this type goes on after it was saved and restored or moved has been seen for Xen's PV and HVM guests and for libvirt's guests of QEMU, and of a moved HVM guest only without XSAVE in its processor; of Xen's, one that libvirt runs is not saved by xl behind its back.";
    public override string Source => "docs/save.md: every exit code of xl is 0 and the guest may be dead, so only what a restored guest does counts. QEMU (hw/vfio/migration.c) blocks migration, and so saving, while a function is in whose driver has no migration: \"VFIO device doesn't support migration\" (QEMU 7.2), and libvirt 9.0 says the same to virsh save (seen in the lab).";
    public override string Remedy => "Shut the guest down inside, and start it again with its functions.";
    public override Weights Weights => Weights.Refuse | Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Save or Verb.Migrate, Guest: GuestReference name } || host.FindGuest(name) is not Guest guest)
            yield break;
        if (request.Verb == Verb.Migrate && guest is { Type: Core.GuestType.Hvm, RunBy: Toolstack.Xen })
            yield return RefuseUnlessAccepted(name, $"guest {name} may not survive it whole", "an HVM guest that was moved to a host which had run none before lost a process there, at its first AVX instruction (seen in emulation; whether Xen does that by itself is not known)",
                $"--accept {Code}, if it was started with cpuid = \"host,xsave=0\", or has been seen to go on there");
        if (guest is { Type: Core.GuestType.Pv or Core.GuestType.Hvm, RunBy: Toolstack.Xen }
            || guest.Start.Toolstack == Toolstack.Libvirt)
            yield break;
        var what = $"guest {name} cannot be {(request.Verb == Verb.Save ? "saved" : "migrated")}";
        const string Anew = "shut it down inside, and start it again with its functions";
        yield return guest switch
        {
            { IsLibvirts: true } => Refuse(name, what, "libvirt runs it, and xl would end it behind libvirt's back", Anew),
            { Start.Toolstack: Toolstack.Xen } => Refuse(name, what, $"it is neither a PV nor an HVM guest (xenstore /libxl/{guest.Start}/type), and of Xen's only those were seen to survive", Anew),
            _ when request.Functions.IsEmpty => Refuse(name, what, "somebody started its QEMU by hand, and only he can start one that takes the image; it has no function, so nothing stands in his way", "QEMU's own command migrate, over its monitor"),
            _ => Refuse(name, what, $"somebody started its QEMU by hand, and only he can start one that takes the image; QEMU refuses to write it while {Have(request)} in it: a function on vfio-pci has a state that nobody can read and write",
                $"pcipass detach {string.Join(' ', request.Functions)} {name.Name}, QEMU's own command migrate over its monitor, and pcipass attach"),
        };
    }

    static string Have(Request request) => $"{string.Join(", ", request.Functions)} {(request.Functions.Length == 1 ? "is" : "are")}";
}
