using PciPass.Core;

namespace PciPass.Host;

/// <summary>Writes Xen's guests into images, starts them from these, and ends them, with xl.</summary>
sealed class XenSave(HostSystem host)
{
    /// <summary>Writing or reading an image takes as long as the guest is large and the disk slow; past this somebody has to look.</summary>
    public static readonly TimeSpan ImageDeadline = TimeSpan.FromHours(1);

    readonly Xl xl = new(host);

    public Observation Observe(EndGuest end) => xl.IsAlive(end.Guest, end.DomId)
        ? new Observation(Position.From, $"domain {end.DomId}, which still is there")
        : new Observation(Position.To, $"no domain {end.DomId} any more");

    public void Act(EndGuest end) => xl.Run("destroy", $"{end.DomId}");

    public void Act(StartGuest start) => xl.Run(ImageDeadline, "restore", start.Path);

    public void Act(SaveGuest save)
    {
        if (save.Saved)
            WriteImage(save);
        else
            TakeImageBack(save);
    }

    public Observation Observe(SaveGuest step)
    {
        var state = xl.StateOf(step.Guest, step.DomId);
        // Whoever wrote the image was killed while he did: nothing that Xen's tools can do lets the guest out of that (seen in the lab).
        if (state is [_, _, _, 's', ..])
            return new Observation(Position.Elsewhere, $"a guest that is suspended for good, since the xl that saved it has died; xl destroy {step.DomId} ends it");
        var (there, paused) = (host.Files.Exists(step.Path), state is [_, _, 'p', ..]);
        var (without, with) = step.Saved ? (Position.From, Position.To) : (Position.To, Position.From);
        return there && paused ? new Observation(with, "an image, and the guest is paused")
            : !there && !paused ? new Observation(without, "no image")
            : new Observation(Position.HalfWay, there ? "an image, but the guest is not paused" : "no image, but the guest is paused");
    }

    public Observation Observe(StartGuest start)
    {
        using var store = xl.OpenXenstore();
        return store.Consistent(transaction =>
        {
            foreach (var id in store.List("/local/domain", transaction))
            {
                if (id != "0" && store.Read($"/local/domain/{id}/name", transaction) == start.Guest.ToString())
                {
                    // libxl writes this when the guest's memory is all there (libxl__build_post); one that was cut off before is no guest.
                    return store.Read($"/local/domain/{id}/store/ring-ref", transaction) is not null
                        ? new Observation(Position.To, $"{start.Guest} running as domain {id}")
                        : new Observation(Position.HalfWay, $"domain {id} of that name, which is not built to its end");
                }
            }
            return new Observation(Position.From, $"no guest {start.Guest}");
        });
    }

    /// <summary>
    /// xl writes the image, and pauses the guest before it lets it out of its suspension. The image is made before, for root alone: xl would
    /// make one that everybody may read, with all that the guest had in memory. xl does not flush it.
    /// </summary>
    void WriteImage(SaveGuest save)
    {
        if (save.Path.StartsWith($"{MovedGuest.Folder}/", StringComparison.Ordinal))
            host.Files.MakeDirectory(MovedGuest.Folder);
        host.Files.CreateFile(save.Path, []);
        xl.Run(ImageDeadline, "save", "-p", $"{save.DomId}", save.Path);
        host.Files.Append(save.Path, [], flush: true);
    }

    void TakeImageBack(SaveGuest back)
    {
        // The guest first: it is what matters, and while the image is there it can be seen that there is something to do.
        if (xl.StateOf(back.Guest, back.DomId) is [_, _, 'p', ..])
            xl.Run("unpause", $"{back.DomId}");
        RemoveImage(back.Path);
    }

    /// <summary>Removes what there is of an image.</summary>
    public void RemoveImage(string path)
    {
        if (host.Files.Exists(path))
            host.Files.RemoveFile(path);
    }
}
