using System.Collections.Immutable;

namespace PciPass.Core.Formats;

/// <summary>
/// A kernel's command line, as the kernel splits it: words at blanks, but for those within double quotes (next_arg of lib/cmdline.c). A
/// dash and an underscore mean the same in a parameter's name (parameq of kernel/params.c). Words that are not changed stay as they are.
/// </summary>
public sealed class KernelWords
{
    /// <summary>One word.</summary>
    /// <param name="Name">Up to the equals sign, with underscores for dashes.</param>
    /// <param name="Value">Behind it, without quotes; null where there is none.</param>
    /// <param name="At">Where it begins.</param>
    /// <param name="Length">Its length, quotes included.</param>
    public readonly record struct Word(string Name, string? Value, int At, int Length);

    KernelWords(string text, ImmutableArray<Word> words, bool isUnclosed) => (Text, Words, IsUnclosed) = (text, words, isUnclosed);

    /// <summary>Whether a quote is never closed: what is put behind it would be a part of that value.</summary>
    public bool IsUnclosed { get; }

    public string Text { get; }
    public ImmutableArray<Word> Words { get; }

    public static KernelWords Parse(string text)
    {
        var words = ImmutableArray.CreateBuilder<Word>();
        var isUnclosed = false;
        for (var at = 0; at < text.Length;)
        {
            if (IsBlank(text[at]))
            {
                at++;
                continue;
            }
            var start = at;
            var quoted = false;
            for (; at < text.Length && (quoted || !IsBlank(text[at])); at++)
                quoted ^= text[at] == '"';
            isUnclosed |= quoted;
            var word = text[start..at];
            // Everything behind a bare "--" is init's.
            if (word == "--")
                break;
            var bare = word.Replace("\"", "", StringComparison.Ordinal);
            var equals = bare.IndexOf('=');
            words.Add(equals < 0
                ? new Word(ModprobeFile.Normal(bare), null, start, at - start)
                : new Word(ModprobeFile.Normal(bare[..equals]), bare[(equals + 1)..], start, at - start));
        }
        return new KernelWords(text, words.ToImmutable(), isUnclosed);

        static bool IsBlank(char letter) => letter is ' ' or '\t' or '\n' or '\v' or '\f' or '\r';
    }

    /// <summary>The words of a name; the kernel takes the last of a plain parameter.</summary>
    public IEnumerable<Word> Find(string name) => Words.Where(word => word.Name == ModprobeFile.Normal(name));

    /// <summary>The line with a word in place of another; an empty one takes it out, with the blank before it.</summary>
    public string Replace(Word word, string with)
    {
        var start = word.At;
        if (with.Length == 0 && start > 0 && Text[start - 1] is ' ' or '\t')
            start--;
        var end = word.At + word.Length;
        if (with.Length == 0 && start == 0 && end < Text.Length && Text[end] is ' ' or '\t')
            end++;
        return string.Concat(Text.AsSpan(0, start), with, Text.AsSpan(end));
    }

    /// <summary>The line with another word, before a bare "--".</summary>
    public string With(string word)
    {
        var end = Words.IsEmpty ? 0 : Words[^1].At + Words[^1].Length;
        return Words.IsEmpty && Text.TrimStart().StartsWith("--", StringComparison.Ordinal) ? $"{word} {Text.TrimStart()}"
            : Words.IsEmpty ? word + Text : $"{Text[..end]} {word}{Text[end..]}";
    }
}
