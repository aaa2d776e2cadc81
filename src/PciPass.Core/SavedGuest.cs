using System.Collections.Immutable;
using System.Text;

namespace PciPass.Core;

/// <summary>One function of a saved guest.</summary>
/// <param name="Address">Where it was on the host.</param>
/// <param name="VirtualSlot">Where the guest saw it; null where that was not known.</param>
/// <param name="Identity">What it was.</param>
public sealed record SavedFunction(PciAddress Address, string? VirtualSlot, PciIdentity Identity);

/// <summary>
/// What lies beside a guest's image, as text: which functions were taken out of it, what they were, and where it saw them. It is written
/// once the image is whole, so an image without it is none.
/// </summary>
/// <param name="Guest">The guest.</param>
/// <param name="Uuid">What tells it from another of that name; null where it was not known.</param>
/// <param name="Functions">Its functions in the order in which they are given back.</param>
public sealed record SavedGuest(GuestName Guest, string? Uuid, ImmutableArray<SavedFunction> Functions)
{
    const string FirstLine = "pcipass saved guest 1";

    /// <summary>How it is virtualised; a record that does not say is of a PV guest.</summary>
    public GuestType Type { get; init; } = GuestType.Pv;

    /// <summary>The risks that were accepted by name for its restart, by whoever had it moved.</summary>
    public ImmutableSortedSet<string> Accepted { get; init; } = [];

    /// <summary>The record of a guest as it runs now, the functions by virtual slot: the backend fills the lowest free one, so this order gives each its own again.</summary>
    public static SavedGuest Of(HostSnapshot host, Guest guest) => new(guest.Name, guest.Uuid,
    [
        .. from attachment in host.Attachments
           where attachment.Guest == guest.Start
           let function = host.Find(attachment.Address)
           where function is not null
           orderby attachment.VirtualSlot, attachment.Address
           select new SavedFunction(attachment.Address, attachment.VirtualSlot, function.Identity),
    ])
    {
        Type = guest.Type,
    };

    public string ToText()
    {
        var text = new StringBuilder($"{FirstLine}\n# Beside the image: which functions \"pcipass restore\" gives back. function ADDRESS SLOT-IN-GUEST IDENTITY\nguest {Guest}\n");
        if (Uuid is not null)
            text.Append($"uuid {Uuid}\n");
        if (Type == GuestType.Hvm)
            text.Append("type hvm\n");
        foreach (var function in Functions)
            text.Append($"function {function.Address} {function.VirtualSlot ?? "-"} {function.Identity}\n");
        foreach (var code in Accepted)
            text.Append($"accept {code}\n");
        return text.Append("end\n").ToString();
    }

    /// <exception cref="FormatException">The text is no such record, or not whole; the message names the line.</exception>
    public static SavedGuest Parse(string text)
    {
        var lines = text.Split('\n');
        if (lines[0] != FirstLine)
            throw new FormatException($"line 1: expected \"{FirstLine}\", found \"{lines[0]}\"");
        GuestName? guest = null;
        string? uuid = null;
        var type = GuestType.Pv;
        var functions = ImmutableArray.CreateBuilder<SavedFunction>();
        var accepted = ImmutableSortedSet.CreateBuilder<string>(StringComparer.Ordinal);
        var ended = false;
        for (var at = 1; at < lines.Length; at++)
        {
            try
            {
                switch (lines[at].Split(' '))
                {
                    case [""] or ["#", ..]: break;
                    case ["guest", var name] when guest is null: guest = GuestName.Parse(name); break;
                    case ["uuid", var word] when uuid is null: uuid = Guid.TryParse(word, out var id) ? id.ToString() : throw new FormatException($"\"{word}\" is no uuid"); break;
                    case ["type", "hvm"]: type = GuestType.Hvm; break;
                    case ["function", var address, var slot, var identity]:
                        functions.Add(new SavedFunction(PciAddress.Parse(address), slot == "-" ? null : PciAddress.Parse(slot).ToString(), PciIdentity.Parse(identity)));
                        break;
                    case ["accept", var code]: accepted.Add(code); break;
                    case ["end"] when !ended: ended = true; break;
                    default: throw new FormatException($"\"{lines[at]}\" has no meaning here");
                }
            }
            catch (FormatException error)
            {
                throw new FormatException($"line {at + 1}: {error.Message}", error);
            }
        }
        if (guest is null || !ended)
            throw new FormatException(guest is null ? "it names no guest" : "its last line, \"end\", is missing");
        if (functions.DistinctBy(function => function.Address).Count() != functions.Count)
            throw new FormatException("a function stands in it twice");
        return new SavedGuest(guest.Value, uuid, functions.ToImmutable()) { Type = type, Accepted = accepted.ToImmutable() };
    }
}
