using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The transcript in the README is what the demonstration really prints, on both hosts.</summary>
public class DemoTests
{
    [Fact]
    public void The_simulated_host_plays_the_READMEs_transcript()
    {
        using var host = new SimDemoHost();
        Compare(host);
    }

    [Fact]
    [Trait("Category", "Lab")]
    public void Real_Xen_plays_the_READMEs_transcript()
    {
        using var host = XenDemoHost.Boot();
        Compare(host);
    }

    static void Compare(DemoHost host)
    {
        using var transcript = new StringWriter();
        Assert.Empty(Demo.Play(host, transcript));
        var readme = File.ReadAllText(Path.Combine(Images.FindCheckout(), "README.md"));
        Assert.Equal(Transcript.WithoutTimes(Transcript.In(readme)), Transcript.WithoutTimes(transcript.ToString()));
    }
}
