namespace PciPass.Core.Rules;

/// <summary>This kernel is a guest of Xen itself.</summary>
public sealed class NotXen : Rule
{
    public override string Code => "not-xen";
    public override string Meaning => "This kernel is a guest of Xen: functions are passed through by Xen's control domain (dom0), or by a Linux without Xen below it.";
    public override string Source => "Linux: /sys/hypervisor/type and /proc/xen/capabilities (drivers/xen/sys-hypervisor.c, drivers/xen/xenfs/super.c).";
    public override string Remedy => "Boot the Xen entry, and run pcipass in dom0.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (host.Hypervisor == Hypervisor.XenGuest)
            yield return Refuse("host", "this is no Xen host's dom0", "this kernel is a guest of Xen (/proc/xen/capabilities does not say control_d)", "run pcipass in dom0");
    }
}
