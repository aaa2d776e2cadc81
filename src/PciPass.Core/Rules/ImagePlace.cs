namespace PciPass.Core.Rules;

/// <summary>A guest cannot be saved at this place.</summary>
public sealed class ImagePlace : Rule
{
    public override string Code => "image-place";
    public override string Meaning => "There is a file already where the guest would be saved, or no folder for it.";
    public override string Source => "xl(1), save, writes over what is there without a word.";
    public override string Remedy => "Choose another name.";
    public override Weights Weights => Weights.Refuse;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is not { Verb: Verb.Save, Image: GuestImage image })
            yield break;
        var what = $"guest {request.Guest} cannot be saved in {image.Path}";
        if (image.Path.AsSpan().ContainsAnyExceptInRange('!', '~'))
            yield return Refuse(image.Path, what, "the path holds a blank or a letter that is not ASCII", "choose another name");
        else if (!image.HasFolder)
            yield return Refuse(image.Path, what, "its folder does not exist", $"mkdir -p {image.Path[..Math.Max(1, image.Path.LastIndexOf('/'))]}");
        foreach (var existing in image.Existing)
            yield return Refuse(image.Path, what, $"{existing} is there already", "choose another name, or remove it if nobody needs it");
    }
}
