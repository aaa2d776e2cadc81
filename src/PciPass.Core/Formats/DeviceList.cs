using System.Collections.Immutable;

namespace PciPass.Core.Formats;

/// <summary>A place in a file that cannot be understood.</summary>
/// <param name="Path">The file.</param>
/// <param name="Line">From 1; 0 when the file itself is not what it should be.</param>
/// <param name="Column">From 1.</param>
/// <param name="What">What is wrong there, quoting it.</param>
public sealed record FileError(string Path, int Line, int Column, string What)
{
    public override string ToString() => Line == 0 ? $"{Path} {What}" : $"{Path}, line {Line}, column {Column}: {What}";
}

/// <summary>
/// /etc/pcipass/devices: the functions that stay hidden over restarts, one a line in the manner of crypttab(5): address, identity, driver
/// and options, separated by blanks; <c>#</c> begins a comment. Lines that are not touched stay as they are, byte by byte.
/// </summary>
public sealed class DeviceList
{
    public const string Path = "/etc/pcipass/devices";

    const string Header = "# Functions that pcipass keeps hidden from this host's drivers: address, identity, driver, options.\n";

    readonly string text;

    DeviceList(string text, FileContent? content)
    {
        this.text = text;
        Content = content;
        Read();
    }

    /// <summary>What an absent file says: nothing.</summary>
    public static DeviceList Empty { get; } = new("", null);

    /// <summary>The file's bytes; null when it is absent.</summary>
    public FileContent? Content { get; }

    public ImmutableArray<KeptFunction> Functions { get; private set; } = [];

    /// <summary>The lines that cannot be understood; what they mean is hidden by nobody.</summary>
    public ImmutableArray<FileError> Errors { get; private set; } = [];

    public static DeviceList Parse(FileContent? content) => content is null ? Empty : new DeviceList(content.Text, content);

    /// <summary>A list that others than root may have written: nothing in it is believed.</summary>
    /// <param name="foreign">Why, in words that follow the path.</param>
    public static DeviceList Untrusted(string foreign) => new("", null) { Errors = [new FileError(Path, 0, 0, foreign)] };

    public KeptFunction? Find(PciAddress address) => Functions.FirstOrDefault(kept => kept.Address == address);

    /// <summary>The file with another line, behind all others.</summary>
    /// <param name="kept">The line.</param>
    /// <param name="name">The function's name, for people; it becomes a comment.</param>
    public FileContent With(KeptFunction kept, string name)
    {
        var before = text.Length == 0 ? Header : text.EndsWith('\n') ? text : text + "\n";
        var comment = string.Concat(name.Where(letter => letter is >= ' ' and <= '~')).Trim();
        return new FileContent($"{before}{kept.Text}{(comment.Length > 0 ? $"  # {comment}" : "")}\n");
    }

    /// <summary>The file without the line of a function; null when nothing of anybody's is left in it.</summary>
    public FileContent? Without(PciAddress address)
    {
        var gone = Find(address)?.Line;
        var left = string.Join('\n', text.Split('\n').Where((_, at) => at + 1 != gone));
        return left.Trim().Length == 0 || left == Header ? null : new FileContent(left);
    }

    void Read()
    {
        var functions = ImmutableArray.CreateBuilder<KeptFunction>();
        var errors = ImmutableArray.CreateBuilder<FileError>();
        foreach (var (at, line) in text.Split('\n').Index())
        {
            var column = 1;
            try
            {
                if (ReadLine(line, at + 1, ref column) is not KeptFunction kept)
                    continue;
                column = 1;
                if (functions.FirstOrDefault(other => other.Address == kept.Address) is KeptFunction other)
                    throw new FormatException($"{kept.Address} stands in line {other.Line} already");
                functions.Add(kept);
            }
            catch (FormatException error)
            {
                errors.Add(new FileError(Path, at + 1, column, error.Message));
            }
        }
        Functions = functions.ToImmutable();
        Errors = errors.ToImmutable();
    }

    /// <returns>Null for blank lines and comments.</returns>
    static KeptFunction? ReadLine(string line, int number, ref int column)
    {
        List<(string Word, int Column)> words = [];
        for (var at = 0; at < line.Length && line[at] != '#';)
        {
            var start = at;
            while (at < line.Length && line[at] is not (' ' or '\t' or '\r'))
                at++;
            if (at > start)
                words.Add((line[start..at], start + 1));
            while (at < line.Length && line[at] is ' ' or '\t' or '\r')
                at++;
        }
        if (words.Count == 0)
            return null;
        column = words[^1].Column;
        if (words.Count is < 3 or > 4)
            throw new FormatException($"expected address, identity, driver and options, found {words.Count} word{(words.Count == 1 ? "" : "s")}");
        column = words[0].Column;
        var address = PciAddress.Parse(words[0].Word);
        column = words[1].Column;
        var identity = PciIdentity.Parse(words[1].Word);
        column = words[2].Column;
        var driver = DriverName.Parse(words[2].Word);
        if (driver != DriverName.Pciback && driver != DriverName.VfioPci)
            throw new FormatException($"\"{driver}\" is no driver that holds functions for guests: expected pciback or vfio-pci");
        var (policy, method) = (MovePolicy.Refuse, HideMethod.Initramfs);
        if (words.Count == 4)
        {
            column = words[3].Column;
            foreach (var option in words[3].Word.Split(','))
            {
                switch (option)
                {
                    case "if-moved=refuse": policy = MovePolicy.Refuse; break;
                    case "if-moved=follow": policy = MovePolicy.Follow; break;
                    case "method=initramfs": method = HideMethod.Initramfs; break;
                    case "method=modprobe": method = HideMethod.Modprobe; break;
                    case "method=cmdline": method = HideMethod.Cmdline; break;
                    default: throw new FormatException($"\"{option}\" is no option: expected if-moved=refuse or if-moved=follow, method=initramfs, modprobe or cmdline");
                }
                column += option.Length + 1;
            }
        }
        return new KeptFunction(address, identity, driver, policy, method, number);
    }
}
