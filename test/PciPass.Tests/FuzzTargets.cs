using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.IO.Compression;
using System.Reflection;
using System.Text;
using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>What decides a start, what came out of other programs, and whole hosts of which one file is arbitrary.</summary>
public partial class FuzzTests
{
    static readonly ImmutableSortedDictionary<PciAddress, PciFunction> NoFunctions = ImmutableSortedDictionary<PciAddress, PciFunction>.Empty;

    static readonly RecordedTree[] Hosts = [.. ((string[])["desktop-gpu", "laptop", "nvme-lvm-md", "rhel5-bnx2", "server-network", "vmd", "lab-rich"]).Select(name =>
    {
        var tree = RecordedHostTests.Open(name);
        tree.AddFile("/proc/uptime", "100000.25 1\n");
        return tree;
    })];

    static readonly string TarFile = Path.Combine(Path.GetTempPath(), $"pcipass-fuzz-{Environment.ProcessId}.tar");

    static readonly (string Name, string[] Seeds, Action<byte[]> Parse)[] Others =
    [
        ("kernel's modules", ["kernel/drivers/net/e1000e.ko.xz: kernel/lib/a.ko\n\fkernel/drivers/b.ko\n\fe1000e.alias=pci:v00008086d*\0b.license=GPL\0\falias pci:v00008086d000010D3sv*sd*bc*sc*i* e1000e\n"], bytes =>
        {
            string[] parts = [.. Text(bytes).Split('\f'), "", "", "", ""];
            var modules = KernelModules.Parse("6.1", parts[0], parts[1], parts[2], parts[3]);
            _ = modules.Aliases.Count(each => Glob.Matches(each.Pattern, "pci:v00008086d000010D3sv00000000sd00000000bc02sc00i00"));
        }),
        ("DMAR", ["DMAR" + new string('\0', 44) + "\x01\0\x20\0\0\0\0\0" + new string('\0', 16) + "\x01\x08\0\0\0\0\x01\0"], bytes => DmarTable.Parse(bytes)?.Resolve(NoFunctions).Count()),
        ("resources", ["fe000000-fe0fffff : PCI Bus 0000:09\n  fe000000-fe01ffff : 0000:09:00.0\n    fe000000-fe01ffff : e1000e\n0000-0cf7 : PCI Bus 0000:00\n"], bytes => ResourceTable.Parse(Text(bytes), isPort: false).Count()),
        ("loader entry", ["title Debian\nversion 6.1.0-18\nsort-key debian\nlinux /vmlinuz\ninitrd /initrd.img $tuned\noptions root=/dev/sda $kernelopts\noptions quiet\n"], bytes =>
        {
            var entry = LoaderEntry.Parse("/boot/loader/entries/a.conf", Text(bytes)).With(new Dictionary<string, string>(StringComparer.Ordinal) { ["kernelopts"] = "a" });
            _ = LoaderEntry.Compare(entry, entry with { Version = "6.01.0-2" });
        }),
        ("install command", ["/sbin/modprobe pciback hide=(09:00.0) ; /sbin/modprobe --ignore-install bnx2 -q -i - && /bin/true || exit 1"], bytes => InstallCommand.Parse(Text(bytes)).LoadsBefore("pciback", "bnx2")),
        ("GRUB's menu", ["set default=\"1>0\"\nmenuentry 'Debian' --id=a {\n linux /vmlinuz root=/dev/sda \"a b\"\n initrd /initrd\n}\nsubmenu 'More' $menuentry_id_option 'm' {\n\tmenuentry 'Xen' {\n\tmultiboot2 /xen.gz placeholder\n\tmodule2 /vmlinuz placeholder root=x\n\tmodule2 --nounzip /initrd\n}\n}\nif x ; then\nblscfg\nfi\n"], bytes =>
        {
            var menu = GrubMenu.Parse("/boot/grub/grub.cfg", Text(bytes));
            _ = (menu.Find(menu.Default), menu.Find("1>0"), menu.Find(""));
        }),
        ("list of ids", ["10de:1b80,10de:10f0:1:2,8086:10d3:ffffffff:ffffffff:020000:ffff00"], bytes => _ = IdList.Parse(Text(bytes)).Entries.Length),
        ("saved guest", ["pcipass saved guest 1\n# c\nguest web1\nuuid 6a5b1c2d-0000-4000-8000-000000000001\nfunction 0000:09:00.0 0000:00:00.0 0000:00/05.0/00.0,8086:10d3:8086:0000,525400ffff090000\nfunction 0000:08:00.0 - 0000:00/05.0,1:2:3:4,-\nend\n"], bytes =>
            Own(() => SavedGuest.Parse(Text(bytes)) is var guest && SavedGuest.Parse(guest.ToText()).ToText() == guest.ToText() ? 0 : throw new InvalidOperationException("read back as another"))),
        ("libvirt's image", ["LibvirtQemudSave\x02\0\0\0\x2e\0\0\0\x01\0\0\0" + new string('\0', 64) + "<domain type='kvm'><name>web1</name></domain>\0\0", "LibvirtQemudPart\x02\0\0\0\x09\0\0\0" + new string('\0', 68) + "<domain/>"], bytes => _ = LibvirtImage.Parse(bytes)?.Xml.FreePorts),
        ("agent", ["17 let-go 0000:00:00.0", "17 done", "17 refused"], bytes =>
        {
            if (GuestAsk.Parse(Text(bytes)) is GuestAsk ask && GuestAsk.Parse(ask.ToString()) != ask)
                throw new InvalidOperationException("read back as another");
            _ = new GuestAsk(17, default).ReadAnswer(Text(bytes));
        }),
        ("reset methods", ["device_specific acpi flr bus\n"], bytes => _ = ResetMethodNames.Parse(Text(bytes)).Text()),
        ("dpkg's diversions", ["/usr/lib/xen-4.17/bin/libxl-save-helper\n/usr/lib/xen-4.17/bin/libxl-save-helper.distrib\n:\n/a\n/b\nc\n"], bytes => _ = Diversions.Find(Text(bytes), "/a")?.Length),
        ("guest's start", ["17", "4711.88123"], bytes =>
        {
            foreach (var toolstack in Enum.GetValues<Toolstack>())
            {
                if (GuestStart.TryParse(toolstack, Text(bytes), out var start) && !(GuestStart.TryParse(toolstack, start.ToString(), out var again) && again == start))
                    throw new InvalidOperationException("read back as another");
            }
        }),
        ("guest's history", ["[    0.000000] Linux version 6.1\n[  582.386916] pciback 0000:09:00.0: registering for 1\n"], bytes => _ = GuestHistory.Of([], "b", 1, Text(bytes)).Functions.Count),
        ("pattern", ["pci:v00008086d[0-9a]?*\fpci:v00008086d0000", "[!a-]*[\fabc]"], bytes =>
        {
            var parts = Text(bytes).Split('\f');
            _ = Glob.Matches(parts[0], parts[^1]);
        }),
        ("xl's answers", ["Name ID Mem VCPUs State Time(s)\nweb1 3 256 1 --p--- 1.0\n", "virt_caps : pv hvm pv_directio hvm_directio\nxen_commandline : iommu=no-intremap placeholder\n"], bytes =>
        {
            var host = new Answering(bytes);
            _ = XenReader.ReadIommu(host, new HostSnapshot { BootId = "" });
            Own(() => new StepRunner(host).Observe(new SaveGuest("/i", GuestName.Parse("web1"), 3, Saved: true)));
        }),
        ("libxl's record", ["""{"c_info": {"name": "web1", "passthrough": "enabled\ud800\udc00"}, "b_info": {"target_memkb": 1, "max_memkb": 2, "altp2m": "x", "type.pv": {"e820_host": "True"}}, "pcidevs": [{}]}"""], bytes =>
        {
            var tree = new RecordedTree();
            tree.AddFile("/var/lib/xen/userdata-d.3.6a5b.libxl-json", bytes);
            tree.AddFile("/sys/hypervisor/version/major", "4");
            tree.AddFile("/sys/hypervisor/version/minor", "17");
            _ = GuestRecord.Complete(tree, new Guest(GuestName.Parse("web1"), GuestStart.Domain(3), GuestType.Pv));
        }),
        ("remote host", ["xen2", "root@xen2.example", "192.0.2.7", "a@2001:db8::7"], bytes =>
        {
            Own(() => RemoteHost.Parse(Text(bytes)));
            // Nothing that ssh takes for an option, or a shell for more than a word.
            Assert.True(!RemoteHost.TryParse(Text(bytes), out var host) || ($"{host}"[0] != '-' && !$"{host}".AsSpan().ContainsAny(" \t\n;&|<>$`\\\"'*?[]{}()#~=%!".AsSpan())));
        }),
        ("word of another pcipass", [MovedGuest.Word($"{MovedGuest.Folder}/web1-20261124T100000000Z"), MovedGuest.Word($"{MovedGuest.Folder}/../x")], bytes =>
        {
            Own(() => MovedGuest.ReadWord(Text(bytes)));
            Own(() => MovedGuest.ReadPath(Text(bytes)) is var path && Path.GetDirectoryName(Path.GetFullPath(path)) == MovedGuest.Folder ? path : throw new InvalidOperationException($"{path} lies elsewhere"));
        }),
        ("saved guest's image", [ImageSeed()], bytes =>
        {
            var tree = new RecordedTree();
            tree.AddFile("/i", bytes);
            tree.AddFile("/i.pcipass", "pcipass saved guest 1\nguest web1\nend\n");
            _ = GuestImageReader.Read(tree, "/i").Fault;
        }),
        ("initramfs", [ArchiveSeed(), Packed(ArchiveSeed()), ArchiveSeed() + new string('\0', 6) + Packed(ArchiveSeed())], bytes =>
        {
            var tree = new RecordedTree();
            tree.AddFile("/image", bytes);
            _ = ImageReader.Read(new RecordedHost(tree), "/image")?.Unread;
        }),
        ("recorded host", ["0 /proc/uptime\nNaN 1\n", .. Hosts.Index().SelectMany(host => FilesOf(host.Item, "").Select(path => $"{host.Index} {path}\n{Text(host.Item.ReadAll(path)!)}"))], LookAtHost),
        ("record", [Packed(TarSeed()), TarSeed()], bytes =>
        {
            File.WriteAllBytes(TarFile, bytes);
            Own(() => RecordedTree.Open(TarFile).Exists("/sys/a"));
        }),
    ];

    static readonly string[] Slow = ["recorded host", "record", "saved guest's image"];

    static IEnumerable<(string Name, string[] Seeds, Action<byte[]> Parse)> All => Targets.Concat(Others);

    /// <summary>A parser that nobody thought of here would be tried by nobody.</summary>
    [Fact]
    public void Every_parser_has_a_target()
    {
        var source = string.Concat(((string[])["FuzzTests.cs", "FuzzTargets.cs"]).Select(name => File.ReadAllText(Path.Combine(Lab.Images.FindCheckout(), "test", "PciPass.Tests", name))));
        var parsers = ((Assembly[])[typeof(PciAddress).Assembly, typeof(HostReader).Assembly]).SelectMany(assembly => assembly.GetTypes())
            .SelectMany(type => type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.DeclaredOnly))
            .Where(method => method.Name.StartsWith("Parse", StringComparison.Ordinal) || method.Name.StartsWith("TryParse", StringComparison.Ordinal))
            .Select(method => (method.DeclaringType!.Name, Method: method.Name)).Distinct().ToArray();
        Assert.True(parsers.Length > 40, $"{parsers.Length} parsers");
        // What only calls its TryParse is tried by that.
        Assert.DoesNotContain(parsers, parser => !source.Contains($"{parser.Name}.{parser.Method}(", StringComparison.Ordinal) && !source.Contains($"{parser.Name}.Try{parser.Method}(", StringComparison.Ordinal));
    }

    // ---- hosts ---------------------------------------------------------------------------------------------------------------------------

    static IEnumerable<string> FilesOf(RecordedTree tree, string folder)
    {
        foreach (var path in tree.List(folder.Length == 0 ? "/" : folder).Select(name => $"{folder}/{name}").Where(path => tree.ReadLink(path) is null))
        {
            if (tree.List(path).Count > 0)
            {
                foreach (var below in FilesOf(tree, path))
                    yield return below;
            }
            else if (tree.ReadAll(path) is { Length: < 4096 })
            {
                yield return path;
            }
        }
    }

    /// <summary>A host's number and a file's path stand in the first line, the file's content behind it: all else of the host is as it is.</summary>
    static void LookAtHost(byte[] bytes)
    {
        var line = Math.Max(0, Array.IndexOf(bytes, (byte)'\n'));
        if (Text(bytes[..line]).Split(' ') is not [var number, var path] || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var at) || at >= Hosts.Length)
            return;
        var tree = Hosts[at];
        if (!path.StartsWith('/') || tree.ReadLink(path) is not null || tree.List(path).Count > 0 || tree.ReadAll(path) is not byte[] former)
            return;
        tree.AddFile(path, bytes[(line + 1)..]);
        try
        {
            Own(() =>
            {
                var host = new RecordedHost(tree);
                var snapshot = HostReader.Read(host, new Journal(host));
                foreach (var function in snapshot.Functions.Keys.Take(4))
                    _ = Planner.Plan(snapshot, new Request(Verb.Attach, Companions.Complete(snapshot, [function]), GuestReference.Parse("web1"), []));
                return BootForecast.Of(snapshot, BootSetupReader.Read(host));
            });
        }
        finally
        {
            tree.AddFile(path, former);
        }
    }

    /// <summary>A host on which every program answers the same, and one guest runs.</summary>
    sealed class Answering(byte[] answer) : HostSystem
    {
        public override SysTree Files { get; } = new RecordedTree();
        public override TimeProvider Clock => TimeProvider.System;
        public override Caller Caller => new(0, "root", null, 1);
        public override ProgramResult Run(string program, IReadOnlyList<string> arguments, TimeSpan deadline) => new(0, Text(answer), Text(answer));
        public override ByteChannel ConnectXenstore() => new RecordedXenstore("/local/domain/3/name = \"web1\"\n"u8.ToArray());
        public override byte[] DumpAddresses() => [];
    }

    // ---- seeds ---------------------------------------------------------------------------------------------------------------------------

    static string ImageSeed()
    {
        const string Json = """{"c_info": {"type": "pv", "name": "web1\ud800\udc00"}, "b_info": {"x": [1, 2.5e3, null]}}""";
        Span<byte> numbers = stackalloc byte[20];
        foreach (var (at, number) in ((uint[])[0x01020304, 2, 0, (uint)Json.Length + 4, (uint)Json.Length]).Index())
            BinaryPrimitives.WriteUInt32LittleEndian(numbers[(4 * at)..], number);
        return "Xen saved domain, xl format\n \0 \r" + Encoding.Latin1.GetString(numbers) + Json;
    }

    /// <summary>An archive of the form newc with a file that is read, one that is not, and its end.</summary>
    static string ArchiveSeed()
    {
        var archive = new StringBuilder();
        foreach (var (name, content) in ((string, string)[])[("./etc/modprobe.d/a.conf", "options pciback hide=(09:00.0)\n"), ("usr/lib/modules/6.1/a.ko", "ELF"), ("TRAILER!!!", "")])
        {
            archive.Append(CultureInfo.InvariantCulture, $"070701{1:x8}{0x81a4:x8}{0:x8}{0:x8}{1:x8}{0:x8}{content.Length:x8}{0:x8}{0:x8}{0:x8}{0:x8}{name.Length + 1:x8}{0:x8}{name}\0");
            archive.Append('\0', -archive.Length & 3).Append(content).Append('\0', -archive.Length & 3);
        }
        return archive.ToString();
    }

    static string TarSeed()
    {
        using var file = new MemoryStream();
        using (var writer = new System.Formats.Tar.TarWriter(file, leaveOpen: true))
        {
            writer.WriteEntry(new System.Formats.Tar.PaxTarEntry(System.Formats.Tar.TarEntryType.RegularFile, "sys/a") { DataStream = new MemoryStream("text"u8.ToArray()) });
            writer.WriteEntry(new System.Formats.Tar.UstarTarEntry(System.Formats.Tar.TarEntryType.SymbolicLink, "sys/b") { LinkName = "../c" });
            writer.WriteEntry(new System.Formats.Tar.GnuTarEntry(System.Formats.Tar.TarEntryType.Directory, $"proc/{new string('x', 120)}"));
        }
        return Encoding.Latin1.GetString(file.ToArray());
    }

    static string Packed(string text)
    {
        using var packed = new MemoryStream();
        using (var writer = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            writer.Write(Encoding.Latin1.GetBytes(text));
        return Encoding.Latin1.GetString(packed.ToArray());
    }
}
