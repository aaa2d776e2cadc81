using System.Collections.Immutable;
using System.Text;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>A program that libxl starts to write a guest's image.</summary>
/// <param name="Path">Where it is, or what stands in for it.</param>
/// <param name="IsGuarded">Whether <see cref="SaveGuard"/>'s script stands there, and the pcipass that it asks is there too.</param>
public sealed record SaveHelper(string Path, bool IsGuarded);

/// <summary>
/// Puts <see cref="SaveGuard"/>'s script in the place of each installed Xen's helper, and takes it away. At every moment there is something at
/// the path that writes images; each act can be done twice, and an installation that was cut off is completed, or taken away, by the next. What
/// stands beside the path is all that is needed to go back, so no journal is.
/// </summary>
public sealed class SaveHelpers(HostSystem host)
{
    const string Divert = "/usr/bin/dpkg-divert";

    // Debian has a folder for each version of Xen; what is built from source has one.
    static readonly ImmutableArray<string> Libraries = ["/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/local/lib", "/usr/local/libexec"];

    static readonly TimeSpan DivertDeadline = TimeSpan.FromMinutes(1);

    readonly SysTree files = host.Files;

    /// <summary>Those of every Xen that is installed, by path.</summary>
    public ImmutableArray<SaveHelper> Find()
    {
        var found = ImmutableArray.CreateBuilder<SaveHelper>();
        foreach (var library in Libraries.Where(library => files.ReadLink(library) is null))
        {
            foreach (var folder in files.List(library).Where(name => name == "xen" || name.StartsWith("xen-", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
            {
                var path = $"{library}/{folder}/bin/{SaveGuard.Helper}";
                // /usr/lib/xen-default leads to one that is listed by itself.
                if (files.ReadLink($"{library}/{folder}") is null && files.Exists(path))
                    found.Add(new SaveHelper(path, Content(path) is FileContent content && SaveGuard.ProgramOf(content) is string program && files.Exists(program)));
            }
        }
        return found.ToImmutable();
    }

    /// <summary>Whether everything that writes images asks first.</summary>
    public bool StandsEverywhere => Find() is { IsEmpty: false } all && all.All(helper => helper.IsGuarded);

    /// <exception cref="HostFailure">It cannot be put there; what is there works as before.</exception>
    public void Install(string path, string pcipass)
    {
        var kept = SaveGuard.KeptPathOf(path);
        var diverted = Diverted(path);
        if (diverted is not null && diverted != kept)
            throw new HostFailure($"{path} is diverted to {diverted} by somebody else (dpkg-divert --list), and is left alone");
        if (files.ReadLink(path) is string target)
            throw new HostFailure($"{path} is a symbolic link to {target}, and is not followed");
        var now = Content(path) ?? throw new HostFailure($"{path} is not there any more");
        // Behind a diversion, an upgrade has put the newer one there.
        var isKept = files.Exists(kept) && (SaveGuard.IsScript(now) || diverted is not null);
        if (!isKept)
            files.ReplaceFile(kept, !SaveGuard.IsScript(now) ? now.Bytes : throw new HostFailure($"{path} stands in for {kept}, which is gone: install Xen's programs again"));
        if (diverted is null && files.Exists(Divert))
            RunDivert("--divert", kept, "--add", path);
        var wished = new FileContent(SaveGuard.ScriptFor(path, pcipass));
        if (now != wished)
            files.ReplaceFile(path, wished.Bytes);
    }

    /// <exception cref="HostFailure">It cannot be taken away; what is there works as before.</exception>
    public void Uninstall(string path)
    {
        var kept = SaveGuard.KeptPathOf(path);
        if (Content(path) is FileContent now && SaveGuard.IsScript(now))
            files.ReplaceFile(path, (Content(kept) ?? throw new HostFailure($"{kept}, which {path} stands in for, is gone: install Xen's programs again")).Bytes);
        if (Diverted(path) == kept)
            RunDivert("--remove", path);
        else if (Diverted(path) is not null)
            return;
        if (files.Exists(kept))
            files.RemoveFile(kept);
    }

    /// <summary>Whether the guard does not stand there, or asks another pcipass.</summary>
    public bool NeedsInstall(SaveHelper helper, string pcipass) => !helper.IsGuarded || Content(helper.Path) != new FileContent(SaveGuard.ScriptFor(helper.Path, pcipass));

    /// <summary>Whether anything of the guard is at or beside the path.</summary>
    public bool HasTrace(SaveHelper helper) => (Content(helper.Path) is FileContent content && SaveGuard.IsScript(content)) || files.Exists(SaveGuard.KeptPathOf(helper.Path)) || Diverted(helper.Path) == SaveGuard.KeptPathOf(helper.Path);

    string? Diverted(string path) => files.ReadAll("/var/lib/dpkg/diversions") is byte[] list ? Diversions.Find(Encoding.UTF8.GetString(list), path) : null;

    /// <summary>Tells dpkg, so that an upgrade of Xen replaces what is kept, and not what stands in for it.</summary>
    void RunDivert(params string[] words)
    {
        var result = host.Run(Divert, ["--local", "--no-rename", .. words], DivertDeadline);
        if (result.ExitCode != 0)
            throw new HostFailure($"dpkg-divert failed: {result.Errors.Trim()}");
    }

    FileContent? Content(string path) => files.ReadAll(path) is byte[] bytes ? new FileContent(bytes) : null;
}
