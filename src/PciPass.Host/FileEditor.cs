using PciPass.Core;

namespace PciPass.Host;

/// <summary>Looks at files that are edited, and replaces them.</summary>
sealed class FileEditor(SysTree files)
{
    const string Originals = "/var/lib/pcipass/original";

    /// <summary>Where a file stands in relation to an edit of it; changes nothing.</summary>
    public Observation Observe(EditFile edit)
    {
        // A link would be replaced by a file, and what it leads to is not what was meant to be changed.
        if (files.ReadLink(edit.Path) is string target)
            throw new HostFailure($"{edit.Path} is a symbolic link to {target}, and is not followed");
        var now = files.ReadAll(edit.Path) is byte[] bytes ? new FileContent(bytes) : null;
        var position = now == edit.To ? Position.To : now == edit.From ? Position.From : Position.Elsewhere;
        return new Observation(position, now is null ? "no content: it is not there" : $"another content, of {now.Bytes.Length} bytes");
    }

    public void Act(EditFile edit)
    {
        KeepOriginal(edit);
        if (edit.To is FileContent content)
            files.ReplaceFile(edit.Path, content.Bytes);
        else
            files.RemoveFile(edit.Path);
    }

    /// <summary>Removes what a replacement that died before its end left beside the file.</summary>
    public void RemoveUnfinished(EditFile edit)
    {
        var fresh = FileReplacer.NewPathOf(edit.Path);
        if (files.Exists(fresh))
            files.RemoveFile(fresh);
    }

    /// <summary>Keeps what others wrote, once: before pcipass changed the file for the first time.</summary>
    void KeepOriginal(EditFile edit)
    {
        var copy = $"{Originals}{edit.Path}";
        if (edit.From is not FileContent content || edit.Path.StartsWith("/etc/pcipass/", StringComparison.Ordinal) || files.Exists(copy))
            return;
        files.MakeDirectory(copy[..copy.LastIndexOf('/')]);
        files.ReplaceFile(copy, content.Bytes);
    }
}
