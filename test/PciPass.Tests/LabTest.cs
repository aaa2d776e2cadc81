using Xunit;

namespace PciPass.Tests;

/// <summary>A test on a host of the lab: after it, the host is as it was before.</summary>
[Trait("Category", "Lab")]
public abstract class LabTest(LabHost host) : IDisposable
{
    protected const string Card = "0000:09:00.0", OtherCard = "0000:08:00.0", Disk = "0000:07:00.0";

    protected LabHost Host { get; } = host;

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        Host.CheckAtRest();
    }
}
