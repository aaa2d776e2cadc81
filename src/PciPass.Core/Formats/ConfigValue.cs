using System.Collections.Immutable;

namespace PciPass.Core.Formats;

/// <summary>The value of an assignment in a guest's configuration file, with its place.</summary>
/// <param name="Start">Where it begins in the text.</param>
/// <param name="End">Behind its end.</param>
/// <param name="Text">A string's value, or a number or word as it stands; null for lists and for what cannot be understood.</param>
/// <param name="Lists">A list, and those that are added to it by <c>+</c> or <c>+=</c>; default for everything else.</param>
sealed record ConfigValue(int Start, int End, string? Text, ImmutableArray<ConfigList> Lists = default)
{
    public bool IsUnclear => Text is null && Lists.IsDefault;
}

/// <summary>A list or tuple that is written out.</summary>
/// <param name="Items">Its items.</param>
/// <param name="Open">Where its opening bracket is.</param>
/// <param name="Close">Where its closing bracket is.</param>
/// <param name="Commas">Where the comma behind each item is; -1 behind the last where there is none.</param>
/// <param name="IsWritten">Whether it stands where it is used, and not behind a variable's name.</param>
sealed record ConfigList(ImmutableArray<ConfigValue> Items, int Open, int Close, ImmutableArray<int> Commas, bool IsWritten = true);
