namespace PciPass.Core;

/// <summary>A guest as people name it: <c>web1</c>, whatever runs it, or <c>xen:web1</c>, <c>qemu:web1</c>, <c>libvirt:web1</c> where there are several.</summary>
/// <param name="Toolstack">What runs it; null when that was left open.</param>
/// <param name="Name">Its name.</param>
public readonly record struct GuestReference(Toolstack? Toolstack, GuestName Name)
{
    /// <exception cref="FormatException">The text names no guest; the message quotes it.</exception>
    public static GuestReference Parse(string text)
    {
        var (toolstack, rest) = Split(text);
        return new GuestReference(toolstack, GuestName.Parse(rest));
    }

    public static bool TryParse(string? text, out GuestReference reference)
    {
        var (toolstack, rest) = Split(text ?? "");
        var isName = GuestName.TryParse(rest, out var name);
        reference = isName ? new GuestReference(toolstack, name) : default;
        return isName;
    }

    /// <summary>Whether that guest is meant.</summary>
    public bool Means(Guest guest) => Name == guest.Name && (Toolstack is null || Toolstack == guest.RunBy);

    /// <summary>Whether both may mean the same guest.</summary>
    public bool Agrees(GuestReference? other) => other is GuestReference that && Name == that.Name && (Toolstack is null || that.Toolstack is null || Toolstack == that.Toolstack);

    public override string ToString() => Toolstack is Toolstack toolstack ? $"{PrefixOf(toolstack)}:{Name}" : $"{Name}";

    /// <summary>The word before the colon.</summary>
    public static string PrefixOf(Toolstack toolstack) => toolstack.ToString().ToLowerInvariant();

    static (Toolstack? Toolstack, string Name) Split(string text)
    {
        foreach (var toolstack in Enum.GetValues<Toolstack>())
        {
            var prefix = $"{PrefixOf(toolstack)}:";
            if (text.StartsWith(prefix, StringComparison.Ordinal))
                return (toolstack, text[prefix.Length..]);
        }
        return (null, text);
    }
}
