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
}
