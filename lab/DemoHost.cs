namespace PciPass.Lab;

/// <summary>Where the demonstration is played: on real Xen, or on the simulated host.</summary>
public abstract class DemoHost : IDisposable
{
    /// <summary>The name of the control domain, as opposed to a guest's.</summary>
    public const string Host = "host";

    /// <summary>Runs a command line in the control domain or in a guest.</summary>
    /// <returns>Its exit code, and all that it wrote, to stdout and stderr, in that order in time.</returns>
    public abstract (int Code, string Text) Run(string where, string command);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends it.</summary>
    protected virtual void Dispose(bool disposing) { }
}
