namespace PciPass.Lab;

/// <summary>A part of a longer wait.</summary>
/// <param name="Name">What happens in it, "dom0 kernel".</param>
/// <param name="Typical">What it usually takes; the bar's length, nothing depends on it.</param>
public sealed record Stage(string Name, TimeSpan Typical)
{
    /// <summary>A stage of so many seconds.</summary>
    public Stage(string name, double seconds)
        : this(name, TimeSpan.FromSeconds(seconds)) { }
}
