namespace PciPass.Core.Rules;

/// <summary>A guest's memory would not fit where its image is written.</summary>
public sealed class ImageRoom : Rule
{
    public override string Code => "image-room";
    public override string Meaning => "The file system that the guest's image is written to has less room than the guest has memory: the writing would fail after its functions were taken out.";
    public override string Source => "Xen: every page that a guest has is written whole (docs/specs/libxc-migration-stream.pandoc, PAGE_DATA); its memory is memory/target in xenstore, the room statfs(2).";
    public override string Remedy => "Make room, or choose another place; accept it where the file system makes of such a file less than it is.";
    public override Weights Weights => Weights.RefuseUnlessAccepted;

    public override IEnumerable<Finding> Check(HostSnapshot host, Request request)
    {
        if (request is { Verb: Verb.Save or Verb.Migrate or Verb.Restore, Guest: GuestReference name, Image: { Size: long size, Room: long room } image } && size > room)
            yield return RefuseUnlessAccepted(image.Path, $"guest {name} may not fit in {image.Path}", $"it has {Megabytes(size)} of memory, and the file system has room for {Megabytes(room)}", $"make room{(request.Verb == Verb.Save ? ", or choose another folder" : "")}; or --accept {Code}");
    }

    static string Megabytes(long bytes) => $"{bytes >> 20} MiB";
}
