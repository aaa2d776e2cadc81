namespace PciPass.Core;

/// <summary>
/// A guest's name. It becomes an argument of <c>xl</c> and part of paths, so it can hold no slash, no control character and no
/// white space, does not begin with a dash, is no number (xl would take it for a domid), and is 1 to 128 characters long.
/// </summary>
public readonly record struct GuestName
{
    readonly string? value;

    GuestName(string value) => this.value = value;

    /// <exception cref="FormatException">The text cannot be a guest's name; the message quotes it.</exception>
    public static GuestName Parse(string text) => TryParse(text, out var name)
        ? name
        : throw new FormatException($"\"{text}\" is no guest name: expected up to 128 printable characters, not a number, without slashes or white space, not beginning with a dash");

    public static bool TryParse(string? text, out GuestName name)
    {
        name = default;
        if (string.IsNullOrEmpty(text) || text.Length > 128 || text[0] is '-' or '.' || text.AsSpan().ContainsAnyExceptInRange('!', '~')
            || text.Contains('/') || !text.AsSpan().ContainsAnyExceptInRange('0', '9'))
            return false;
        name = new GuestName(text);
        return true;
    }

    public override string ToString() => value ?? throw new InvalidOperationException("a guest name that was never given");
}
