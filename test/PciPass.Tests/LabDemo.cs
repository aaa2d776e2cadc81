using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The demonstration's machine with the guests web1 and db1, which are ready for a function, and plain1, which is not.</summary>
public sealed class LabDemo() : LabHost(Machine.Demo, "test-demo", "web1", "db1", "plain1")
{
    public const string Name = "the demonstration's machine";

    [CollectionDefinition(Name)]
    public sealed class Collection : ICollectionFixture<LabDemo>;
}
