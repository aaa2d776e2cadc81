namespace PciPass.Core;

/// <summary>
/// Has libvirt write a running guest into an image and end it, which it does in one: up to its last moment a failure leaves the guest running.
/// Reversed, it lets go on what was not written to its end. A guest that has ended with its image whole is saved, and nothing undoes that.
/// </summary>
/// <param name="Path">The image: an absolute path without blanks.</param>
/// <param name="Guest">The guest.</param>
/// <param name="Start">This start of it.</param>
/// <param name="Shelved">True: write it; false: take back what came of it.</param>
public sealed record Shelve(string Path, GuestName Guest, GuestStart Start, bool Shelved) : Step
{
    public override string Target => Path;
    public override Step Reverse() => new Shelve(Path, Guest, Start, !Shelved);
    public override bool IsFinal => Shelved;
    public override string Text => Shelved ? $"shelve {Path} - -> {Of}" : $"shelve {Path} {Of} -> -";
    public override string Sentence => Shelved ? $"write {Guest} ({Start.Words}) to {Path}, and end it (cannot be undone)" : $"let {Guest} ({Start.Words}) go on, and remove {Path}";

    string Of => WordOf(Guest, Start);

    /// <summary>One start of a guest of libvirt's as a word of the journal.</summary>
    internal static string WordOf(GuestName guest, GuestStart start) => $"{GuestReference.PrefixOf(start.Toolstack)}:{guest}/{start}";

    /// <summary>Reads what <see cref="WordOf"/> writes.</summary>
    /// <exception cref="FormatException">It is no start of a guest of libvirt's.</exception>
    internal static (GuestName Guest, GuestStart Start) ReadWord(string word)
    {
        var at = word.LastIndexOf('/');
        return at > 0 && GuestReference.TryParse(word[..at], out var guest) && guest.Toolstack == Toolstack.Libvirt && GuestStart.TryParse(Toolstack.Libvirt, word.AsSpan(at + 1), out var start)
            ? (guest.Name, start)
            : throw new FormatException($"\"{word}\" is no start of a guest of libvirt's, like libvirt:web1/4711.88123");
    }
}
