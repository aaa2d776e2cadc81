using System.Collections.Immutable;
using System.Globalization;
using System.Xml;

namespace PciPass.Core.Formats;

/// <summary>
/// libvirt's XML of a guest (formatdomain): its name, what runs it, and its functions; and the same text with a function more or less, in
/// which every other byte stays. Document types and entities are refused, and 4 MiB are the most.
/// </summary>
public sealed class DomainXml
{
    const int Most = 4 * 1024 * 1024;

    readonly string text;
    readonly List<int> lineStarts = [0];
    readonly List<(int Start, int End)> comments = [];

    /// <summary>The element <c>devices</c>: where its start tag begins, where that ends, and where its end tag begins (null where it has none).</summary>
    (int Start, int Inside, int? Close)? devices;
    int? firstChild;
    int? lastHostDevice;

    DomainXml(string text)
    {
        this.text = text;
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] == '\n' || (text[at] == '\r' && (at + 1 == text.Length || text[at + 1] != '\n')))
                lineStarts.Add(at + 1);
        }
        try
        {
            Read();
        }
        catch (XmlException error)
        {
            Problem = error.LineNumber > 0 && error.LineNumber <= lineStarts.Count ? $"line {error.LineNumber}: {error.Message}" : error.Message;
        }
        catch (FormatException error)
        {
            Problem = error.Message;
        }
    }

    /// <summary>Reads a text; never fails (<see cref="Problem"/>).</summary>
    public static DomainXml Parse(string text) => new(text);

    /// <summary>Why the text cannot be understood; null where it can.</summary>
    public string? Problem { get; private set; }

    public string? Name { get; private set; }

    /// <summary>The attribute <c>type</c>: <c>xen</c>, <c>kvm</c>, <c>qemu</c>.</summary>
    public string? Type { get; private set; }

    /// <summary>What the guest's operating system is started as: <c>hvm</c>, <c>linux</c> or <c>xen</c> (PV), <c>xenpvh</c>.</summary>
    public string? OsType { get; private set; }

    public ImmutableArray<XmlHostDevice> HostDevices { get; private set; } = [];

    /// <summary>
    /// The buses that take one more function each while the guest runs: empty root ports and switch ports, by their numbers in the XML, and the
    /// root bus of the old PC (i440fx), once for each free slot. Null where it names no bus at all, as a definition before libvirt has filled it.
    /// </summary>
    public ImmutableArray<string>? FreePorts { get; private set; }

    /// <summary>The functions that it gives to its guest.</summary>
    public IEnumerable<PciAddress> Functions => HostDevices.Select(device => device.Address);

    /// <summary>An element of this text as it stands there.</summary>
    public string TextOf(XmlHostDevice device) => text[device.Start..device.End];

    /// <summary>The element that gives a guest a function, as libvirt writes it.</summary>
    /// <param name="address">The function.</param>
    /// <param name="managed">Whether libvirt is to take it from the host at each start, and to give it back.</param>
    public static string Element(PciAddress address, bool managed) => string.Concat(Lines(address, managed, "  ").Select(line => line.Trim()));

    static string[] Lines(PciAddress address, bool managed, string unit) =>
    [
        $"<hostdev mode='subsystem' type='pci' managed='{(managed ? "yes" : "no")}'>",
        $"{unit}<source>",
        $"{unit}{unit}<address domain='0x{address.Segment:x4}' bus='0x{address.Bus:x2}' slot='0x{address.Device:x2}' function='0x{address.Function:x1}'/>",
        $"{unit}</source>",
        "</hostdev>",
    ];

    /// <summary>The text with a function more, behind the others, as libvirt writes it.</summary>
    /// <param name="address">The function.</param>
    /// <param name="managed">Whether libvirt is to take it from the host at each start, and to give it back.</param>
    /// <exception cref="FormatException">It cannot be changed without guessing; the message says where and why.</exception>
    public string With(PciAddress address, bool managed)
    {
        if (Demand().devices is not var (start, inside, close))
            throw new FormatException("it has no <devices>");
        var quote = text.IndexOfAny(['\'', '"'], text.IndexOf("<domain", StringComparison.Ordinal)) is var first && first >= 0 ? text[first] : '\'';
        var outer = IndentationOf(start);
        var indentation = firstChild is int child ? IndentationOf(child) : outer is null ? null : outer + "  ";
        var unit = indentation is not null && outer is not null && indentation.Length > outer.Length && indentation.StartsWith(outer, StringComparison.Ordinal) ? indentation[outer.Length..] : "  ";
        var lines = Lines(address, managed, unit);
        var end = text.IndexOf('\n') is var newline && newline > 0 && text[newline - 1] == '\r' ? "\r\n" : "\n";
        var element = string.Concat(lines.Select(line => indentation is null ? line.Trim() : $"{indentation}{line}{end}")).Replace('\'', quote);
        string after;
        if (close is not int at)
        {
            // <devices/> is opened.
            var tag = text[start..inside];
            after = $"{text[..start]}{tag[..^2].TrimEnd()}>{(indentation is null ? "" : end)}{element}{outer}</devices>{text[inside..]}";
        }
        else if (indentation is not null && lastHostDevice is int last && RestOfLine(last) is int next)
        {
            after = text.Insert(next, element);
        }
        else if (indentation is not null && IndentationOf(at) is string closing)
        {
            after = text.Insert(at - closing.Length, element);
        }
        else
        {
            after = text.Insert(at, string.Concat(lines.Select(line => line.Trim())).Replace('\'', quote));
        }
        return Proven(after, HostDevices.Length + 1, read => read.Functions.Order().SequenceEqual(Functions.Append(address).Order()));
    }

    /// <summary>The text without a function; the same text where it is not in it.</summary>
    /// <exception cref="FormatException">It cannot be changed without guessing; the message says where and why.</exception>
    public string Without(PciAddress address)
    {
        _ = Demand();
        var after = text;
        // From the last on, so that the places of the others stay true.
        foreach (var device in HostDevices.Where(device => device.Address == address).OrderByDescending(device => device.Start))
        {
            if (device.IsInterface)
                throw new FormatException($"line {LineOf(device.Start)}: an <interface type='hostdev'> gives it to the guest, with settings of a network card");
            // What was noted inside of it stays.
            var kept = comments.Where(comment => comment.Start >= device.Start && comment.End <= device.End).Select(comment => text[comment.Start..comment.End]).ToArray();
            if (kept.Length > 0)
            {
                after = after.Remove(device.Start, device.End - device.Start).Insert(device.Start, string.Join($"\n{IndentationOf(device.Start)}", kept));
            }
            else
            {
                var (from, to) = IndentationOf(device.Start) is string before && RestOfLine(device.End) is int next ? (device.Start - before.Length, next) : (device.Start, device.End);
                after = after.Remove(from, to - from);
            }
        }
        return after == text ? text : Proven(after, HostDevices.Count(device => device.Address != address), read => read.Functions.SequenceEqual(Functions.Where(each => each != address)));
    }

    DomainXml Demand() => Problem is null ? this : throw new FormatException(Problem);

    /// <summary>A text is only what it should be when it reads so, with every comment that was there.</summary>
    string Proven(string after, int count, Func<DomainXml, bool> isSo)
    {
        var read = new DomainXml(after);
        return read.Problem is null && read.HostDevices.Length == count && isSo(read) && (read.Name, read.Type) == (Name, Type)
            && read.comments.Select(comment => after[comment.Start..comment.End]).SequenceEqual(comments.Select(comment => text[comment.Start..comment.End]))
            ? after
            : throw new FormatException("it cannot be changed without touching more than the function");
    }

    // ---- reading --------------------------------------------------------------------------------------------------------------------

    void Read()
    {
        if (text.Length > Most)
            throw new FormatException("it is longer than 4 MiB");
        // A byte order mark of UTF-8, as Latin-1 shows it.
        var skipped = text.StartsWith("\u00ef\u00bb\u00bf", StringComparison.Ordinal) ? 3 : 0;
        using var reader = new XmlTextReader(text[skipped..], XmlNodeType.Document, null) { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null, EntityHandling = EntityHandling.ExpandEntities, Normalization = true };
        var lines = (IXmlLineInfo)reader;
        var found = ImmutableArray.CreateBuilder<XmlHostDevice>();
        List<string> path = [];
        List<(int Index, string? Model)> controllers = [];
        HashSet<(int Bus, int Slot)> used = [];
        Device? device = null;
        while (reader.Read())
        {
            var at = lineStarts[lines.LineNumber - 1] + lines.LinePosition - 1 + (lines.LineNumber == 1 ? skipped : 0);
            switch (reader.NodeType)
            {
                case XmlNodeType.Comment:
                    comments.Add((at - 4, at + reader.Value.Length + 3 is var end && end <= text.Length && text[(end - 3)..end] == "-->" ? end : text.IndexOf("-->", at, StringComparison.Ordinal) + 3));
                    break;
                case XmlNodeType.Element:
                    var name = reader.Name;
                    var isEmpty = reader.IsEmptyElement;
                    path.Add(name);
                    var here = string.Join('/', path.Take(5));
                    if (path.Count == 1)
                    {
                        if (name != "domain")
                            throw new FormatException($"line {lines.LineNumber}: <{name}> is no <domain>");
                        Type = reader.GetAttribute("type");
                    }
                    else if (here == "domain/devices" && devices is null)
                    {
                        devices = (at - 1, TagEnd(at), null);
                    }
                    else if (path.Count == 3 && path[1] == "devices")
                    {
                        firstChild ??= at - 1;
                        if (name == "hostdev" && reader.GetAttribute("type") == "pci" && reader.GetAttribute("mode") is null or "subsystem" || (name == "interface" && reader.GetAttribute("type") == "hostdev"))
                            device = new Device(name, at - 1, reader.GetAttribute("managed") == "yes");
                        if (name == "controller" && reader.GetAttribute("type") == "pci" && int.TryParse(reader.GetAttribute("index"), NumberStyles.None, CultureInfo.InvariantCulture, out var index))
                            controllers.Add((index, reader.GetAttribute("model")));
                    }
                    else if (path.Count == 4 && path[1] == "devices" && name == "address" && reader.GetAttribute("type") == "pci")
                    {
                        try
                        {
                            var slot = Address(reader, lines.LineNumber);
                            used.Add((slot.Bus, slot.Device));
                            device?.Slot = slot;
                        }
                        catch (FormatException)
                        {
                            // The guest's own side: what is meant is libvirt's to say.
                        }
                    }
                    else if (path.Count == 4 && device is not null && name == "alias")
                    {
                        device.Alias = reader.GetAttribute("name");
                    }
                    else if (device is { Address: null } && here == $"domain/devices/{device.Element}/source/address")
                    {
                        device.Address = Address(reader, lines.LineNumber);
                    }
                    if (isEmpty)
                        Close(path, TagEnd(at), ref device, found);
                    break;
                case XmlNodeType.EndElement:
                    if (path.Count == 2 && path[1] == "devices" && devices is (var opened, var inside, null))
                        devices = (opened, inside, at - 2);
                    Close(path, TagEnd(at), ref device, found);
                    break;
                case XmlNodeType.Text when path.Count == 2 && path[0] == "domain" && path[1] == "name":
                    Name = reader.Value.Trim();
                    break;
                case XmlNodeType.Text when path.Count == 3 && path[1] == "os" && path[2] == "type":
                    OsType = reader.Value.Trim();
                    break;
            }
        }
        HostDevices = found.ToImmutable();
        if (controllers.Count > 0)
            FreePorts = [.. Free(controllers, used)];
    }

    static IEnumerable<string> Free(List<(int Index, string? Model)> controllers, HashSet<(int Bus, int Slot)> used)
    {
        foreach (var (index, model) in controllers.OrderBy(controller => controller.Index))
        {
            if (model is "pcie-root-port" or "pcie-switch-downstream-port" && !used.Any(place => place.Bus == index))
                yield return $"bus {index}";
            // Slot 0 is the host bridge, whom nothing in the XML names.
            for (var slot = 1; model == "pci-root" && slot < 32; slot++)
            {
                if (!used.Contains((index, slot)))
                    yield return $"bus {index}";
            }
        }
    }

    /// <summary>A function's element that is being read.</summary>
    sealed record Device(string Element, int Start, bool Managed)
    {
        public PciAddress? Address { get; set; }
        public PciAddress? Slot { get; set; }
        public string? Alias { get; set; }
    }

    void Close(List<string> path, int end, ref Device? device, ImmutableArray<XmlHostDevice>.Builder found)
    {
        if (path.Count == 3 && device is not null)
        {
            if (device.Address is PciAddress function)
            {
                found.Add(new XmlHostDevice(function, device.Managed, device.Element == "interface", device.Start, end) { Alias = device.Alias, Slot = device.Slot });
                lastHostDevice = end;
            }
            device = null;
        }
        path.RemoveAt(path.Count - 1);
    }

    /// <summary>Behind the tag whose name begins there: a <c>&gt;</c> within quotes does not end it.</summary>
    int TagEnd(int at)
    {
        for (var quote = '\0'; at < text.Length; at++)
        {
            if (quote != '\0')
                quote = text[at] == quote ? '\0' : quote;
            else if (text[at] == '>')
                return at + 1;
            else if (text[at] is '\'' or '"')
                quote = text[at];
        }
        return text.Length;
    }

    /// <summary>The attributes are numbers as C writes them: <c>0x1f</c>, <c>31</c>, <c>037</c> (virStrToLong with base 0).</summary>
    static PciAddress Address(XmlReader reader, int line)
    {
        return new PciAddress(Number("domain", 0xffff, 0), Number("bus", 0xff), Number("slot", 0x1f), Number("function", 7, 0));

        int Number(string attribute, int most, int? otherwise = null)
        {
            var word = reader.GetAttribute(attribute)?.Trim();
            if (word is null && otherwise is int given)
                return given;
            long value = -1;
            if (word is not null && word.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
                value = long.TryParse(word.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number) ? number : -1;
            else if (word is ['0', ..] && word.Length < 12 && word.All(letter => letter is >= '0' and <= '7'))
                value = word.Aggregate(0L, (sum, letter) => (sum * 8) + letter - '0');
            else if (!long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out value) || word is ['0', _, ..])
                value = -1;
            return value >= 0 && value <= most ? (int)value : throw new FormatException($"line {line}: \"{word}\" is no {attribute} of a PCI address");
        }
    }

    /// <summary>The blanks before a place, where nothing else is before it in its line; else null.</summary>
    string? IndentationOf(int at)
    {
        var start = at;
        while (start > 0 && text[start - 1] is ' ' or '\t')
            start--;
        return start > 0 && text[start - 1] is '\n' or '\r' ? text[start..at] : null;
    }

    /// <summary>Where the next line begins, where nothing but blanks is behind a place in its line; else null.</summary>
    int? RestOfLine(int at)
    {
        while (at < text.Length && text[at] is ' ' or '\t' or '\r')
            at++;
        return at < text.Length && text[at] == '\n' ? at + 1 : null;
    }

    int LineOf(int at) => lineStarts.BinarySearch(at) is var found && found >= 0 ? found + 1 : ~found;
}
