namespace PciPass.Core;

/// <summary>
/// What stands in for the program that libxl starts to write a guest's image, and asks pcipass before it starts that. libxl does so for
/// xl save, xl migrate and libvirt's Xen driver alike, and before anything of the guest is touched
/// (tools/libs/light/libxl_save_callout.c, run_helper; seen in the lab: the guest goes on as it was).
/// </summary>
public static class SaveGuard
{
    /// <summary>The program's name, in the folder of Xen's own programs.</summary>
    public const string Helper = "libxl-save-helper";

    /// <summary>The code under which what it refuses is told, and accepted.</summary>
    public const string Code = "plain-save";

    /// <summary>Holds the codes that whoever starts xl accepts, with commas between them; libxl hands its environment on.</summary>
    public const string AcceptVariable = "PCIPASS_ACCEPT";

    const string FirstLines = "#!/bin/sh\n# pcipass guard: ";

    /// <summary>Where the program that it stands in for is kept: beside it, under a name that nobody else gives to a file.</summary>
    public static string KeptPathOf(string path) => $"{path}.pcipass-kept";

    /// <summary>Whether a file is what <see cref="ScriptFor"/> writes, of this version or another.</summary>
    public static bool IsScript(FileContent content) => content.Text.StartsWith(FirstLines, StringComparison.Ordinal);

    /// <summary>
    /// The script. It lets everything pass but what pcipass says no to: where pcipass is gone, or fails, a guest is saved as it would be
    /// without. The fourth argument of a save is the domid; its output is libxl's, which expects messages there.
    /// </summary>
    /// <param name="path">The program that it stands in for.</param>
    /// <param name="pcipass">Where pcipass is.</param>
    public static string ScriptFor(string path, string pcipass) => $"""
        {FirstLines}libxl starts this to write a guest's image, for xl save, xl migrate and libvirt, and has not touched the guest yet.
        # Ending with 1 leaves the guest as it is. "pcipass guard uninstall" puts back what this stands in for.
        if [ "$1" = --save-domain ] && [ -x {pcipass} ]; then
            {pcipass} guard ask "$4" </dev/null >&2
            [ $? -ne 1 ] || exit 1
        fi
        exec {KeptPathOf(path)} "$@"

        """.ReplaceLineEndings("\n");

    /// <summary>Which pcipass a script asks; null where it is no such script, or asks none.</summary>
    public static string? ProgramOf(FileContent content) => !IsScript(content) ? null
        : content.Text.Split('\n').Select(line => line.Trim().Split(' ')).FirstOrDefault(words => words is [['/', ..], "guard", "ask", ..])?[0];
}
