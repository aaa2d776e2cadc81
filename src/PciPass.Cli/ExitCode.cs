namespace PciPass.Cli;

/// <summary>The exit codes; stable, and told by <c>--help</c>.</summary>
public static class ExitCode
{
    public const int Done = 0;

    /// <summary>Refused: nothing was changed.</summary>
    public const int Refused = 1;

    /// <summary>The command line was wrong: nothing was changed.</summary>
    public const int Usage = 2;

    /// <summary>
    /// A step failed and everything was undone; or the host could not be read; or what follows a finished operation (initramfs, boot menu,
    /// unit) could not be made, which is told beside that it is done.
    /// </summary>
    public const int Failed = 3;

    /// <summary>The host is between two states.</summary>
    public const int Stuck = 4;

    /// <summary>The guest has not let go yet.</summary>
    public const int Pending = 5;
}
