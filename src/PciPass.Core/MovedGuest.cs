using System.Buffers.Text;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace PciPass.Core;

/// <summary>What a host has of a guest that is being moved to it.</summary>
public enum CopyState
{
    /// <summary>Nothing: nothing can be started there.</summary>
    Nothing,

    /// <summary>An image without its record: it did not come to its end.</summary>
    Part,

    /// <summary>The image and its record.</summary>
    Whole,

    /// <summary>It has started the guest, which may have worked and ended since.</summary>
    Started,

    /// <summary>It was about to start the guest when it was restarted itself: whether it ran is not known.</summary>
    Unknown,
}

/// <summary>
/// A guest on its way from one host to another: both keep its image under the same name, which no other move has, and tell each other of it
/// by words without any letter that means something to a shell.
/// </summary>
public static class MovedGuest
{
    /// <summary>Where the images of moved guests lie, on both hosts.</summary>
    public const string Folder = "/var/lib/pcipass/moved";

    /// <summary>The image's path.</summary>
    public static string PathOf(GuestName guest, DateTimeOffset time) => $"{Folder}/{guest}-{time.UtcDateTime.ToString("yyyyMMdd'T'HHmmssfff'Z'", CultureInfo.InvariantCulture)}";

    /// <summary>The word for a path or a record: base64 with letters, digits, dash and underscore (RFC 4648, section 5). The dot keeps it from being taken for an option.</summary>
    public static string Word(string text) => $".{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text))}";

    /// <summary>Reads what <see cref="Word"/> writes.</summary>
    /// <exception cref="FormatException">It is no such word.</exception>
    public static string ReadWord(string word)
    {
        if (!word.StartsWith('.') || !Base64Url.IsValid(word.AsSpan(1)))
            throw new FormatException($"\"{word}\" is no word of another pcipass");
        return Encoding.UTF8.GetString(Base64Url.DecodeFromChars(word.AsSpan(1)));
    }

    /// <summary>Reads a path; one that lies elsewhere than in the folder is none.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static string ReadPath(string word)
    {
        var path = ReadWord(word);
        var name = path.StartsWith($"{Folder}/", StringComparison.Ordinal) ? path[(Folder.Length + 1)..] : "";
        return name.Length is > 0 and < 200 && name[0] is not ('.' or '-') && !name.Contains('/') && !name.AsSpan().ContainsAnyExceptInRange('!', '~')
            ? path
            : throw new FormatException($"\"{path}\" is no image of a moved guest");
    }

    /// <summary>What a host's journal says of a copy there, and else what lies on its disk.</summary>
    /// <param name="operations">The host's journal.</param>
    /// <param name="image">What lies there.</param>
    public static CopyState StateOf(IEnumerable<Operation> operations, GuestImage image)
    {
        var state = image.Existing.Length switch { 0 => CopyState.Nothing, 1 => CopyState.Part, _ => CopyState.Whole };
        foreach (var operation in operations)
        {
            foreach (var (number, step) in operation.Steps.Index())
            {
                if (step is not StartGuest start || start.Path != image.Path || operation.Ending == Ending.Undone || operation.LastMark(number) is null or Mark.Undone)
                    continue;
                if (operation.Ending == Ending.Done || operation.LastMark(number) == Mark.Done)
                    return CopyState.Started;
                state = CopyState.Unknown;
            }
        }
        return state;
    }
}

/// <summary>What another host says about taking a guest.</summary>
/// <param name="Host">The host.</param>
/// <param name="Refusals">Why it does not; empty where it does.</param>
public sealed record Destination(RemoteHost Host, ImmutableArray<(string Code, string What, string Why, string Remedy)> Refusals);
