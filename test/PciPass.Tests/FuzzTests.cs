using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>
/// Every parser against arbitrary bytes: none throws anything but its own error, and each ends. Inputs are mutations of real ones,
/// from a seed that is printed on failure. <c>PCIPASS_FUZZ</c> sets the number of inputs for each target (20,000 without it; a 20th of that where one takes milliseconds).
/// </summary>
public partial class FuzzTests
{
    static readonly int Inputs = int.TryParse(Environment.GetEnvironmentVariable("PCIPASS_FUZZ"), NumberStyles.None, CultureInfo.InvariantCulture, out var inputs) ? inputs : 20_000;

    /// <summary>Characters that mean something to one parser or another.</summary>
    const string Telling = " \n\t\0:.,/-'\"[]#=0f~";

    static readonly (string Name, string[] Seeds, Action<byte[]> Parse)[] Targets =
    [
        ("address", ["0000:09:00.0", "09:00.0", "10000:e1:00.7"], bytes => { _ = PciAddress.TryParse(Text(bytes), out _); Own(() => PciAddress.Parse(Text(bytes))); }),
        ("node device", ["pci_0000_09_00_0", "pci_8086_3a6c"], bytes => _ = PciAddress.TryParseNodeDevice(Text(bytes), out _)),
        ("alias", ["pci:v00008086d000010D3sv00008086sd0000A01Fbc02sc00i00"], bytes => _ = PciAlias.TryParse(Text(bytes), out _, out _)),
        ("driver name", ["e1000e", "vfio-pci"], bytes => { _ = DriverName.TryParse(Text(bytes), out _); Own(() => DriverName.Parse(Text(bytes))); }),
        ("guest name", ["web1", "db-2.example"], bytes => { _ = GuestName.TryParse(Text(bytes), out _); Own(() => GuestName.Parse(Text(bytes))); }),
        ("identity", ["0000:00/05.0/00.0,8086:10d3:8086:a01f,525400ffff090000", "0000:00/05.0,1:2:3:4,-"], bytes => Own(() => PciIdentity.Parse(Text(bytes)))),
        ("step", ["rebind 0000:09:00.0 e1000e -> -", "plug 0000:09:00.0 - -> web1/3", "probe 0000:09:00.0", "slot 0000:09:00.0 no -> yes", "module xen-pcifront no -> yes", "send /var/lib/pcipass/moved/web1 - -> root@xen2", "hand web1 /var/lib/pcipass/moved/web1 - -> xen2", "drop /var/lib/pcipass/moved/web1", "shelve /a/b - -> libvirt:web1/4711.88123", "start libvirt:web1 /a/b"], bytes => Own(() => Step.Parse(Text(bytes)))),
        ("journal", ["""
            pcipass journal 1
            operation 7
            verb attach
            time 2026-11-23T09:03:38Z
            user root (for alice)
            boot 1580ff96-42ec-46a8-9487-d30ee1f9f55b
            guest web1
            function 0000:09:00.0 0000:00/05.0/00.0,8086:10d3:8086:0000,525400ffff090000
            accept claimed
            step rebind 0000:09:00.0 e1000e -> -
            step plug 0000:09:00.0 - -> web1/1
            begin
            doing 1
            done 1
            failed 2 xl ended with 1
            undoing 1
            stuck 1 no answer
            end undone 2026-11-23T09:03:43Z

            """], bytes => Own(() => Ledger.Taken(Operation.Parse(Text(bytes)) is Operation operation ? [operation] : [], "1580ff96-42ec-46a8-9487-d30ee1f9f55b"))),
        ("mountinfo", ["36 35 259:1 / /srv/a\\040b rw,noatime shared:1 - ext4 /dev/nvme0n1p1 rw\n22 1 0:20 / /sys rw - sysfs sysfs rw\n"], bytes => MountTable.ParseMountInfo(Text(bytes)).Count()),
        ("fstab", ["# <file system> <mount point> <type>\nUUID=1234-abcd\t/boot ext2 noauto 0 2\n/dev/sda1 / ext4 defaults 0 1\n"], bytes => FsTab.Parse(Text(bytes)).Select(entry => FsTab.PathOf(entry.Source)).Count()),
        ("swaps", ["Filename Type Size Used Priority\n/dev/nvme0n1p2 partition 1 0 -2\n"], bytes => MountTable.ParseSwaps(Text(bytes)).Count()),
        ("routes", ["Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0202000A\t0003\t0\t0\t0\t00000000\n"], bytes =>
        {
            _ = NetworkTables.ParseRoutes4(Text(bytes)).Count();
            _ = NetworkTables.ParseRoutes6(Text(bytes)).Count();
        }),
        ("links", ["\x40\0\0\0\x10\0\x02\0" + new string('\0', 8) + new string('\0', 16) + "\x08\0\x03\0mv0\0\x08\0\x05\0\x02\0\0\0\x08\0\x25\0\0\0\0\0"], bytes => NetworkTables.ParseForeignLinks(bytes).Count()),
        ("addresses", ["\x28\0\0\0\x14\0\x02\0\0\0\0\0\0\0\0\0\x02\x18\0\0\x03\0\0\0\x08\0\x01\0\n\0\0\x01\x08\0\x02\0\n\0\0\x02"], bytes => NetworkTables.ParseAddresses(bytes).Count()),
        ("pci.ids", ["# list\n8086  Intel Corporation\n\t10d3  82574L\n\t\t8086 0001  board\nC 02  Network\n"], bytes => FormatTests.ReadNames(new MemoryStream(bytes), [new PciIds(0x8086, 0x10d3, 0, 0)]).Name(new PciIds(0x8086, 0x10d3, 0, 0))),
        ("xl.cfg", ["name = \"web1\"\npci = [ '09:00.0', \"0a:00.*,permissive=1\" ] # two\nmemory = 256\n", "pci=['0a:00.0-3@5']", "if x:\n  pci += (r'09:00.0' '', y)\npci = [\n '09:00.0',  # a\n '0a:00.0'\n]"], bytes =>
        {
            var config = XlConfig.Parse(Text(bytes));
            _ = (config.XlProblem, config.Name, config.NotUnderstood.Count());
            var functions = config.Functions.Order().ToArray();
            var card = PciAddress.Parse("0000:1f:1f.7");
            // What comes out reads as it should, or nothing comes out.
            Own(() => XlConfig.Parse(config.With(card)).Functions.Order().SequenceEqual(functions.Append(card).Distinct().Order()) ? 0 : throw new InvalidOperationException("added and not there"));
            foreach (var function in functions)
                Own(() => XlConfig.Parse(config.Without(function)).Functions.Order().SequenceEqual(functions.Where(each => each != function)) ? 0 : throw new InvalidOperationException("removed and still there"));
        }),
        ("pci specification", ["0000:09:00.0@1f,permissive=1,rdm_policy=strict", "bdf=09:00.*,vslot=5", "09:00.0-2,4=1@3,power_mgmt=0", "name=x"], bytes =>
        {
            var entry = PciSpecification.Parse(Text(bytes));
            foreach (var function in entry.Functions)
                Own(() => entry.Without(function.Function) is not string left || PciSpecification.Parse(left).Functions.SequenceEqual(entry.Functions.Where(each => each != function)) ? 0 : throw new InvalidOperationException("removed and still there"));
        }),
        ("domain xml", ["<domain type='xen'>\n <name>a</name>\n <devices>\n  <hostdev mode='subsystem' type='pci'>\n   <source>\n    <address bus='0x09' slot='1' function='0'/></source><!-- c --></hostdev>\n </devices></domain>", "<domain><devices/></domain>"], bytes =>
        {
            var xml = DomainXml.Parse(Text(bytes));
            Own(() => xml.With(PciAddress.Parse("0000:1f:1f.7"), managed: true));
            foreach (var function in xml.Functions)
                Own(() => xml.Without(function));
        }),
        ("device list", ["# kept\n0000:09:00.0  0000:00/05.0/00.0,8086:10d3:8086:0000,525400ffff090000  pciback  if-moved=follow,method=modprobe # card\n"], bytes => DeviceList.Parse(new FileContent(bytes))),
        ("settings", ["# figures\nhotplug-window = 24h\nhotplug-warn = 384\nhotplug-refuse=480\n"], bytes => _ = Settings.Parse(Text(bytes)).WindowText),
        ("pciback's log", ["<6>[  582.386916] pciback 0000:09:00.0: registering for 1\n"], bytes => PcibackLog.Parse(Text(bytes), TimeSpan.FromSeconds(5)).Count()),
        ("file content", ["one\\ntwo\\x41\\\\"], bytes => Own(() => FileContent.Parse(Text(bytes)))),
        ("firmware's boot entry", ["\x07\0\0\0\x01\0\0\0\x2e\0d\0\0\0\x04\x01\x2a\0\x01\0\0\0" + new string('\x11', 16) + new string('\x22', 16) + "\x02\x02\x7f\xff\x04\0"], bytes => { _ = EfiBootEntry.PartitionOf(bytes); _ = EfiBootEntry.NameOf(bytes); }),
        ("IVRS", ["IVRS" + new string('\0', 44) + "\x21\x08\x20\0\x08\0\0\0" + new string('\0', 24)], bytes => IvrsTable.Parse(bytes, System.Collections.Immutable.ImmutableSortedDictionary<PciAddress, PciFunction>.Empty)),
        ("network settings", ["up\nmtu 9000\nmaster br0\naddress 10.0.2.15/24\nroute default via 10.0.2.2 metric 100\n"], bytes => Own(() => NetworkSettings.Parse(Text(bytes)))),
        ("hide list", ["(0000:09:00.0)(0a:04.*)(1:2:*.*)"], bytes => HideList.Parse(Text(bytes))),
        ("modprobe", ["install bnx2 /sbin/modprobe pciback ; /sbin/modprobe --ignore-install bnx2\noptions pciback \\\n hide=(0000:09:00.0)\n"], bytes => ModprobeFile.Parse("/x", Text(bytes))),
        ("kernel line", ["root=/dev/sda a=\"b c\" xen-pciback.hide=(09:00.0) -- x"], bytes => KernelWords.Parse(Text(bytes))),
        ("grub settings", ["A=\"b\"\nexport C='d e' # f\nG+=\" h\"\n"], bytes => ShellAssignments.Parse("/x", Text(bytes))),
        ("config space", [ConfigSeed()], bytes =>
        {
            _ = Seen(bytes);
            // What is looked at is the same where it was read in parts, of as many bytes as the kernel shows (drivers/pci/pci-sysfs.c).
            var parts = new byte[4096];
            var whole = new byte[bytes.Length < 64 ? bytes.Length : bytes.Length < 256 ? 64 : bytes.Length % 2 == 0 ? 256 : 4096];
            bytes.AsSpan(0, Math.Min(bytes.Length, whole.Length)).CopyTo(whole);
            Array.Fill(parts, (byte)0xa5);
            var count = ConfigSpace.Fetch(parts, whole, (source, offset, part) =>
            {
                var from = source.AsSpan(Math.Min(offset, source.Length));
                from[..Math.Min(from.Length, part.Length)].CopyTo(part);
                return Math.Min(from.Length, part.Length);
            });
            Assert.Equal(Seen(whole), Seen(parts.AsSpan(0, count)));
        }),
        ("guest reference", ["qemu:web1", "xen:web1", "web1"], bytes => { _ = GuestReference.TryParse(Text(bytes), out _); Own(() => GuestReference.Parse(Text(bytes))); }),
        ("QEMU's arguments", ["qemu\0-name\0guest=web1,debug-threads=on\0-chardev\0socket,id=m,path=/run/a,,b\0-mon\0chardev=m,mode=control\0-qmp\0unix:/run/x,server\0"], bytes =>
        {
            _ = QemuCommandLine.Parse(Text(bytes).Split('\0'));
            _ = QemuCommandLine.Parse(QemuCommandLine.Excerpt(Text(bytes)).Split('\0'));
        }),
        ("QMP", ["""
            {"QMP": {"version": {}, "capabilities": []}}
            {"return": {}, "id": "pcipass-1"}
            {"return": [{"name": "port1", "type": "child<pcie-root-port>"}, {"name": "x", "type": "child<vfio-pci>"}], "id": "pcipass-2"}
            {"event": "DEVICE_DELETED", "data": {"device": "x", "path": "/machine/peripheral/x"}}
            {"return": [{"bus": 0, "devices": [{"bus": 0, "slot": 4, "function": 0, "id": {"vendor": 32902, "device": 4663}, "qdev_id": "port1", "pci_bridge": {"devices": []}}]}], "id": "pcipass-3"}
            {"error": {"class": "GenericError", "desc": "no"}, "id": "pcipass-4"}

            """, CrowdedBus()], bytes => Own(() =>
        {
            using var qmp = new QmpClient(new Replay(bytes), TimeProvider.System, TimeSpan.FromSeconds(5));
            using var monitor = new QemuMonitor(qmp);
            return (monitor.Functions(), monitor.FreePorts());
        })),
        ("libvirt", [LibvirtSeed()], bytes => Own(() =>
        {
            using var libvirt = new Libvirt(new LibvirtClient(new Replay(bytes), TimeProvider.System, TimeSpan.FromSeconds(5), "qemu:///system"));
            if (libvirt.RunningDomains() is not [var guest, ..] || libvirt.ReadLive(guest) is not { HostDevices: [var device, ..] } xml)
                return null;
            libvirt.Detach(guest, xml.TextOf(device), device, TimeSpan.FromSeconds(5));
            return libvirt.Find("web1");
        })),
        ("xenstore", [XenstoreSeed()], bytes => Own(() =>
        {
            using var store = new Xenstore(new Replay(bytes), TimeProvider.System);
            _ = store.Read("/local/domain/1/name");
            _ = store.List("/local/domain");
            return store.Consistent(transaction => store.Read("/x", transaction));
        })),
    ];

    public static TheoryData<string> Names => [.. All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_parser_throws_nothing_but_its_own_error(string name)
    {
        var (_, seeds, parse) = All.Single(target => target.Name == name);
        var corpus = seeds.Select(Encoding.Latin1.GetBytes).ToArray();
        for (var seed = 0; seed < (Slow.Contains(name) ? Inputs / 20 : Inputs); seed++)
        {
            var input = Mutate(corpus, new Random(seed));
            try
            {
                parse(input);
            }
            catch (Exception error)
            {
                Assert.Fail($"target \"{name}\", seed {seed}, input {Convert.ToHexString(input)}: {error}");
            }
        }
    }

    static string Text(byte[] bytes) => Encoding.Latin1.GetString(bytes);

    static void Own<T>(Func<T> parse)
    {
        try
        {
            _ = parse();
        }
        catch (Exception error) when (error is FormatException or HostFailure)
        {
        }
    }

    static byte[] Mutate(byte[][] corpus, Random random)
    {
        var bytes = new List<byte>(corpus[random.Next(corpus.Length)]);
        for (var change = random.Next(6); change >= 0; change--)
        {
            var at = random.Next(bytes.Count + 1);
            switch (random.Next(7))
            {
                case 0 when at < bytes.Count:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.Insert(at, (byte)Telling[random.Next(Telling.Length)]);
                    break;
                case 3:
                    bytes.RemoveRange(at, Math.Min(random.Next(8), bytes.Count - at));
                    break;
                case 4:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                case 5:
                    var other = corpus[random.Next(corpus.Length)];
                    var from = random.Next(other.Length + 1);
                    bytes.InsertRange(at, other.AsSpan(from, random.Next(other.Length - from + 1)).ToArray());
                    break;
                default:
                    var junk = new byte[random.Next(16)];
                    random.NextBytes(junk);
                    bytes.InsertRange(at, junk);
                    break;
            }
        }
        return [.. bytes];
    }

    /// <summary>An old PC with more devices on its root bus than it has slots.</summary>
    static string CrowdedBus() => $$$"""
        {"QMP": {}}
        {"return": {}, "id": "pcipass-1"}
        {"return": [{"devices": [{"bus": 0, "slot": 0, "function": 0, "id": {"vendor": 32902, "device": 4663}}, {{{string.Join(", ", Enumerable.Range(1, 40).Select(slot => $"{{\"slot\": {slot}}}"))}}}]}], "id": "pcipass-2"}
        {"return": [], "id": "pcipass-3"}
        {"return": [], "id": "pcipass-4"}
        {"return": [{"devices": [{"bus": 0, "slot": 0, "function": 0, "id": {"vendor": 32902, "device": 4663}}, {{{string.Join(", ", Enumerable.Range(1, 40).Select(slot => $"{{\"slot\": {slot}}}"))}}}]}], "id": "pcipass-5"}
        {"return": [], "id": "pcipass-6"}
        {"return": [], "id": "pcipass-7"}

        """;

    /// <summary>All that a configuration space is asked for.</summary>
    static object Seen(ReadOnlySpan<byte> bytes)
    {
        var config = new ConfigSpace(bytes);
        return (
            (config.Answers, config.Class, config.HeaderType, config.IsMultiFunction, config.InterruptPin, config.Ids, config.ExpressType, config.SerialNumber),
            (config.IsHeaderOnly, string.Join(' ', config.WideBars), config.SecondaryBus, config.HasMessageInterrupts, config.AccessControl, config.OwnResets, config.UsesPhantomFunctions, config.VirtualFunctions)
        );
    }

    static string ConfigSeed()
    {
        var bytes = new byte[0x180];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, 0x10d38086);
        bytes[0x06] = 0x10;
        bytes[0x0b] = 0x02;
        bytes[0x34] = 0xc8;
        (bytes[0xc8], bytes[0xc9], bytes[0xe0]) = (0x01, 0xe0, 0x10);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(0x100), 0x14010001);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(0x140), 0x15010003);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(0x150), 0x1601000d);
        (bytes[0x154], bytes[0x156]) = (0x1d, 0x1d);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(0x160), 0x00010010);
        (bytes[0x168], bytes[0x170], bytes[0x174], bytes[0x176]) = (1, 2, 128, 2);
        return Encoding.Latin1.GetString(bytes);
    }

    /// <summary>What libvirt says while a function is taken from a guest, with a question whether this end lives, an event of another device, and a refusal.</summary>
    static string LibvirtSeed()
    {
        var serial = 0;
        List<byte> all = [];
        void Say(int program, int procedure, int type, int status, XdrWriter payload) =>
            all.AddRange(new XdrWriter().Number(28 + payload.ToArray().Length).Number(program).Number(1).Number(procedure).Number(type).Number(type == 1 ? ++serial : 0).Number(status).Opaque(payload.ToArray()).ToArray());
        void Answer(int procedure, XdrWriter payload) => Say(0x20008086, procedure, 1, 0, payload);
        XdrWriter Guest(XdrWriter to) => to.Text("web1").Opaque(new byte[16]).Number(1);
        void Removed(string alias) => Say(0x20008086, 333, 2, 0, Guest(new XdrWriter().Number(0)).Text(alias));
        string Xml(string devices) => $"<domain><name>web1</name><devices>{devices}</devices></domain>";
        var with = Xml(DomainXml.Element(PciAddress.Parse("09:00.0"), managed: false).Replace("</source>", "</source><alias name='hostdev0'/>", StringComparison.Ordinal));
        Answer(66, new XdrWriter().Number(1).Number(0));
        Say(0x6b656570, 1, 2, 0, new XdrWriter());
        Answer(1, new XdrWriter());
        Answer(273, Guest(new XdrWriter().Number(1)).Number(1));
        Answer(14, new XdrWriter().Text(with));
        Answer(316, new XdrWriter().Number(0));
        Answer(316, new XdrWriter().Number(1));
        Removed("hostdev1");
        Answer(161, new XdrWriter());
        Answer(14, new XdrWriter().Text(with));
        Removed("hostdev0");
        Say(0x20008086, 23, 1, 1, new XdrWriter().Number(42).Number(10).OptionalText("Domain not found").Number(2).Number(0).OptionalText(null).OptionalText(null).OptionalText(null).Number(0).Number(0).Number(0));
        return Encoding.Latin1.GetString([.. all]);
    }

    static string XenstoreSeed()
    {
        using var answers = new MemoryStream();
        Span<byte> word = stackalloc byte[4];
        foreach (var (type, request, text) in ((uint, uint, string)[])[(2, 1, "web1"), (15, 0, "/local\0token\0"), (1, 2, "0\01\0"), (6, 3, "5\0"), (16, 4, "ENOENT\0"), (7, 5, "OK\0")])
        {
            foreach (var value in (uint[])[type, request, 0, (uint)text.Length])
            {
                BinaryPrimitives.WriteUInt32LittleEndian(word, value);
                answers.Write(word);
            }
            answers.Write(Encoding.Latin1.GetBytes(text));
        }
        return Encoding.Latin1.GetString(answers.ToArray());
    }

    /// <summary>A peer that sends these bytes and closes, whatever it is asked.</summary>
    sealed class Replay(byte[] bytes) : ByteChannel
    {
        int at;

        public override int Read(Span<byte> buffer, TimeSpan deadline)
        {
            var count = Math.Min(buffer.Length, bytes.Length - at);
            bytes.AsSpan(at, count).CopyTo(buffer);
            at += count;
            return count;
        }

        public override void Write(ReadOnlySpan<byte> bytes)
        {
        }
    }
}
