using System.Text;
using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Sim;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>The kernel's own ways to hide: its lists, modprobe's configuration, and what its command line is made of.</summary>
public class BootWayTests(ITestOutputHelper output)
{
    // ---- the kernel's list -------------------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData("", "")]
    [InlineData("(0000:09:00.0)", "(0000:09:00.0)")]
    [InlineData("(0000:09:00.0)(0000:0a:04.1)", "(0000:09:00.0)(0000:0a:04.1)")]
    [InlineData("(09:00.0) ( 0a:4.1)", "(0000:09:00.0)(0000:0a:04.1)")]
    [InlineData("(0000:09:00.*)(0a:*.*)(1:2:*.*)", "(0000:09:00.*)(0000:0a:*.*)(0001:02:*.*)")]
    [InlineData("(0x0:0x9:0x0.0x1)", "(0000:09:00.1)")]
    public void The_kernel_takes_a_list(string list, string entries)
    {
        var read = HideList.Parse(list);
        Assert.Null(read.Error);
        Assert.Equal(entries, string.Concat(read.Entries));
    }

    [Theory]
    [InlineData("(0000:09:00.0),(0000:0a:04.1)", 14)]
    [InlineData("0000:09:00.0", 0)]
    [InlineData("(0000:09:00.0)(0000:0a:04.)", 14)]
    [InlineData("(0000:09:00.0", 0)]
    [InlineData("(0000:09:00)", 0)]
    [InlineData("(0000:09:*.0)", 0)]
    [InlineData("(0000:*:*.*)", 0)]
    [InlineData("(0000:09:20.0)", 0)]
    [InlineData("(0000:09:00.8)", 0)]
    [InlineData("(0000:09:00.0)junk", 14)]
    [InlineData("(0000:09:00.0)(0000:0g:04.1)", 14)]
    public void One_bad_entry_and_the_kernel_drops_the_list(string list, int at)
    {
        var read = HideList.Parse(list);
        Assert.NotNull(read.Error);
        Assert.Equal(at, read.ErrorAt);
    }

    [Fact]
    public void A_list_is_merged_and_shortened_and_a_wildcard_is_not_torn()
    {
        var (card, other) = (PciAddress.Parse("0000:09:00.0"), PciAddress.Parse("0000:0a:04.1"));
        Assert.Equal("(09:00.0)(0000:0a:04.1)", HideList.Parse("(09:00.0)").With(other).ToString());
        Assert.Equal("(09:00.*)", HideList.Parse("(09:00.*)").With(card));
        Assert.Equal("(0000:0a:04.1)", HideList.Parse("(09:00.0)(0000:0a:04.1)").Without(card));
        Assert.Null(HideList.Parse("(09:00.*)").Without(card));
    }

    // ---- modprobe's configuration ------------------------------------------------------------------------------------------------------

    const string OldFile = """
        alias eth0 bnx2
        alias eth1 bnx2
        alias scsi_hostadapter megaraid_sas # the root file system

        options bnx2 disable_msi=1

        """;

    static SimHost Host(string path, string text) => Machines.Make("").WithFile(path, text);

    static string Text(SimHost host, string path) => Encoding.Latin1.GetString(host.Files.ReadAll(path) ?? []);

    [Fact]
    public void The_old_file_gets_an_install_line_and_a_list_and_loses_them_again()
    {
        var host = Host("/etc/modprobe.conf", OldFile).WithFile("/lib/modules/2.6.18-398.el5xen/modules.dep", "");
        Assert.Equal(0, Told.By(host, "hide --boot --method modprobe 09:00.0").ExitCode);
        Assert.Equal(OldFile + """
            options pciback hide=(0000:09:00.0)
            install e1000e /sbin/modprobe pciback ; /sbin/modprobe --first-time --ignore-install e1000e

            """, Text(host, "/etc/modprobe.conf"));
        Assert.Equal(0, Told.By(host, "hide --boot --method modprobe 08:00.0").ExitCode);
        Assert.Contains("\noptions pciback hide=(0000:09:00.0)(0000:08:00.0)\n", Text(host, "/etc/modprobe.conf"), StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "unhide --boot 09:00.0 08:00.0").ExitCode);
        Assert.Equal(OldFile, Text(host, "/etc/modprobe.conf"));
        // As it was before the first change, once.
        Assert.Equal(OldFile, Text(host, "/var/lib/pcipass/original/etc/modprobe.conf"));
    }

    /// <summary>The lines of the guides of that time, to the letter: a bnx2 card, and then a second function.</summary>
    [Fact]
    public void A_bnx2_card_of_that_time_gets_its_lines_to_the_letter()
    {
        var (card, other) = (Function() with { Driver = DriverName.Parse("bnx2") }, Function() with { Address = PciAddress.Parse("0000:0a:04.1"), Driver = null, Identity = PciIdentity.Parse("0000:00/06.0/04.1,8086:10d3:8086:0000,-") });
        var host = new HostSnapshot { BootId = "", Hypervisor = Hypervisor.XenDom0, Iommu = IommuState.Active, PcibackLoaded = true, Functions = card.ToSorted().Add(other.Address, other) };
        var files = new BootFiles { Kernels = ["2.6.18-398.el5xen"] }.With("/etc/modprobe.conf", OldFile);
        var plan = Planner.Plan(host with { BootFiles = files }, new Request(Verb.Hide, [Card], null, []) { Scope = Scope.Boot, Method = HideMethod.Modprobe });
        var one = Apply(files, plan);
        Assert.Equal(OldFile + """
            options pciback hide=(0000:09:00.0)
            install bnx2 /sbin/modprobe pciback ; /sbin/modprobe --first-time --ignore-install bnx2

            """, one.Contents["/etc/modprobe.conf"].Text);
        var devices = DeviceList.Parse(plan.Steps.OfType<EditFile>().Single(edit => edit.Path == DeviceList.Path).To);
        var second = Planner.Plan(host with { BootFiles = one, Devices = devices }, new Request(Verb.Hide, [other.Address], null, []) { Scope = Scope.Boot, Method = HideMethod.Modprobe });
        Assert.Contains("\noptions pciback hide=(0000:09:00.0)(0000:0a:04.1)\ninstall bnx2 ", Apply(one, second).Contents["/etc/modprobe.conf"].Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Today_it_is_a_file_of_our_own_with_a_softdep()
    {
        var host = Machines.Make("").WithFile("/lib/modules/6.1.0-56-amd64/modules.dep", "");
        Assert.Equal(0, Told.By(host, "hide --method modprobe 09:00.0").ExitCode);
        Assert.Equal("options xen-pciback hide=(0000:09:00.0)\nsoftdep e1000e pre: xen-pciback\n", Text(host, "/etc/modprobe.d/pcipass.conf"));
        Assert.Contains("if-moved=refuse,method=modprobe", Text(host, "/etc/pcipass/devices"), StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "unhide 09:00.0").ExitCode);
        Assert.False(host.Files.Exists("/etc/modprobe.d/pcipass.conf"));
        Assert.False(host.Files.Exists("/etc/pcipass/devices"));
    }

    [Theory]
    [InlineData("options xen-pciback hide=(0000:0a:04.1\n", "/etc/modprobe.d/xen.conf, line 1, column 26: in its hide= list \"(0000:0a:04.1\" is no (segment:bus:device.function); the kernel drops the whole list for that")]
    [InlineData("options xen_pciback hide=(0a:04.1)\noptions xen-pciback hide=(0a:04.2)\n", "line 1 and /etc/modprobe.d/xen.conf, line 2 each hold a hide= list")]
    [InlineData("install e1000e /bin/true\n", "/etc/modprobe.d/xen.conf, line 1: \"install e1000e /bin/true\" says already how e1000e is loaded")]
    public void What_cannot_be_merged_is_refused_and_nothing_changes(string text, string why)
    {
        var host = Host("/etc/modprobe.d/xen.conf", text);
        var before = host.ToText();
        var told = Told.By(host, "hide --boot --method modprobe 09:00.0");
        Assert.Equal(Cli.ExitCode.Refused, told.ExitCode);
        Assert.Contains(why, told.Errors, StringComparison.Ordinal);
        Assert.Contains("[unclear-boot-files]", told.Errors, StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());
    }

    // ---- the kernel's line -------------------------------------------------------------------------------------------------------------

    const string GrubFile = """
        # If you change this file, run 'update-grub' afterwards.
        GRUB_DEFAULT=0
        GRUB_TIMEOUT=5
        GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`
        GRUB_CMDLINE_LINUX_DEFAULT="quiet"
        GRUB_CMDLINE_LINUX=""
        GRUB_CMDLINE_XEN="dom0_mem=2G,max:2G"

        """;

    static Told By(SimHost host, string command)
    {
        host.Faults.FailProgram("update-grub", 0, "");
        return Told.By(host, command);
    }

    [Theory]
    [InlineData(GrubFile, "GRUB_CMDLINE_LINUX=\"\"", "GRUB_CMDLINE_LINUX=\"xen-pciback.hide=(0000:09:00.0)\"")]
    [InlineData("GRUB_CMDLINE_LINUX='a=\"b c\"  d' # mine\n", "'a=\"b c\"  d'", "'a=\"b c\"  d xen-pciback.hide=(0000:09:00.0)'")]
    [InlineData("GRUB_CMDLINE_LINUX=\"a xen_pciback.hide=(0a:04.1) b\"\n", "(0a:04.1)", "(0a:04.1)(0000:09:00.0)")]
    [InlineData("GRUB_CMDLINE_LINUX=\"a\"\nGRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX rd.qubes.hide_all_usb\"\n", "hide_all_usb", "hide_all_usb xen-pciback.hide=(0000:09:00.0)")]
    [InlineData("GRUB_CMDLINE_LINUX=\"xen-pciback.hide=(0a:04.1)\"\nGRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX b\"\n", "(0a:04.1)", "(0a:04.1)(0000:09:00.0)")]
    [InlineData("GRUB_CMDLINE_LINUX=\"a\"\nGRUB_CMDLINE_LINUX_DEFAULT='quiet xen-pciback.hide=(0a:04.1)'\n", "(0a:04.1)", "(0a:04.1)(0000:09:00.0)")]
    [InlineData("GRUB_CMDLINE_LINUX=\"${OTHER} a\"; GRUB_TIMEOUT=1\n", "} a", "} a xen-pciback.hide=(0000:09:00.0)")]
    [InlineData("GRUB_CMDLINE_LINUX+=\" z\"\n", " z", " z xen-pciback.hide=(0000:09:00.0)")]
    [InlineData("GRUB_CMDLINE_LINUX=x\nGRUB_CMDLINE_LINUX_XEN_REPLACE=\"y\"\n", "\"y\"", "\"y xen-pciback.hide=(0000:09:00.0)\"")]
    public void Grubs_settings_get_the_list_where_dom0s_line_is_made(string file, string before, string after)
    {
        var host = Host("/etc/default/grub", file);
        Assert.Equal(0, By(host, "hide --boot --method cmdline 09:00.0").ExitCode);
        Assert.Equal(file.Replace(before, after), Text(host, "/etc/default/grub"));
        Assert.Equal(0, By(host, "unhide --boot 09:00.0").ExitCode);
        Assert.Equal(file.Replace("''", "\"\""), Text(host, "/etc/default/grub").Replace("'a=\"b c\"  d'", "'a=\"b c\"  d'"));
    }

    [Fact]
    public void A_file_of_grub_d_that_comes_last_is_the_one_that_counts()
    {
        var host = Host("/etc/default/grub", GrubFile).WithFile("/etc/default/grub.d/50-cloud.cfg", "GRUB_CMDLINE_LINUX=\"console=hvc0\"\n");
        Assert.Equal(0, By(host, "hide --boot --method cmdline 09:00.0").ExitCode);
        Assert.Equal(GrubFile, Text(host, "/etc/default/grub"));
        Assert.Equal("GRUB_CMDLINE_LINUX=\"console=hvc0 xen-pciback.hide=(0000:09:00.0)\"\n", Text(host, "/etc/default/grub.d/50-cloud.cfg"));
    }

    [Fact]
    public void Entries_of_a_boot_loader_and_the_line_of_kernel_install_get_it_too()
    {
        const string Entry = "title Debian\nversion 6.1\nlinux /vmlinuz\noptions root=UUID=1 ro  quiet\ninitrd /initrd\n";
        var host = Host("/boot/loader/entries/a.conf", Entry).WithFile("/etc/kernel/cmdline", "root=UUID=1 ro\n");
        Assert.Equal(0, By(host, "hide --boot --method cmdline 09:00.0").ExitCode);
        Assert.Equal(Entry.Replace("quiet", "quiet xen-pciback.hide=(0000:09:00.0)"), Text(host, "/boot/loader/entries/a.conf"));
        Assert.Equal("root=UUID=1 ro xen-pciback.hide=(0000:09:00.0)\n", Text(host, "/etc/kernel/cmdline"));
        Assert.Equal(0, By(host, "unhide --boot 09:00.0").ExitCode);
        Assert.Equal((Entry, "root=UUID=1 ro\n"), (Text(host, "/boot/loader/entries/a.conf"), Text(host, "/etc/kernel/cmdline")));
    }

    [Theory]
    [InlineData("GRUB_CMDLINE_LINUX=\"$(cat /x)\"\n", "/etc/default/grub, line 1: the shell works out the value of GRUB_CMDLINE_LINUX")]
    [InlineData("GRUB_CMDLINE_LINUX=\"a \\\n  b\"\n", "/etc/default/grub, line 1: the shell works out the value of GRUB_CMDLINE_LINUX")]
    [InlineData("MINE=\"xen-pciback.hide=(0a:00.0)\"\nGRUB_CMDLINE_LINUX=\"$MINE\"\n", "/etc/default/grub, line 2: the shell works out the value of GRUB_CMDLINE_LINUX")]
    [InlineData("if [ -e /x ]; then\n  GRUB_CMDLINE_LINUX=\"a\"\nfi\n", "/etc/default/grub, line 2: GRUB_CMDLINE_LINUX is set there under a condition")]
    [InlineData("GRUB_CMDLINE_LINUX=\"xen-pciback.hide=(0a:00.0)\"\nGRUB_CMDLINE_LINUX_DEFAULT=\"xen-pciback.hide=(0b:00.0)\"\n", "line 1 and /etc/default/grub, line 2 each put xen-pciback.hide= on the line")]
    [InlineData("GRUB_CMDLINE_LINUX=\"quiet\nGRUB_TIMEOUT=5\n", "/etc/default/grub, line 1, column 20: GRUB_CMDLINE_LINUX begins with a quote that nothing closes")]
    [InlineData("GRUB_CMDLINE_LINUX=\"xen-pciback.hide=(09:00)\"\n", "/etc/default/grub, line 1, column 18 of the kernel's words: \"(09:00)\" is no (segment:bus:device.function)")]
    public void Settings_that_cannot_be_changed_without_guessing_are_refused(string file, string why)
    {
        var host = Host("/etc/default/grub", file);
        var before = host.ToText();
        var told = By(host, "hide --boot --method cmdline 09:00.0");
        Assert.Equal(Cli.ExitCode.Refused, told.ExitCode);
        Assert.Contains(why, told.Errors, StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());
    }

    // ---- files as distributions and people write them, and thousands made of them ----------------------------------------------------------

    static string Folder => Path.Combine(PciPass.Lab.Images.FindCheckout(), "testdata", "boot");

    static string[] Seeds(string kind) => [.. Directory.GetFiles(Path.Combine(Folder, kind)).Order(StringComparer.Ordinal).Select(path => Encoding.Latin1.GetString(File.ReadAllBytes(path)))];

    public static TheoryData<string, string, string> Files()
    {
        var data = new TheoryData<string, string, string>();
        foreach (var (kind, target) in ((string, string)[])[("modprobe", "/etc/modprobe.d/x.conf"), ("modprobe", "/etc/modprobe.conf"), ("grub", "/etc/default/grub"), ("cmdline", "/etc/kernel/cmdline"), ("entries", "/boot/loader/entries/x.conf")])
        {
            foreach (var path in Directory.GetFiles(Path.Combine(Folder, kind)).Order(StringComparer.Ordinal))
                data.Add(kind, Path.GetFileName(path), target);
        }
        return data;
    }

    /// <summary>Each real file: hidden in it, and unhidden, it is what it was; or it is refused with a place.</summary>
    [Theory]
    [MemberData(nameof(Files))]
    public void A_file_as_people_write_it_is_changed_in_one_place_and_back(string kind, string name, string target)
    {
        var text = Encoding.Latin1.GetString(File.ReadAllBytes(Path.Combine(Folder, kind, name)));
        var (refused, now) = ThereAndBack(kind, target, text);
        string[] unclear = ["grub/qubes-marker", "grub/one-line", "entries/rhel8", "entries/shell"];
        Assert.True((refused is not null) == unclear.Contains($"{kind}/{name}"), $"{name}: {refused ?? "changed"}");
        if (kind == "grub" && refused is null)
            CheckWithShell(text, now);
    }

    /// <summary>Hiding changes one line of a file and adds one or two; unhiding brings the file back as it was.</summary>
    [Theory]
    [InlineData("modprobe", "/etc/modprobe.conf")]
    [InlineData("modprobe", "/etc/modprobe.d/others.conf")]
    [InlineData("grub", "/etc/default/grub")]
    [InlineData("cmdline", "/etc/kernel/cmdline")]
    [InlineData("entries", "/boot/loader/entries/x.conf")]
    public void No_line_of_others_is_lost_or_changed(string kind, string path)
    {
        var random = new Random(path.Length);
        var seeds = Seeds(kind);
        int changed = 0, refused = 0;
        for (var n = 0; n < 4000; n++)
        {
            var text = Mutate(random, seeds[random.Next(seeds.Length)] + (random.Next(3) == 0 ? seeds[random.Next(seeds.Length)] : ""));
            if (ThereAndBack(kind, path, text).Refused is null)
                changed++;
            else
                refused++;
        }
        output.WriteLine($"{changed} changed and changed back, {refused} refused");
        Assert.True(changed > 1000, $"{changed}");
    }

    /// <summary>Hides the card by a file and unhides it, and compares.</summary>
    /// <returns>Why it was refused; or the file with the card hidden.</returns>
    static (string? Refused, string Now) ThereAndBack(string kind, string path, string text)
    {
        var host = new HostSnapshot { BootId = "", Hypervisor = Hypervisor.XenDom0, Iommu = IommuState.Active, PcibackLoaded = true, Functions = Function().ToSorted() };
        var files = new BootFiles { Kernels = [path == "/etc/modprobe.conf" ? "2.6.18-8.el5xen" : "6.1.0"] }.With(path, text);
        var request = new Request(Verb.Hide, [Card], null, []) { Scope = Scope.Boot, Method = kind == "modprobe" ? HideMethod.Modprobe : HideMethod.Cmdline };
        var hidden = Planner.Plan(host with { BootFiles = files }, request);
        if (hidden.IsRefused)
        {
            Assert.All(hidden.Refusals, refusal => Assert.True(refusal.Why.Contains(path, StringComparison.Ordinal) || refusal.Why.Contains("neither", StringComparison.Ordinal), refusal.Why));
            return (hidden.Refusals.First().Why, text);
        }
        var after = Apply(files, hidden);
        var now = after.Contents.GetValueOrDefault(path)?.Text ?? "";
        // Each line is there, in its order, but for the one that holds the list now.
        var (before, then) = (text.Split('\n'), now.Split('\n'));
        Assert.True(before.Length - Common(before, then) <= 1, $"more than one line changed of\n{text}\nnow\n{now}");
        Assert.DoesNotContain(Planner.Plan(host with { BootFiles = after }, request with { Verb = Verb.Unhide }).Refusals, refusal => refusal.Code == "not-hidden");
        var devices = DeviceList.Parse(hidden.Steps.OfType<EditFile>().Single(edit => edit.Path == DeviceList.Path).To);
        var back = Planner.Plan(host with { BootFiles = after, Devices = devices }, request with { Verb = Verb.Unhide });
        if (back.IsRefused)
        {
            // A wildcard of others means the card as well, and is not torn.
            Assert.True(back.Refusals.First().Why.Contains("an entry with *", StringComparison.Ordinal), $"{back.Refusals.First().Why} in\n{text}\nnow\n{now}");
            return (null, now);
        }
        var restored = Apply(after, back).Contents.GetValueOrDefault(path)?.Text ?? "";
        // A list that had the card before, alone or with others, does not have it any more, and what loaded pciback for it alone is gone as well.
        var isListed = !Planner.Plan(host with { BootFiles = files }, request with { Verb = Verb.Unhide }).IsRefused;
        if (!isListed && (now.Contains("hide=(0000:09:00.0)", StringComparison.Ordinal) ? !text.Contains("pciback", StringComparison.Ordinal) : true))
            // As long as a list is left, pciback is loaded first for whoever may need it.
            Assert.Equal(Plain(text), Plain(path == "/etc/modprobe.conf" && text.Contains("pciback", StringComparison.Ordinal) && !text.Contains(Loading, StringComparison.Ordinal) ? restored.Replace(Loading, "", StringComparison.Ordinal) : restored));
        else
            Assert.True(before.Length - Common(before, restored.Split('\n')) <= 3, $"{text}\nand\n{restored}");
        return (null, now);
    }

    const string Loading = "install e1000e /sbin/modprobe pciback ; /sbin/modprobe --first-time --ignore-install e1000e\n";

    /// <summary>But for an end of the last line, a bare value's quotes, and how many blanks there are.</summary>
    static string Plain(string text) => string.Join(' ', text.Replace("\"", "", StringComparison.Ordinal).Split([' ', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries));

    /// <summary>How many lines two texts share in their order.</summary>
    static int Common(string[] one, string[] other)
    {
        var lengths = new int[one.Length + 1, other.Length + 1];
        for (var at = one.Length - 1; at >= 0; at--)
        {
            for (var there = other.Length - 1; there >= 0; there--)
                lengths[at, there] = one[at] == other[there] ? lengths[at + 1, there + 1] + 1 : Math.Max(lengths[at + 1, there], lengths[at, there + 1]);
        }
        return lengths[0, 0];
    }

    /// <summary>What a real shell makes of GRUB's settings before and after: the list and nothing else comes to the kernel's line.</summary>
    static void CheckWithShell(string text, string after)
    {
        var (before, then) = (Evaluate(text), Evaluate(after));
        var list = KernelWords.Parse(then).Find("xen-pciback.hide").Last();
        var had = KernelWords.Parse(before).Find("xen-pciback.hide").LastOrDefault();
        Assert.Equal(HideList.Parse(had.Value ?? "").With(Card), list.Value);
        Assert.Equal(KernelWords.Parse(before).Words.Where(word => word.Name != "xen_pciback.hide").Select(word => (word.Name, word.Value)), KernelWords.Parse(then).Words.Where(word => word.Name != "xen_pciback.hide").Select(word => (word.Name, word.Value)));

        static string Evaluate(string settings)
        {
            var path = Path.GetTempFileName();
            try
            {
                File.WriteAllBytes(path, Encoding.Latin1.GetBytes(settings.Replace("\r\n", "\n", StringComparison.Ordinal)));
                var start = new System.Diagnostics.ProcessStartInfo("bash", ["-c", "source \"$0\" 2>/dev/null; echo \"${GRUB_CMDLINE_LINUX_XEN_REPLACE-$GRUB_CMDLINE_LINUX} ${GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT-$GRUB_CMDLINE_LINUX_DEFAULT}\"", path]) { RedirectStandardOutput = true, UseShellExecute = false };
                using var shell = System.Diagnostics.Process.Start(start)!;
                return shell.StandardOutput.ReadToEnd().TrimEnd('\n');
            }
            finally
            {
                File.Delete(path);
            }
        }
    }

    static readonly PciAddress Card = PciAddress.Parse("0000:09:00.0");

    static PciFunction Function() => new()
    {
        Address = Card,
        Identity = PciIdentity.Parse("0000:00/05.0/00.0,8086:10d3:8086:0000,-"),
        Class = new PciClass(2, 0, 0),
        HeaderType = 0,
        Driver = DriverName.Parse("e1000e"),
    };

    static BootFiles Apply(BootFiles files, Plan plan)
    {
        foreach (var edit in plan.Steps.OfType<EditFile>().Where(edit => edit.Path != DeviceList.Path))
        {
            Assert.Equal(edit.From, files.Contents.GetValueOrDefault(edit.Path));
            files = files.With(edit.Path, edit.To?.Text);
        }
        return files;
    }

    static string Mutate(Random random, string text)
    {
        const string Telling = " \n\t\\\"'$`#=+()[]{};:.,/-_*0af~\r\u00e9";
        var mutated = new StringBuilder(text);
        for (var times = random.Next(1, 5); times > 0 && mutated.Length > 0; times--)
        {
            var at = random.Next(mutated.Length);
            _ = random.Next(4) switch
            {
                0 => mutated.Remove(at, Math.Min(random.Next(1, 6), mutated.Length - at)),
                1 => mutated.Insert(at, Telling[random.Next(Telling.Length)]),
                2 => mutated.Insert(at, mutated.ToString(at, Math.Min(random.Next(1, 30), mutated.Length - at))),
                _ => mutated.Replace(mutated[at], Telling[random.Next(Telling.Length)], at, 1),
            };
        }
        return mutated.ToString();
    }
}

static class SortedFunctions
{
    public static System.Collections.Immutable.ImmutableSortedDictionary<PciAddress, PciFunction> ToSorted(this PciFunction function) =>
        System.Collections.Immutable.ImmutableSortedDictionary<PciAddress, PciFunction>.Empty.Add(function.Address, function);
}
