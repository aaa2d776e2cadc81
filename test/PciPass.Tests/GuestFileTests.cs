using System.Globalization;
using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>
/// Guests' configuration files: read as xl and xm read them, and changed by one function at a time, in which every other byte stays. The files
/// are those of testdata/guests, and of the folder that <c>PCIPASS_GUEST_FILES</c> names.
/// </summary>
public class GuestFileTests
{
    static readonly PciAddress Card = PciAddress.Parse("0000:0b:1f.7");

    static IEnumerable<string> Paths => new[] { Path.Combine(Images.FindCheckout(), "testdata", "guests"), Environment.GetEnvironmentVariable("PCIPASS_GUEST_FILES") ?? "" }
        .Where(Directory.Exists).SelectMany(folder => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)).Where(path => Path.GetFileName(path) != "README").Order(StringComparer.Ordinal);

    public static TheoryData<string> Files => [.. Paths.Where(path => !path.EndsWith(".xml", StringComparison.Ordinal)).Select(Relative)];

    public static TheoryData<string> XmlFiles => [.. Paths.Where(path => path.EndsWith(".xml", StringComparison.Ordinal)).Select(Relative)];

    static string Relative(string path) => Path.GetRelativePath(Images.FindCheckout(), path);

    static string Text(string file) => new FileContent(File.ReadAllBytes(Path.Combine(Images.FindCheckout(), file))).Text;

    [Theory]
    [MemberData(nameof(Files))]
    public void A_function_more_and_less_changes_nothing_else(string file)
    {
        var text = Text(file);
        var config = XlConfig.Parse(text);
        Assert.Null(config.Problem);
        var with = config.With(Card);
        Assert.Equal([.. config.Functions, Card], XlConfig.Parse(with).Functions);
        AssertOnly(text, with, $"{Card}");
        AssertOnly(with, XlConfig.Parse(with).Without(Card), $"{Card}");
        foreach (var function in config.Functions)
        {
            var without = config.Without(function);
            Assert.Equal(config.Functions.Where(each => each != function), XlConfig.Parse(without).Functions);
            AssertOnly(text, without, [.. config.Entries.Where(entry => entry.Functions.Contains(function)).Select(entry => entry.Text)]);
            Assert.Equal(config.Functions.Where(each => each != function).Append(function), XlConfig.Parse(XlConfig.Parse(without).With(function)).Functions);
        }
        Assert.Equal(text, config.Without(Card));
    }

    /// <summary>What was added for the first function of a file goes again whole.</summary>
    [Theory]
    [InlineData("a = 1\n")]
    [InlineData("a = 1")]
    [InlineData("")]
    [InlineData("a = 1\r\n")]
    [InlineData("a = 1\r\nb = 'x'")]
    [InlineData("pci = []\nb = 2\n")]
    [InlineData("pci = [ ]\nb = 1")]
    [InlineData("pci = [\n]\n")]
    [InlineData("pci = [ # none\n  ]\n")]
    [InlineData("pci = [ '01:00.0' ]\n")]
    [InlineData("pci = ['01:00.0','02:00.0']\n")]
    [InlineData("pci = [\n\t'01:00.0',  # one\n\t'02:00.0',\n\t# 'none',\n]\n")]
    [InlineData("pci = [ '01:00.0', ]\n")]
    public void Adding_and_removing_leaves_the_bytes_that_were_there(string text) => Assert.Equal(text, XlConfig.Parse(XlConfig.Parse(text).With(Card)).Without(Card));

    [Theory]
    [InlineData("pci = [ '09:00.0', '0a:00.0' ]", "pci = [ '09:00.0', '0a:00.0', 'CARD' ]")]
    [InlineData("pci=[\"09:00.0\",\"0a:00.0\"]", "pci=[\"09:00.0\",\"0a:00.0\",\"CARD\"]")]
    [InlineData("pci = [\n  '09:00.0'   # one\n]\n", "pci = [\n  '09:00.0',   # one\n  'CARD'\n]\n")]
    [InlineData("pci = [\r\n  '09:00.0',\r\n]\r\n", "pci = [\r\n  '09:00.0',\r\n  'CARD',\r\n]\r\n")]
    [InlineData("pci = [ '09:00.0',\n        '0a:00.0' ]\n", "pci = [ '09:00.0',\n        '0a:00.0',\n        'CARD' ]\n")]
    [InlineData("pci = [ '01:00.0' ]\npci = [ '02:00.0' ]\npci += [ '03:00.0' ]\n", "pci = [ '01:00.0' ]\npci = [ '02:00.0' ]\npci += [ '03:00.0', 'CARD' ]\n")]
    [InlineData("name = \"x\"\n# pci = [ 'y' ]", "name = \"x\"\n# pci = [ 'y' ]\npci = [ \"CARD\" ]")]
    [InlineData("pci = ('09:00.0',)", "pci = ('09:00.0', 'CARD',)")]
    [InlineData("if x:\n    memory = 1\n", "if x:\n    memory = 1\npci = [ 'CARD' ]\n")]
    public void An_entry_is_added_in_the_manner_of_the_others(string before, string after) => Assert.Equal(after.Replace("CARD", $"{Card}", StringComparison.Ordinal), XlConfig.Parse(before).With(Card));

    [Theory]
    [InlineData("pci = [ '09:00.0', '0a:00.0' ]  # two", "pci = [ '0a:00.0' ]  # two")]
    [InlineData("pci = [ '0a:00.0', '09:00.0@5,permissive=1' ]", "pci = [ '0a:00.0' ]")]
    [InlineData("pci = [ '0a:00.0', '09:00.0', ]", "pci = [ '0a:00.0', ]")]
    [InlineData("pci = [ '09:00.0' ] # one\n", "pci = [ ] # one\n")]
    [InlineData("pci = [\n  '09:00.0',   # first\n  '0a:00.0'\n]\n", "pci = [\n  # first\n  '0a:00.0'\n]\n")]
    [InlineData("pci = [\n  '09:00.0',\n  '0a:00.0'\n]\n", "pci = [\n  '0a:00.0'\n]\n")]
    [InlineData("pci = [ '09:00.0'\n      , '0a:00.0'\n      ]\n", "pci = [ \n       '0a:00.0'\n      ]\n")]
    [InlineData("pci = [ '09:00.0', '0a:00.0', '0000:09:00.0' ]", "pci = [ '0a:00.0' ]")]
    [InlineData("pci = [ '09:00.0-3' ]", "pci = [ '09:00.1-3' ]")]
    [InlineData("pci = [ '0000:09:00.0,2,4-5@6,msitranslate=1' ]", "pci = [ '0000:09:00.2,4-5@6,msitranslate=1' ]")]
    [InlineData("pci = [ 'bdf=09:00.0,seize=1', '0a:00.0' ]", "pci = [ '0a:00.0' ]")]
    [InlineData("pci = [ '09:' '00.0' ]", "pci = [ ]")]
    [InlineData("devices = '09:00.0'\npci = [ devices, '0a:00.0' ]", "devices = '09:00.0'\npci = [ '0a:00.0' ]")]
    [InlineData("pci = [ r'09:00.0', \"\"\"0a:00.0\"\"\" ]", "pci = [ \"\"\"0a:00.0\"\"\" ]")]
    [InlineData("pci = [ '0a:00.0' ]", "pci = [ '0a:00.0' ]")]
    public void An_entry_goes_and_its_comment_stays(string before, string after) => Assert.Equal(after, XlConfig.Parse(before).Without(PciAddress.Parse("09:00.0")));

    [Theory]
    [InlineData("pci = [ '09:00.*' ]", "line 1: the entry '09:00.*' names it together with others")]
    [InlineData("a = 1\npci = '09:00.0'", "line 2: pci is a single value")]
    [InlineData("pci = [ '09:00.0', nic(1) ]", "line 1: the entry nic(1) is worked out")]
    [InlineData("if x:\n    pci = [ '09:00.0' ]", "line 2: pci is set or used within the \"if\" of line 1")]
    [InlineData("pci = [ '09:00.0' ]\npci.append('0a:00.0')", "line 2: pci.append may change pci")]
    [InlineData("pci = [ '09:00.0' ]\nexecfile('/etc/xen/common')", "line 2: execfile may set pci")]
    [InlineData("pci = [ '09:00.%d' % n for n in range(4) ]", "is worked out")]
    [InlineData("pci = [ '09:00.0',\n", "line 1: a bracket is opened that nothing closes")]
    [InlineData("nics = [ '09:00.0' ]\npci = nics", "line 1: the list stands in a variable of another name")]
    [InlineData("pci = [ '09:00.0=1' ] + pci", "line 1: pci is worked out")]
    [InlineData("pci = [ '09:00.0=1,1=0' ]", "line 1: the entry '09:00.0=1,1=0' names it together with others")]
    [InlineData("pci = [ '09:' # left\n '00.0' ]", "cannot be changed without touching more")]
    public void What_cannot_be_understood_is_left_alone_and_told(string text, string why)
    {
        var config = XlConfig.Parse(text);
        Assert.Contains(why, Assert.Throws<FormatException>(() => config.Without(PciAddress.Parse("09:00.0"))).Message, StringComparison.Ordinal);
        // It may be meant all the same, and nobody else should get it.
        Assert.True(config.Functions.Contains(PciAddress.Parse("09:00.0")) || why.Contains("single", StringComparison.Ordinal) || why.Contains("bracket", StringComparison.Ordinal) || text.Contains('%', StringComparison.Ordinal));
    }

    [Fact]
    public void An_entry_for_every_function_goes_when_all_that_exist_go()
    {
        var config = XlConfig.Parse("pci = [ '09:00.*', '0a:00.0' ]");
        PciAddress[] both = [PciAddress.Parse("09:00.0"), PciAddress.Parse("09:00.1")];
        Assert.Equal("pci = [ '0a:00.0' ]", config.Without(both, address => address.Function < 2));
        Assert.Throws<FormatException>(() => config.Without(both, address => address.Function < 3));
    }

    /// <summary>Lists in every layout that people choose, drawn at random: no comment and no other line is lost, and what is read is what was wished.</summary>
    [Fact]
    public void A_list_in_any_layout_is_changed_by_its_entry_alone()
    {
        for (var seed = 0; seed < 5_000; seed++)
        {
            var text = Layout(new Random(seed));
            var config = XlConfig.Parse(text);
            Assert.True(config.Problem is null, $"seed {seed}: {config.Problem}\n{text}");
            var all = config.Functions.ToArray();
            foreach (var function in all)
            {
                var without = config.Without(function);
                Assert.True(all.Where(each => each != function).SequenceEqual(XlConfig.Parse(without).Functions), $"seed {seed}, without {function}:\n{text}\n---\n{without}");
                AssertOnly(text, without, [.. config.Entries.Where(entry => entry.Functions.Contains(function)).Select(entry => entry.Text)]);
            }
            var with = config.With(Card);
            Assert.True(all.Append(Card).SequenceEqual(XlConfig.Parse(with).Functions), $"seed {seed}, with:\n{text}\n---\n{with}");
            AssertOnly(text, with, $"{Card}");
            AssertOnly(with, XlConfig.Parse(with).Without(Card), $"{Card}");
        }
    }

    static string Layout(Random random)
    {
        var (end, quote) = (Pick("\n", "\n", "\r\n"), Pick("'", "\""));
        var count = random.Next(5);
        var isLong = random.Next(2) == 0;
        var text = new System.Text.StringBuilder($"# head{end}name = {quote}a{quote}{end}{Pick("", end, $"  memory=5 ; vcpus = 2{end}")}pci{Pick(" = ", "=", "  =")}[");
        if (isLong)
            text.Append(Pick("", " ", " # why")).Append(end);
        else
            text.Append(Pick("", " "));
        var indentation = Pick("", "  ", "\t", "        ");
        for (var number = 0; number < count; number++)
        {
            var entry = $"{Pick("0000:", "")}{number + 1:x2}:00.{random.Next(8)}{Pick("", "", "@5", ",permissive=1", "@1f,seize=0,msitranslate=1")}";
            var comma = number + 1 < count || random.Next(3) == 0 ? Pick(",", ",", isLong ? $"{end}{indentation}," : ",", " ,") : "";
            text.Append(isLong ? indentation : "").Append(CultureInfo.InvariantCulture, $"{quote}{entry}{quote}{comma}");
            if (isLong)
                text.Append(Pick("", "", " # note", "   ")).Append(end).Append(Pick("", "", "", end, $"{indentation}# between{end}"));
            else
                text.Append(number + 1 < count ? Pick(" ", "", "  ") : Pick("", " "));
        }
        return text.Append(']').Append(Pick("", "  # tail", " ; cpus = 1")).Append(Pick(end, end, "", $"{end}extra = 'pci=[x]'{end}", $"{end}# last")).ToString();

        string Pick(params ReadOnlySpan<string> words) => words[random.Next(words.Length)];
    }

    /// <summary>xl's own words (libxlu_pci.c), where it has some.</summary>
    [Theory]
    [InlineData("09:00.0", "0000:09:00.0", null)]
    [InlineData("0001:09:1f.7@1f,permissive=1,msitranslate=0,seize=1,power_mgmt=1,rdm_policy=relaxed", "0001:09:1f.7", null)]
    [InlineData("bdf=9:0.1,vslot=5", "0000:09:00.1", null)]
    [InlineData("36:00.0,", "0000:36:00.0", null)]
    [InlineData("name=nic1,permissive=1", "", null)]
    [InlineData("09:00.0,foo=1", "0000:09:00.0", "Unknown PCI_SPEC_STRING option: foo")]
    [InlineData("09:00.0, permissive=1", "0000:09:00.0", "Unknown PCI_SPEC_STRING option:  permissive")]
    [InlineData("09:00.0,rdm_policy=none", "0000:09:00.0", "Unknown RDM policy: none")]
    [InlineData("09:00.0,name=x", "0000:09:00.0", "\"09:00.0,name=x\" has both an address and a name")]
    [InlineData("permissive=1", "", "\"permissive=1\" names no function")]
    [InlineData("09:00.8", "", "\"09:00.8\" is no address and no KEY=VALUE")]
    [InlineData("09:00.0@20", "", "\"09:00.0@20\" has no slot from 0 to 1f behind its @")]
    [InlineData("09:00.1,3", "0000:09:00.1 0000:09:00.3", "\"3\" is no KEY=VALUE")]
    [InlineData("09:00.2-1@3", "0000:09:00.1 0000:09:00.2", "\"09:00.2-1@3\" goes on behind its function with neither @ nor a comma")]
    [InlineData("09:00.0=1,1=0", "0000:09:00.0 0000:09:00.1", "\"09:00.0=1,1=0\" goes on behind its function with neither @ nor a comma")]
    [InlineData("nonsense", "", "\"nonsense\" is no address and no KEY=VALUE")]
    public void A_specification_is_read_as_xl_and_xm_read_it(string text, string functions, string? xlError)
    {
        var entry = PciSpecification.Parse(text);
        Assert.Equal((functions, xlError), (string.Join(' ', entry.Functions), entry.XlError));
    }

    [Fact]
    public void Settings_for_all_functions_count_where_an_entry_says_nothing()
    {
        var config = XlConfig.Parse("pci_permissive = 1\npci_seize=0\ngfx_passthru = \"igd\"\nrdm = 'strategy=host,policy=strict'\npassthrough = \"enabled\"\ne820_host=1\npci = [ '09:00.0', '0a:00.0,permissive=0' ]");
        Assert.Equal(("1", "0", "0"), (config.Option(config.Entries[0], "permissive"), config.Option(config.Entries[1], "permissive"), config.Option(config.Entries[0], "seize")));
        Assert.Equal(("igd", "strategy=host,policy=strict", "enabled", "1"), (config.Setting("gfx_passthru"), config.Setting("rdm"), config.Setting("passthrough"), config.Setting("e820_host")));
    }

    [Fact]
    public void A_name_stands_for_the_function_that_has_it()
    {
        Dictionary<string, PciAddress> names = new() { ["front"] = PciAddress.Parse("09:00.1") };
        var config = XlConfig.Parse("pci = [ 'name=front,permissive=1', 'name=other' ]", names);
        Assert.Equal([PciAddress.Parse("09:00.1")], config.Functions);
        Assert.Equal("pci = [ 'name=other' ]", config.Without(PciAddress.Parse("09:00.1")));
    }

    [Theory]
    [InlineData("name = 'a'\n# the end", 2)]
    [InlineData("name = 'a'\r\n", 1)]
    [InlineData("memory = 1\nname = 'a' 'b'\n", 2)]
    [InlineData("memory = 1\n\nimport os\n", 3)]
    [InlineData("pci = ('09:00.0',)\n", 1)]
    [InlineData("memory = 1\nBuilder = 'hvm'\n", 2)]
    [InlineData("name = '\\q'\n", 1)]
    public void What_xl_would_not_read_is_known_by_its_line(string text, int line) => Assert.Equal(line, XlConfig.Parse(text).XlProblem?.Line);

    // ---- libvirt's XML --------------------------------------------------------------------------------------------------------------

    [Theory]
    [MemberData(nameof(XmlFiles))]
    public void A_hostdev_more_and_less_changes_nothing_else(string file)
    {
        var text = Text(file);
        var xml = DomainXml.Parse(text);
        Assert.Null(xml.Problem);
        var with = xml.With(Card, managed: false);
        Assert.Equal(xml.Functions.Append(Card).Order(), DomainXml.Parse(with).Functions.Order());
        if (!text.Contains("<devices/>", StringComparison.Ordinal))
            Assert.Equal(text, DomainXml.Parse(with).Without(Card));
        foreach (var device in xml.HostDevices.Where(device => !device.IsInterface))
        {
            var without = xml.Without(device.Address);
            Assert.Equal(xml.Functions.Where(each => each != device.Address), DomainXml.Parse(without).Functions);
            // Lines are gone, and none is new but a comment.
            Assert.All(text.Contains('\n', StringComparison.Ordinal) ? without.Split('\n').Where(line => !line.Contains("<!--", StringComparison.Ordinal)) : [], line => Assert.Contains(line, text, StringComparison.Ordinal));
        }
        Assert.Equal(text, xml.Without(Card));
    }

    [Fact]
    public void A_hostdev_is_written_where_the_others_are_and_as_they_are()
    {
        var before = Text("testdata/guests/shop.xml");
        var after = DomainXml.Parse(before).With(Card, managed: true);
        const string Device = "    <hostdev mode='subsystem' type='pci' managed='yes'>\n      <source>\n        <address domain='0x0000' bus='0x0b' slot='0x1f' function='0x7'/>\n      </source>\n    </hostdev>\n";
        var at = before.IndexOf("    <hostdev mode='subsystem' type='usb'", StringComparison.Ordinal);
        Assert.Equal(before.Insert(at, Device), after);
        Assert.Equal("      <!-- the storage -->", DomainXml.Parse(before).Without(PciAddress.Parse("07:00.0")).Split('\n').Single(line => line.Contains("the storage", StringComparison.Ordinal)).Insert(0, "  "));
    }

    [Theory]
    [InlineData("<!DOCTYPE d [<!ENTITY a \"b\">]><domain><devices/></domain>")]
    [InlineData("<domain><devices></domain>")]
    [InlineData("<network/>")]
    [InlineData("")]
    [InlineData("<domain><devices><hostdev mode='subsystem' type='pci'><source><address bus='0x100' slot='0'/></source></hostdev></devices></domain>")]
    [InlineData("<domain>&a;<devices/></domain>")]
    public void Xml_that_is_no_guest_or_declares_a_type_is_refused(string text) => Assert.Throws<FormatException>(() => DomainXml.Parse(text).With(Card, managed: false));

    [Fact]
    public void Addresses_in_xml_are_numbers_as_C_writes_them() => Assert.Equal(PciAddress.Parse("0000:1f:0a.3"), Assert.Single(DomainXml.Parse(
        "<domain><devices><hostdev mode='subsystem' type='pci'><source><address bus='31' slot='012' function='0x3'/></source></hostdev></devices></domain>").Functions));

    // ---- what changed ---------------------------------------------------------------------------------------------------------------

    /// <summary>One line is changed at most, and one is new at most; in them nothing differs but the entry, blanks and commas.</summary>
    static void AssertOnly(string before, string after, params string[] entries)
    {
        var (gone, added) = DifferentLines(before.Split('\n'), after.Split('\n'));
        Assert.InRange(gone.Count, 0, 2);
        Assert.InRange(added.Count, 0, 2);
        var (left, right) = (Squeezed(gone), Squeezed(added));
        // A list that was not there before, or is not there after.
        Assert.True(left == right || $"{left}pci=[]" == right || left == $"{right}pci=[]", $"{string.Join('\n', gone)}\n---\n{string.Join('\n', added)}");

        string Squeezed(List<string> lines)
        {
            var text = string.Concat(string.Join('\n', lines).Where(letter => letter is not (' ' or '\t' or '\r' or '\n' or ',')));
            foreach (var entry in entries.Select(entry => string.Concat(entry.Where(letter => letter != ','))))
                text = text.Replace($"'{entry}'", "", StringComparison.Ordinal).Replace($"\"{entry}\"", "", StringComparison.Ordinal).Replace($"[nic]", "[]", StringComparison.Ordinal);
            return text is "nic" ? "" : text;
        }
    }

    /// <summary>The lines that only one of two texts has, in their order (by the longest common subsequence).</summary>
    static (List<string> Gone, List<string> Added) DifferentLines(string[] before, string[] after)
    {
        var common = new int[before.Length + 1, after.Length + 1];
        for (var i = before.Length - 1; i >= 0; i--)
        {
            for (var j = after.Length - 1; j >= 0; j--)
                common[i, j] = before[i] == after[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
        }
        List<string> gone = [], added = [];
        for (var (i, j) = (0, 0); i < before.Length || j < after.Length;)
        {
            if (i < before.Length && j < after.Length && before[i] == after[j])
                (i, j) = (i + 1, j + 1);
            else if (j == after.Length || (i < before.Length && common[i + 1, j] >= common[i, j + 1]))
                gone.Add(before[i++]);
            else
                added.Add(after[j++]);
        }
        return (gone, added);
    }
}
