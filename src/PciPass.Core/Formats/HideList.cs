using System.Collections.Immutable;
using System.Globalization;

namespace PciPass.Core.Formats;

/// <summary>
/// xen-pciback's list of functions to hide, <c>(0000:09:00.0)(0a:04.*)</c>, by the kernel's own grammar: one entry that it cannot read
/// makes it drop the whole list, and the module does not load.
/// </summary>
/// <remarks>Linux: pcistub_init in drivers/xen/xen-pciback/pci_stub.c, whose numbers are those of its sscanf: hexadecimal, with or without 0x, any number of digits.</remarks>
public sealed class HideList
{
    /// <summary>One entry; a part that is null is the wildcard <c>*</c>.</summary>
    /// <param name="Segment">The segment; 0 where none is written.</param>
    /// <param name="Bus">The bus.</param>
    /// <param name="Device">Null for all; then all functions as well.</param>
    /// <param name="Function">Null for all.</param>
    /// <param name="At">Where it begins in the list, from 0.</param>
    /// <param name="Length">How long it is there.</param>
    public readonly record struct Entry(int Segment, int Bus, int? Device, int? Function, int At, int Length)
    {
        public bool Means(PciAddress address) => address.Segment == Segment && address.Bus == Bus
            && (Device is null || Device == address.Device) && (Function is null || Function == address.Function);

        /// <summary>Whether it means one function and no more.</summary>
        public bool IsSingle => Device is not null && Function is not null;

        public override string ToString() => $"({Segment:x4}:{Bus:x2}:{(Device is int device ? $"{device:x2}" : "*")}.{(Function is int function ? $"{function:x}" : "*")})";
    }

    HideList(string text, ImmutableArray<Entry> entries, int errorAt, string? error) => (Text, Entries, ErrorAt, Error) = (text, entries, errorAt, error);

    public string Text { get; }

    /// <summary>The entries; none of them is hidden by anything when there is an error.</summary>
    public ImmutableArray<Entry> Entries { get; }

    /// <summary>Where the kernel stops reading, from 0; meaningful with an error.</summary>
    public int ErrorAt { get; }

    /// <summary>Why; null when the kernel takes the list.</summary>
    public string? Error { get; }

    public static HideList Parse(string text)
    {
        var entries = ImmutableArray.CreateBuilder<Entry>();
        var at = 0;
        while (at < text.Length)
        {
            if (ReadEntry(text, at) is not var (entry, next))
                return new HideList(text, entries.ToImmutable(), at, $"\"{Quoted(text, at)}\" is no (segment:bus:device.function)");
            entries.Add(entry);
            // What the kernel refuses for its range stops it like what it cannot read.
            if (entry.Segment is < 0 or > 0xffff || entry.Bus is < 0 or > 0xff || entry.Device is < 0 or > 0x1f || entry.Function is < 0 or > 7)
                return new HideList(text, entries.ToImmutable(), at, $"\"{Quoted(text, at)}\" is out of range: a segment ends at ffff, a bus at ff, a device at 1f, a function at 7");
            at = next;
        }
        return new HideList(text, entries.ToImmutable(), 0, null);
    }

    /// <summary>The list with one function more; the same where an entry means it already.</summary>
    public string With(PciAddress address) => Entries.Any(entry => entry.Means(address)) ? Text : $"{Text}({address})";

    /// <summary>The list without a function; null when a wildcard means it, which means others too.</summary>
    public string? Without(PciAddress address)
    {
        var left = Text;
        foreach (var entry in Entries.Where(entry => entry.Means(address)).Reverse())
        {
            if (!entry.IsSingle)
                return null;
            left = left.Remove(entry.At, entry.Length);
        }
        return left;
    }

    static (Entry Entry, int Next)? ReadEntry(string text, int start)
    {
        // The kernel tries the four forms with a segment first, then those without.
        foreach (var hasSegment in (ReadOnlySpan<bool>)[true, false])
        {
            var at = Blanks(text, start);
            if (!Take(text, ref at, '('))
                return null;
            long segment = 0;
            if ((hasSegment && !(Number(text, ref at, out segment) && Take(text, ref at, ':'))) || !Number(text, ref at, out var bus) || !Take(text, ref at, ':'))
                continue;
            int? device = null, function = null;
            if (Number(text, ref at, out var number))
            {
                device = Range(number);
                if (!Take(text, ref at, '.'))
                    continue;
                if (Number(text, ref at, out number))
                    function = Range(number);
                else if (!Take(text, ref at, '*'))
                    continue;
            }
            else if (!Take(text, ref at, '*') || !Take(text, ref at, '.') || !Take(text, ref at, '*'))
            {
                continue;
            }
            if (!Take(text, ref at, ')'))
                continue;
            return (new Entry(Range(segment), Range(bus), device, function, start, at - start), Blanks(text, at));
        }
        return null;
    }

    static int Range(long number) => number > int.MaxValue ? int.MaxValue : (int)number;

    static int Blanks(string text, int at)
    {
        while (at < text.Length && text[at] is ' ' or '\t' or '\n' or '\v' or '\f' or '\r')
            at++;
        return at;
    }

    static bool Take(string text, ref int at, char letter)
    {
        if (at >= text.Length || text[at] != letter)
            return false;
        at++;
        return true;
    }

    /// <summary>The kernel's %x: leading blanks and 0x are passed over.</summary>
    static bool Number(string text, ref int at, out long number)
    {
        number = 0;
        var here = Blanks(text, at);
        if (here + 2 < text.Length && text[here] == '0' && text[here + 1] is 'x' or 'X' && char.IsAsciiHexDigit(text[here + 2]))
            here += 2;
        var from = here;
        while (here < text.Length && char.IsAsciiHexDigit(text[here]))
        {
            number = Math.Min((number << 4) | long.Parse(text.AsSpan(here, 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture), int.MaxValue);
            here++;
        }
        if (here == from)
            return false;
        at = here;
        return true;
    }

    static string Quoted(string text, int at)
    {
        var close = text.IndexOf(')', at);
        var end = close < 0 ? text.Length : close + 1;
        return text[at..Math.Min(end, at + 40)];
    }
}
