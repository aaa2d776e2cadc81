using System.Text;

namespace PciPass.Core;

/// <summary>
/// Writes a function into a guest's definition in libvirt, which it starts with from then on, or takes it out. libvirt keeps the definition
/// and rewrites its file, so it is asked, and the file is left alone. As with files, what the element said stands in the journal before.
/// </summary>
/// <param name="Address">The function.</param>
/// <param name="Guest">The guest.</param>
/// <param name="From">The element that gives it the function; null when there is none.</param>
/// <param name="To">The element that will give it the function; null when none will.</param>
public sealed record Configure(PciAddress Address, GuestName Guest, FileContent? From, FileContent? To) : FunctionStep(Address)
{
    public override Step Reverse() => new Configure(Address, Guest, To, From);
    public override string Text => $"configure {Address} {GuestReference.PrefixOf(Toolstack.Libvirt)}:{Guest} {From?.Name ?? "-"} -> {To?.Name ?? "-"}";
    public override IEnumerable<FileContent> Contents => ((FileContent?[])[From, To]).OfType<FileContent>();
    public override string Sentence => To is null ? $"take {Address} out of libvirt's definition of {Guest}" : $"write {Address} into libvirt's definition of {Guest}";

    /// <summary>An element as the journal holds it.</summary>
    public static FileContent Content(string element) => new(Encoding.UTF8.GetBytes(element));

    /// <summary>The element that a content is.</summary>
    public static string Element(FileContent content) => Encoding.UTF8.GetString(content.Bytes);
}
