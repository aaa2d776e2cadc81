namespace PciPass.Core.Formats;

/// <summary>Patterns with <c>*</c>, <c>?</c> and <c>[...]</c>, as fnmatch(3) takes them without flags.</summary>
public static class Glob
{
    public static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        // After a star that was tried at every place, only a later star can help: the last one is enough to go back to.
        var (star, from) = (-1, 0);
        var (at, here) = (0, 0);
        while (here < text.Length)
        {
            if (at < pattern.Length && pattern[at] == '*')
            {
                (star, from) = (at++, here);
            }
            else if (at < pattern.Length && One(pattern[at..], text[here]) is > 0 and var length)
            {
                at += length;
                here++;
            }
            else if (star >= 0)
            {
                at = star + 1;
                here = ++from;
            }
            else
            {
                return false;
            }
        }
        return pattern[at..].TrimStart('*').IsEmpty;
    }

    /// <summary>How long the part of the pattern is that means this letter; 0 when it does not.</summary>
    static int One(ReadOnlySpan<char> pattern, char letter)
    {
        if (pattern[0] == '?')
            return 1;
        var close = pattern[0] == '[' && pattern.Length > 2 ? pattern[2..].IndexOf(']') + 2 : -1;
        if (close < 2)
            return pattern[0] == letter ? 1 : 0;
        var isNot = pattern[1] is '!' or '^';
        var found = false;
        for (var at = isNot ? 2 : 1; at < close; at++)
        {
            if (at + 2 < close && pattern[at + 1] == '-')
            {
                found |= letter >= pattern[at] && letter <= pattern[at + 2];
                at += 2;
            }
            else
            {
                found |= letter == pattern[at];
            }
        }
        return found != isNot ? close + 1 : 0;
    }
}
