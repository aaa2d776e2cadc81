using System.Collections.Immutable;
using System.Globalization;

namespace PciPass.Core.Formats;

/// <summary>
/// An entry of a <c>pci</c> list: xl's <c>[DDDD:]BB:SS.F[@VSLOT][,KEY=VALUE]*</c> or <c>KEY=VALUE[,KEY=VALUE]*</c>, where F may be
/// <c>*</c> (xl-pci-configuration(5); read as libxlu_pci.c reads it), or the form of xm, in which F may be a list and a range as well,
/// each with the function number that the guest sees: <c>0,2-3</c>, <c>1=0</c> (xend's parse_pci_name_extended).
/// </summary>
public sealed record PciSpecification
{
    static readonly string[] XlKeys = ["permissive", "msitranslate", "seize", "power_mgmt", "rdm_policy"];

    PciSpecification(string text) => Text = text;

    /// <summary>The entry as it stands in the file, without its quotes.</summary>
    public string Text { get; }

    /// <summary>Function 0 of the device that is named; null where a <see cref="Name"/> stands for it.</summary>
    public PciAddress? Device { get; private init; }

    /// <summary>The functions of <see cref="Device"/> that are meant; all eight with <c>*</c>, whichever of them exist.</summary>
    public ImmutableSortedSet<int> FunctionNumbers { get; private init; } = [];

    /// <summary>Whether the function is given as <c>*</c>.</summary>
    public bool IsEvery { get; private init; }

    /// <summary>The slot in which the guest is to see it, 0 to 1f.</summary>
    public int? VirtualSlot { get; private init; }

    /// <summary>The name that <c>xl pci-assignable-add -n</c> gave to the function, where it stands instead of an address.</summary>
    public string? Name { get; private init; }

    /// <summary>The other keys, in their order.</summary>
    public ImmutableArray<KeyValuePair<string, string>> Options { get; private init; } = [];

    /// <summary>Where in the text xm's list of functions stands.</summary>
    (int Start, int End)? Listed { get; init; }

    /// <summary>Why xl does not take it, in xl's own words where it has some; null where it does.</summary>
    public string? XlError { get; private init; }

    /// <summary>Whether neither xl nor xm can make anything of it.</summary>
    public bool IsUnclear => Device is null && Name is null;

    /// <summary>The functions that may be meant.</summary>
    public IEnumerable<PciAddress> Functions => Device is PciAddress device
        ? FunctionNumbers.Select(number => new PciAddress(device.Segment, device.Bus, device.Device, number))
        : [];

    /// <summary>The value of a key; null where it does not stand there. The last one counts.</summary>
    public string? Option(string key) => Options.LastOrDefault(option => option.Key == key).Value;

    /// <summary>Reads an entry; never fails (<see cref="IsUnclear"/>, <see cref="XlError"/>).</summary>
    public static PciSpecification Parse(string text)
    {
        var xl = ParseXl(text);
        return xl.XlError is not null && ParseXm(text) is PciSpecification xm ? xm with { XlError = xl.XlError } : xl;
    }

    /// <summary>The same entry for the other functions that it names; null where it names no others.</summary>
    /// <exception cref="FormatException">It does not list its functions one by one.</exception>
    public string? Without(int function)
    {
        var left = FunctionNumbers.Remove(function);
        if (left.Count == FunctionNumbers.Count)
            return Text;
        if (left.IsEmpty)
            return null;
        // With '*', which functions are left is a matter of the hardware; with '=', the guest's numbers would have to be chosen anew.
        if (IsEvery || Listed is not (var start, var end) || Text.AsSpan(start, end - start).ContainsAny('*', '='))
            throw new FormatException($"the entry '{Text}' names it together with others");
        List<string> ranges = [];
        foreach (var number in left)
        {
            if (ranges.Count > 0 && ranges[^1][^1] - '0' == number - 1)
                ranges[^1] = $"{ranges[^1][0]}-{number}";
            else
                ranges.Add($"{number}");
        }
        return $"{Text[..start]}{string.Join(',', ranges)}{Text[end..]}";
    }

    /// <summary>The same entry, with the function known that its name means.</summary>
    public PciSpecification NamedAs(PciAddress address) => Naming(new PciAddress(address.Segment, address.Bus, address.Device, 0), address.Function);

    static PciSpecification ParseXl(string text)
    {
        var found = new PciSpecification(text);
        var options = ImmutableArray.CreateBuilder<KeyValuePair<string, string>>();
        var at = 0;
        if (TryBdf(text, ref at, out var device, out var function))
        {
            found = found.Naming(device, function);
            if (at < text.Length && text[at] == '@')
            {
                at++;
                if (!TryHex(text, ref at, 0x1f, out var slot))
                    return Unclear($"\"{text}\" has no slot from 0 to 1f behind its @");
                found = found with { VirtualSlot = slot };
            }
            if (at < text.Length && text[at++] != ',')
                return Unclear($"\"{text}\" goes on behind its function with neither @ nor a comma");
        }
        while (at < text.Length)
        {
            var equals = text.IndexOf('=', at);
            if (equals < 0)
                return Unclear(at == 0 ? $"\"{text}\" is no address and no KEY=VALUE" : $"\"{text[at..]}\" is no KEY=VALUE");
            var comma = text.IndexOf(',', equals);
            var end = comma < 0 ? text.Length : comma;
            var (key, value) = (text[at..equals], text[(equals + 1)..end]);
            at = comma < 0 ? end : end + 1;
            var into = 0;
            switch (key)
            {
                case "bdf" when TryBdf(value, ref into, out device, out function):
                    found = found.Naming(device, function);
                    break;
                case "bdf":
                    return Unclear($"\"{value}\" is no address");
                case "vslot" when TryHex(value, ref into, 0x1f, out var slot):
                    found = found with { VirtualSlot = slot };
                    break;
                case "vslot":
                    return Unclear($"\"{value}\" is no slot from 0 to 1f");
                case "name":
                    found = found with { Name = value };
                    break;
                case "rdm_policy" when !value.Equals("strict", StringComparison.OrdinalIgnoreCase) && !value.Equals("relaxed", StringComparison.OrdinalIgnoreCase):
                    return found with { XlError = $"Unknown RDM policy: {value}" };
                case var _ when !XlKeys.Contains(key):
                    return found with { XlError = $"Unknown PCI_SPEC_STRING option: {key}" };
                default:
                    options.Add(KeyValuePair.Create(key, value));
                    break;
            }
        }
        found = found with { Options = options.ToImmutable() };
        return (found.Device is null) == (found.Name is null)
            ? found with { XlError = found.Device is null ? $"\"{text}\" names no function" : $"\"{text}\" has both an address and a name" }
            : found;

        PciSpecification Unclear(string why) => new(text) { XlError = why };
    }

    PciSpecification Naming(PciAddress device, int? function) => this with
    {
        Device = device,
        IsEvery = function is null,
        FunctionNumbers = function is int one ? [one] : [.. Enumerable.Range(0, 8)],
    };

    /// <summary>xm: <c>[DDDD:]BB:SS.FUNCTIONS[@VSLOT][,KEY=VALUE]*</c>; the colons and the dot may be commas.</summary>
    static PciSpecification? ParseXm(string text)
    {
        var at = 0;
        List<int> numbers = [];
        while (numbers.Count < 3 && TryHex(text, ref at, 0xffff, out var number) && at < text.Length)
        {
            numbers.Add(number);
            if (text[at] == '.' || (text[at] == ',' && numbers.Count == 3))
                break;
            if (text[at] is not (':' or ','))
                return null;
            at++;
        }
        if (numbers.Count < 2 || at >= text.Length || text[at] is not ('.' or ','))
            return null;
        if (numbers.Count == 2)
            numbers.Insert(0, 0);
        if (numbers[1] > 0xff || numbers[2] > 0x1f)
            return null;
        at++;
        var start = at;
        HashSet<int> functions = [];
        var every = false;
        while (true)
        {
            var (low, high) = (0, 7);
            if (at < text.Length && text[at] == '*')
                (every, at) = (true, at + 1);
            else if (!TryFunction(ref at, out low))
                return null;
            else if (at < text.Length && text[at] == '-')
            {
                at++;
                if (!TryFunction(ref at, out high))
                    return null;
            }
            else
                high = low;
            for (var function = Math.Min(low, high); function <= Math.Max(low, high); function++)
                functions.Add(function);
            if (at + 1 < text.Length && text[at] == ',' && text[at + 1] is >= '0' and <= '7' or '*')
                at++;
            else
                break;
        }
        var listed = (start, at);
        int? slot = null;
        if (at < text.Length && text[at] == '@')
        {
            at++;
            if (!TryHex(text, ref at, 0x1f, out var one))
                return null;
            slot = one;
        }
        List<KeyValuePair<string, string>> options = [];
        if (at < text.Length)
        {
            if (text[at] != ',')
                return null;
            foreach (var option in text[(at + 1)..].Split(','))
            {
                var equals = option.IndexOf('=');
                if (equals < 1)
                    return null;
                options.Add(KeyValuePair.Create(option[..equals], option[(equals + 1)..]));
            }
        }
        return new PciSpecification(text)
        {
            Device = new PciAddress(numbers[0], numbers[1], numbers[2], 0),
            FunctionNumbers = [.. functions],
            IsEvery = every,
            VirtualSlot = slot,
            Options = [.. options],
            Listed = listed,
        };

        bool TryFunction(ref int position, out int function)
        {
            function = 0;
            if (position >= text.Length || text[position] is not (>= '0' and <= '7'))
                return false;
            function = text[position++] - '0';
            // F=G: the guest sees host function F as G.
            if (position + 1 < text.Length && text[position] == '=' && text[position + 1] is >= '0' and <= '7')
                position += 2;
            return true;
        }
    }

    /// <param name="text">The text.</param>
    /// <param name="at">Where it begins; behind it afterwards.</param>
    /// <param name="device">Function 0 of the device.</param>
    /// <param name="function">The function; null for <c>*</c>.</param>
    static bool TryBdf(string text, ref int at, out PciAddress device, out int? function)
    {
        (device, function) = (default, null);
        var start = at;
        var colons = 0;
        for (var each = at; each < text.Length && (char.IsAsciiHexDigit(text[each]) || text[each] == ':'); each++)
            colons += text[each] == ':' ? 1 : 0;
        var segment = 0;
        if (colons is not (1 or 2)
            || (colons == 2 && !(TryHex(text, ref start, 0xffff, out segment) && Take(':')))
            || !(TryHex(text, ref start, 0xff, out var bus) && Take(':') && TryHex(text, ref start, 0x1f, out var slot) && Take('.')))
            return false;
        if (start < text.Length && text[start] == '*')
            start++;
        else if (TryHex(text, ref start, 7, out var one))
            function = one;
        else
            return false;
        device = new PciAddress(segment, bus, slot, 0);
        at = start;
        return true;

        bool Take(char letter) => start < text.Length && text[start++] == letter;
    }

    static bool TryHex(string text, ref int at, int most, out int value)
    {
        var end = at;
        while (end < text.Length && char.IsAsciiHexDigit(text[end]))
            end++;
        // Leading zeros may be as many as one likes.
        var digits = text.AsSpan(at, end - at).TrimStart('0');
        value = 0;
        if (end == at || digits.Length > 4 || (digits.Length > 0 && !int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)) || value > most)
            return false;
        at = end;
        return true;
    }

    public override string ToString() => Text;
}
