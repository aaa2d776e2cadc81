using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Tests;

/// <summary>
/// A recorded host written by hand, in the shape that a kernel would show. Lines:
/// <list type="bullet">
/// <item><c>pci ADDRESS VENDOR:DEVICE CLASS [word...]</c>, a function; words are <c>below=BRIDGE</c>, <c>bus=NN</c> (right below a bridge),
/// <c>pcie=TYPE</c>, <c>acs</c>, <c>mf</c>, <c>flr</c>, <c>msi</c>, <c>pin=</c>, <c>irq=</c>, <c>serial=</c>, <c>driver=</c>, <c>override=</c>, <c>group=</c>, <c>node=</c>,
/// <c>pf=ADDRESS</c>, <c>resets=flr,bus</c>, <c>boot_vga</c>, <c>bar=START-END[:HOLDER]</c>.</item>
/// <item><c>net NAME ADDRESS|- [index=] [master=] [upper=] [lower=] [wireless] [up]</c>, an interface; a dash for one that is no function's.</item>
/// <item><c>block NAME ADDRESS|-|subsystem=NAME MAJOR:MINOR [of=DISK] [slaves=A,B] [holders=A,B] [fs=] [label=] [table=]</c>, a block device.</item>
/// <item><c>nvme NAME ADDRESS [subsystem=NAME]</c>, a controller.</item>
/// <item><c>hex PATH BYTES...</c>, a file that is no text; <c>link PATH TARGET</c>; <c>dir PATH</c>; <c>file PATH</c>, whose text follows indented by four spaces.</item>
/// </list>
/// </summary>
sealed class HostRecord
{
    readonly RecordedTree tree = new();
    readonly Dictionary<PciAddress, string> places = [];
    readonly StringBuilder memory = new();

    public static RecordedTree Parse(string text)
    {
        var record = new HostRecord();
        var lines = text.Split('\n');
        for (var at = 0; at < lines.Length; at++)
        {
            if (lines[at].Length == 0 || lines[at][0] is '#' or ' ')
                continue;
            var words = lines[at].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            switch (words[0])
            {
                case "pci": record.AddFunction(words); break;
                case "net": record.AddInterface(words); break;
                case "block": record.AddBlock(words); break;
                case "nvme": record.AddController(words); break;
                case "link": record.tree.AddLink(words[1], words[2]); break;
                case "hex": record.tree.AddFile(words[1], Convert.FromHexString(string.Concat(words.Skip(2)))); break;
                case "dir": record.tree.AddDirectory(words[1]); break;
                case "file":
                    record.tree.AddFile(words[1], string.Concat(lines.Skip(at + 1).TakeWhile(line => line.StartsWith("    ", StringComparison.Ordinal)).Select(line => line[4..] + "\n")));
                    break;
                default: throw new FormatException($"line {at + 1}: \"{lines[at]}\" means nothing");
            }
        }
        record.tree.AddFile("/proc/iomem", record.memory.ToString());
        return record.tree;
    }

    void AddFunction(string[] words)
    {
        var address = PciAddress.Parse(words[1]);
        var place = Value(words, "below") is string bridge ? $"{places[PciAddress.Parse(bridge)]}/{address}" : $"/sys/devices/pci{address.Segment:x4}:{address.Bus:x2}/{address}";
        places[address] = place;
        tree.AddLink($"/sys/bus/pci/devices/{address}", $"../../..{place["/sys".Length..]}");
        tree.AddFile($"{place}/config", Config(words));
        tree.AddFile($"{place}/driver_override", $"{Value(words, "override") ?? "(null)"}\n");
        tree.AddFile($"{place}/vendor", $"0x{words[2][..4]}\n");
        tree.AddFile($"{place}/device", $"0x{words[2][5..]}\n");
        tree.AddFile($"{place}/class", $"0x{words[3]}\n");
        // A blank in a name is written as the kernel writes it in its tables.
        if (Value(words, "driver")?.Replace("\\040", " ", StringComparison.Ordinal) is string driver)
        {
            tree.AddLink($"{place}/driver", $"/sys/bus/pci/drivers/{driver}");
            tree.AddDirectory($"/sys/bus/pci/drivers/{driver}");
        }
        if (Value(words, "group") is string group)
            tree.AddLink($"{place}/iommu_group", $"/sys/kernel/iommu_groups/{group}");
        if (Value(words, "pf") is string physical)
            tree.AddLink($"{place}/physfn", $"../{physical}");
        if (Value(words, "resets") is string resets)
            tree.AddFile($"{place}/reset_method", $"{resets.Replace(',', ' ')}\n");
        tree.AddFile($"{place}/irq", $"{Value(words, "irq") ?? "0"}\n");
        if (Value(words, "node") is string node)
            tree.AddFile($"{place}/numa_node", $"{node}\n");
        if (words.Contains("boot_vga"))
            tree.AddFile($"{place}/boot_vga", "1\n");
        foreach (var bar in words.Where(word => word.StartsWith("bar=", StringComparison.Ordinal)))
        {
            var (range, holder) = bar["bar=".Length..].Split(':') is [var only] ? (only, null) : (bar["bar=".Length..].Split(':')[0], bar.Split(':')[1]);
            memory.Append($"{range} : {address}\n{(holder is null ? "" : $"  {range} : {holder}\n")}");
        }
    }

    static byte[] Config(string[] words)
    {
        var type = Value(words, "pcie") is string name ? Enum.Parse<PciExpressType>(name) : (PciExpressType?)null;
        var bytes = new byte[type is null ? 256 : 4096];
        var isVirtual = Value(words, "pf") is not null;
        Word(0, isVirtual ? 0xffff : Hex(words[2][..4]));
        Word(2, isVirtual ? 0xffff : Hex(words[2][5..]));
        bytes[6] = 0x10;
        bytes[0x0b] = (byte)Hex(words[3][..2]);
        bytes[0x0a] = (byte)Hex(words[3][2..4]);
        bytes[0x09] = (byte)Hex(words[3][4..]);
        bytes[0x0e] = (byte)((Value(words, "bus") is null ? 0 : 1) | (words.Contains("mf") ? 0x80 : 0));
        bytes[0x19] = (byte)(Value(words, "bus") is string bus ? Hex(bus) : 0);
        bytes[0x3d] = (byte)(Value(words, "pin") is string pin ? Hex(pin) : 0);
        bytes[0x34] = 0x40;
        Capability(0x40, 1, words.Contains("msi") ? 0x50 : type is null ? 0 : 0x70);
        bytes[0x44] = 8;
        if (words.Contains("msi"))
            Capability(0x50, 5, type is null ? 0 : 0x70);
        if (type is null)
            return bytes;
        Capability(0x70, 0x10, 0);
        Word(0x72, 2 | ((int)type << 4));
        if (words.Contains("flr"))
            bytes[0x77] = 0x10;
        if (words.Contains("acs"))
        {
            Word(0x140, 0x000d);
            Word(0x142, 1);
            Word(0x144, 0x1f);
            Word(0x146, 0x1d);
        }
        Word(0x100, Value(words, "serial") is null ? 0x0001 : 0x0003);
        Word(0x102, words.Contains("acs") ? 0x1401 : 1);
        if (Value(words, "serial") is string serial)
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(0x104), ulong.Parse(serial, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
        return bytes;

        void Word(int at, int value) => BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(at), (ushort)value);

        void Capability(int at, byte id, int next) => (bytes[at], bytes[at + 1]) = (id, (byte)next);
    }

    void AddInterface(string[] words)
    {
        var place = words[2] == "-" ? $"/sys/devices/virtual/net/{words[1]}" : $"{places[PciAddress.Parse(words[2])]}/net/{words[1]}";
        tree.AddLink($"/sys/class/net/{words[1]}", $"../..{place["/sys".Length..]}");
        tree.AddFile($"{place}/ifindex", $"{Value(words, "index") ?? "1"}\n");
        tree.AddFile($"{place}/operstate", words.Contains("up") ? "up\n" : "down\n");
        if (Value(words, "master") is string master)
        {
            tree.AddLink($"{place}/master", $"/sys/class/net/{master}");
            tree.AddLink($"{place}/upper_{master}", $"/sys/class/net/{master}");
        }
        foreach (var kind in (string[])["upper", "lower"])
        {
            foreach (var other in Value(words, kind)?.Split(',') ?? [])
                tree.AddLink($"{place}/{kind}_{other}", $"/sys/class/net/{other}");
        }
        if (words.Contains("wireless"))
            tree.AddDirectory($"{place}/wireless");
    }

    void AddController(string[] words)
    {
        var place = $"{places[PciAddress.Parse(words[2])]}/nvme/{words[1]}";
        tree.AddDirectory(place);
        tree.AddLink($"/sys/class/nvme/{words[1]}", $"../..{place["/sys".Length..]}");
        if (Value(words, "subsystem") is string subsystem)
            tree.AddLink($"/sys/class/nvme-subsystem/{subsystem}/{words[1]}", $"../../../..{place["/sys".Length..]}");
    }

    void AddBlock(string[] words)
    {
        var name = words[1];
        var disk = Value(words, "of");
        var above = words[2] switch
        {
            "-" => "/sys/devices/virtual/block",
            _ when words[2].StartsWith("subsystem=", StringComparison.Ordinal) => $"/sys/devices/virtual/nvme-subsystem/{words[2]["subsystem=".Length..]}",
            _ => $"{places[PciAddress.Parse(words[2])]}/block",
        };
        var place = disk is null ? $"{above}/{name}" : $"{above}/{disk}/{name}";
        tree.AddLink($"/sys/class/block/{name}", $"../..{place["/sys".Length..]}");
        tree.AddLink($"/sys/dev/block/{words[3]}", $"../..{place["/sys".Length..]}");
        tree.AddFile($"{place}/dev", $"{words[3]}\n");
        tree.AddFile($"{place}/uevent", $"DEVNAME={name}\n");
        if (disk is not null)
            tree.AddFile($"{place}/partition", "1\n");
        foreach (var kind in (string[])["slaves", "holders"])
        {
            foreach (var other in Value(words, kind)?.Split(',') ?? [])
                tree.AddLink($"{place}/{kind}/{other}", $"/sys/class/block/{other}");
        }
        if (Value(words, "fs") is string type)
            tree.AddFile($"/run/udev/data/b{words[3]}", $"E:ID_FS_TYPE={type}\n{(Value(words, "label") is string label ? $"E:ID_FS_LABEL={label}\n" : "")}");
        else if (Value(words, "table") is string table)
            tree.AddFile($"/run/udev/data/b{words[3]}", $"E:ID_PART_TABLE_TYPE={table}\n");
    }

    static string? Value(string[] words, string key) => words.FirstOrDefault(word => word.StartsWith($"{key}=", StringComparison.Ordinal))?[(key.Length + 1)..];

    static int Hex(string text) => int.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
