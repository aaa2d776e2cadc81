namespace PciPass.Core.Rules;

/// <summary>What should be restored is no saved guest.</summary>
public sealed class ImageUnreadable : Rule
{
    public override string Code => "image-unreadable";
    public override string Meaning => "The file is no guest that pcipass saved, or the record beside it is missing or damaged.";
    public override string Source => "The record FILE.pcipass says which functions belong to the guest. Beside an image of xl's it is written once that is whole; libvirt's say so by themselves (LibvirtQemudSave, src/qemu/qemu_saveimage.h).";
    public override string Remedy => "xl restore and virsh restore start an image of their own, without any function.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Restore, Image: { Fault: string fault } image })
            yield return Refuse(image.Path, $"{image.Path} cannot be restored", fault, $"{(host.Hypervisor == Hypervisor.XenDom0 ? "xl" : "virsh")} restore {image.Path}     starts an image of its own, without any function");
    }
}
