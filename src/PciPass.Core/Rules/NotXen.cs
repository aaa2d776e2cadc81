namespace PciPass.Core.Rules;

/// <summary>This kernel is no Xen control domain.</summary>
public sealed class NotXen : Rule
{
    public override string Code => "not-xen";
    public override string Meaning => "Functions are passed through by a Xen control domain (dom0); this kernel is none.";
    public override string Source => "Linux: /sys/hypervisor/type and /proc/xen/capabilities (drivers/xen/sys-hypervisor.c, drivers/xen/xenfs/super.c).";

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        // From the next start on, vfio-pci can hold functions below Linux alone.
        if (host.Hypervisor == Hypervisor.XenDom0 || (host.Hypervisor == Hypervisor.None && request is { Verb: Verb.Hide or Verb.Unhide, Scope: Scope.Boot }))
            yield break;
        var why = host.Hypervisor == Hypervisor.XenGuest
            ? "this kernel is a guest of Xen (/proc/xen/capabilities does not say control_d)"
            : "there is no Xen below this kernel (/sys/hypervisor/type is not \"xen\")";
        yield return Refuse("host", "this is no Xen host's dom0", why, "boot this host's Xen entry, and run pcipass in dom0");
    }
}
