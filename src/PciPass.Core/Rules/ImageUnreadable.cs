namespace PciPass.Core.Rules;

/// <summary>What should be restored is no saved guest.</summary>
public sealed class ImageUnreadable : Rule
{
    public override string Code => "image-unreadable";
    public override string Meaning => "The file is no guest that pcipass saved, or the record beside it is missing or damaged.";
    public override string Source => "The record FILE.pcipass is written once the image is whole; without it nothing says which functions belong to the guest.";
    public override string Remedy => "xl restore starts an image of its own, without any function.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Restore, Image: { Fault: string fault } image })
            yield return Refuse(image.Path, $"{image.Path} cannot be restored", fault, $"xl restore {image.Path}     starts an image of xl's own, without any function");
    }
}
