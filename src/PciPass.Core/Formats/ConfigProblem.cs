namespace PciPass.Core.Formats;

/// <summary>A place in a guest's configuration that cannot be understood.</summary>
/// <param name="Line">From 1.</param>
/// <param name="What">What is there, in words.</param>
public sealed record ConfigProblem(int Line, string What)
{
    public override string ToString() => $"line {Line}: {What}";
}
