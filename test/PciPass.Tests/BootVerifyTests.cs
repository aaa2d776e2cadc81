using System.IO.Compression;
using System.Text;
using PciPass.Cli;
using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Host;
using PciPass.Lab;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>What boot verify tells of the next start, from the files of a host: the answer to "what will happen to each of these cards, and why?"</summary>
public class BootVerifyTests
{
    const string Version = "6.1.0-56-amd64", Image = $"/boot/initrd.img-{Version}", Modules = $"/lib/modules/{Version}";

    const string Aliases = """
        alias pci:v00008086d000010D3sv*sd*bc*sc*i* e1000e
        alias pci:v*d*sv*sd*bc01sc08i02* nvme

        """;

    static string Menu(string line = "", int start = 1) => $$"""
        if [ "${next_entry}" ] ; then
           set default="${next_entry}"
        else
           set default="{{start}}"
        fi
        menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple' {
            linux /boot/vmlinuz-{{Version}} root=UUID=1 ro quiet {{line}}
            initrd /boot/initrd.img-{{Version}}
        }
        menuentry 'Debian GNU/Linux, with Xen hypervisor' --class xen $menuentry_id_option 'xen-gnulinux' {
            echo 'Loading Xen ...'
            if [ "$grub_platform" = "pc" ]; then
                xen_rm_opts=
            else
                xen_rm_opts="no-real-mode edd=off"
            fi
            multiboot2 /boot/xen-4.17.gz placeholder dom0_mem=2G ${xen_rm_opts}
            module2 /boot/vmlinuz-{{Version}} placeholder root=UUID=1 ro quiet {{line}}
            module2 --nounzip /boot/initrd.img-{{Version}}
        }

        """;

    /// <summary>Two cards alike and a disk; Debian's kernel with all drivers as modules, and a menu whose default is Xen's entry.</summary>
    static SimHost Make(string menu, string words = "") => Machines.Make(words)
        .WithFile($"{Modules}/modules.dep", "kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko:\nkernel/drivers/nvme/host/nvme.ko: kernel/drivers/nvme/host/nvme-core.ko\nkernel/drivers/nvme/host/nvme-core.ko:\nkernel/drivers/xen/xen-pciback/xen-pciback.ko:\nkernel/drivers/vfio/pci/vfio-pci.ko:\n")
        .WithFile($"{Modules}/modules.alias", Aliases)
        .WithFile("/boot/grub/grub.cfg", menu);

    /// <summary>An initramfs of initramfs-tools: microcode first, then all else, compressed.</summary>
    static byte[] Pack(params (string Path, string Text)[] files)
    {
        using var image = new MemoryStream();
        CpioArchive.Append(image, [File("/kernel/x86/microcode/GenuineIntel.bin", "microcode")]);
        image.Write(new byte[512 - (image.Length % 512)]);
        using (var packed = new GZipStream(image, CompressionLevel.Fastest, leaveOpen: true))
            CpioArchive.Append(packed, files.Prepend(("/conf/initramfs.conf", "MODULES=most\n")).Select(file => File(file.Item1, file.Item2)));
        return image.ToArray();

        static MachineFile File(string path, string text) => new(path, Encoding.Latin1.GetBytes(text), MachineFile.Plain);
    }

    static SimHost With(SimHost host, params (string Path, string Text)[] files)
    {
        host.Files.ReplaceFile(Image, Pack(files));
        return host;
    }

    static (string, string)[] Native => [($"/usr/lib/modules/{Version}/kernel/drivers/net/e1000e.ko", "x"), ($"/usr/lib/modules/{Version}/kernel/drivers/nvme/nvme.ko.xz", "x")];

    static (string, string)[] Holder => [($"/usr/lib/modules/{Version}/kernel/drivers/xen/xen-pciback.ko", "x")];

    static (string, string)[] Part(SimHost host) =>
        [("/usr/sbin/pcipass", "x"), ("/scripts/init-top/pcipass", "x"), (DeviceList.Path, Encoding.Latin1.GetString(host.Files.ReadAll(DeviceList.Path)!))];

    static (string, string) Modprobe(string text) => ("/etc/modprobe.d/local.conf", text);

    /// <summary>The rows of 07:00.0, 08:00.0 and 09:00.0.</summary>
    static string[] Rows(Told told) => [.. told.Output.Split('\n').Where(line => line.StartsWith("0000:0", StringComparison.Ordinal) && !line.StartsWith("0000:00", StringComparison.Ordinal))];

    static string[] Next(Told told) => [.. Rows(told).Select(row => row.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3])];

    static void Finds(Told told, string code, string text)
    {
        Assert.Contains($"[{code}]", told.Errors, StringComparison.Ordinal);
        Assert.Contains(text, told.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_wished_nothing_wrong_and_each_card_has_its_driver()
    {
        var told = Told.By(With(Make(Menu()), Native), "boot verify");
        Assert.Equal(ExitCode.Done, told.ExitCode);
        Assert.Equal("", told.Errors);
        Assert.StartsWith($"next start: Debian GNU/Linux, with Xen hypervisor (the default: /boot/grub/grub.cfg, line 18), Linux {Version}, with Xen\ninitramfs:  {Image} (initramfs-tools, gzip), does not hold pcipass\n", told.Output, StringComparison.Ordinal);
        Assert.Equal(["nvme", "e1000e", "e1000e"], Next(told));
        Assert.Contains("e1000e is in the initramfs, and nothing there hides it", told.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kept_card_is_hidden_by_pcipass_in_the_initramfs_and_by_nothing_where_it_is_not_in_it()
    {
        var host = With(Make(Menu()), Native);
        Told.By(host, "hide --boot 09:00.0");
        var told = Told.By(host, "boot verify");
        Assert.Equal(ExitCode.Refused, told.ExitCode);
        Assert.Equal(["nvme", "e1000e", "e1000e"], Next(told));
        Finds(told, "native-in-image", $"error: 0000:09:00.0 will not be hidden at the next start, though line 2 of /etc/pcipass/devices says so");
        Finds(told, "native-in-image", $"why:   {Image} does not hold pcipass\ndo:    pcipass boot install");
        Assert.Contains($"0000:09:00.0  the host's  the host's  e1000e is in the initramfs", Told.By(host, "status").Output, StringComparison.Ordinal);

        With(host, [.. Native, .. Holder, .. Part(host)]);
        told = Told.By(host, "boot verify");
        Assert.Equal((ExitCode.Done, ""), (told.ExitCode, told.Errors));
        Assert.Equal(["nvme", "e1000e", "pciback"], Next(told));
        Assert.Contains("pcipass in the initramfs, by line 2 of /etc/pcipass/devices", told.Output, StringComparison.Ordinal);

        // The list has changed since the image was made.
        Told.By(host, "hide --boot 08:00.0");
        told = Told.By(host, "boot verify 08:00.0");
        Finds(told, "native-in-image", $"why:   the list in {Image} is another one than /etc/pcipass/devices");
    }

    [Fact]
    public void With_the_unit_alone_it_is_hidden_late_and_told()
    {
        var host = With(Make(Menu()), Native).WithFile("/etc/systemd/system/multi-user.target.wants/pcipass-boot.service", "");
        Told.By(host, "hide --boot 09:00.0");
        var told = Told.By(host, "boot verify");
        Assert.Equal(ExitCode.Done, told.ExitCode);
        Assert.Equal("pciback", Next(told)[2]);
        Finds(told, "hidden-late", "warning: 0000:09:00.0 is hidden late: e1000e has it first");
    }

    [Fact]
    public void A_default_entry_without_Xen_hides_nothing_for_pciback()
    {
        var host = Make(Menu(start: 0));
        Told.By(host, "hide --boot 09:00.0");
        With(host, [.. Native, .. Holder, .. Part(host)]);
        var told = Told.By(host, "boot verify");
        Assert.Equal("e1000e", Next(told)[2]);
        Finds(told, "native-in-image", "why:   there is no Xen below this kernel, and pciback holds functions only there\ndo:    let the boot loader start Xen's entry by default");
    }

    [Theory]
    // By hand, in the manner of old: right.
    [InlineData("options xen-pciback hide=(0000:09:00.0)\ninstall e1000e /sbin/modprobe xen-pciback ; /sbin/modprobe --first-time --ignore-install e1000e\n", "pciback", null, "")]
    [InlineData("options xen-pciback hide=(0000:09:00.0)\nsoftdep e1000e pre: xen-pciback\n", "pciback", null, "")]
    // The name that the module had in Linux 2.6.
    [InlineData("options pciback hide=(0000:09:00.0)\ninstall e1000e /sbin/modprobe pciback ; /sbin/modprobe --first-time --ignore-install e1000e\n", "e1000e", "no-such-module", "/etc/modprobe.d/local.conf, line 1: Linux 6.1.0-56-amd64 has none; its name there is xen-pciback")]
    [InlineData("options xen-pciback hide=(0000:09:00.0),(0000:0a:04.1)\nsoftdep e1000e pre: xen-pciback\n", "e1000e", "hide-list-wrong", "/etc/modprobe.d/local.conf, line 1, column 40: \",(0000:0a:04.1)\" is no")]
    [InlineData("options xen-pciback hide=(0000:09:00.0)\n", "e1000e", "native-in-image", "nothing loads xen-pciback before e1000e\ndo:    a line \"softdep e1000e pre: xen-pciback\"")]
    [InlineData("options xen-pciback hide=(0000:09:00.0)\ninstall e1000e /sbin/modprobe --ignore-install e1000e ; /sbin/modprobe xen-pciback\n", "e1000e", "install-order", "line 2: it comes before xen_pciback")]
    [InlineData("options xen-pciback hide=(0000:09:00.0)\ninstall e1000e /sbin/modprobe xen-pciback ; /sbin/modprobe e1000e\n", "pciback", "install-loops", "line 2: it calls modprobe e1000e, which comes back to this line")]
    [InlineData("options xen-pciback hide=(0000:09:00.0)\ninstall e1000e /sbin/modprobe xen-pciback\n", "pciback", "install-without-driver", "line 2: the command does not load it")]
    [InlineData("options xen-pciback hide=(0000:09:00.0) # my card\nsoftdep e1000e pre: xen-pciback\n", "pciback", "unknown-parameter", "line 1: \"#\": a comment begins at a line's start only")]
    [InlineData("options xen-pciback hide=(0000:19:00.0)\nsoftdep e1000e pre: xen-pciback\n", "e1000e", "hides-nothing", "(0000:19:00.0) names no function of this host")]
    [InlineData("options xen-pciback hide=(0000:00:04.2)\nsoftdep e1000e pre: xen-pciback\n", "pciback", "hides-bridge", "0000:09:00.0 (Ethernet)")]
    [InlineData("options xen-pciback hide=(09:*.*)\nsoftdep e1000e pre: xen-pciback\n", "pciback", "hides-several", "")]
    [InlineData("options xen-pciback hide=(0000:09:00.0)\nsoftdep e1000e pre: xen-pciback\r\n", "e1000e", "carriage-return", "line 2: modprobe takes it for a part of the last word")]
    [InlineData("softdep e1000e pre: ptp\noptions xen-pciback hide=(0000:09:00.0)\nsoftdep e1000e pre: xen-pciback\n", "e1000e", "line-shadowed", "line 3: modprobe takes the first softdep line that means e1000e, which is /etc/modprobe.d/local.conf, line 1")]
    [InlineData("options xen-pciback hide=(0000:09:00.0)\noptions xen-pciback hide=(0000:08:00.0)\nsoftdep e1000e pre: xen-pciback\n", "e1000e", "two-lists", "the kernel takes the last")]
    [InlineData("option xen-pciback hide=(0000:09:00.0)\n", "e1000e", "line-passed-over", "/etc/modprobe.d/local.conf, line 1, column 1: \"option\" is no command of modprobe's")]
    [InlineData("options vfio-pci ids=8086:10d3\nsoftdep e1000e pre: vfio-pci\n", "vfio-pci", "ids-take-all", "ids mean every function of a kind: 0000:08:00.0, 0000:09:00.0")]
    public void What_somebody_wrote_by_hand_is_read_as_modprobe_and_the_kernel_read_it(string text, string next, string? code, string why)
    {
        var host = With(Make(Menu()).WithFile("/etc/modprobe.d/local.conf", text), [.. Native, .. Holder, ($"/lib/modules/{Version}/vfio-pci.ko", "x"), Modprobe(text)]);
        var told = Told.By(host, "boot verify");
        Assert.Equal(next, Next(told)[2]);
        if (code is null)
            Assert.Equal((ExitCode.Done, ""), (told.ExitCode, told.Errors));
        else
            Finds(told, code, why);
    }

    [Theory]
    [InlineData(false, false, "e1000e is in /boot/initrd.img-6.1.0-56-amd64 and xen-pciback is not")]
    [InlineData(true, false, "holds other options of xen-pciback than the root file system")]
    [InlineData(true, true, null)]
    public void The_initramfs_decides_where_the_driver_is_in_it(bool hasHolder, bool hasLines, string? why)
    {
        const string Lines = "options xen-pciback hide=(0000:09:00.0)\nsoftdep e1000e pre: xen-pciback\n";
        var host = With(Make(Menu()).WithFile("/etc/modprobe.d/local.conf", Lines), [.. Native, .. hasHolder ? Holder : [], .. hasLines ? [Modprobe(Lines)] : Array.Empty<(string, string)>()]);
        var told = Told.By(host, "boot verify");
        Assert.Equal(why is null ? "pciback" : "e1000e", Next(told)[2]);
        if (why is not null)
            Finds(told, "native-in-image", why);
        // Where the driver is not in it, the root file system decides.
        With(host, [("/nothing", "")]);
        Assert.Equal("pciback", Next(Told.By(host, "boot verify"))[2]);
    }

    [Fact]
    public void A_driver_that_is_built_in_comes_before_everything_but_a_built_in_pciback()
    {
        var host = With(Make(Menu("xen-pciback.hide=(0000:09:00.0)"))
            .WithFile($"{Modules}/modules.builtin", "kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko\n"), [.. Holder]);
        var told = Told.By(host, "boot verify");
        Assert.Equal("e1000e", Next(told)[2]);
        Finds(told, "built-in-driver", "pcipass boot install");
        host.WithFile($"{Modules}/modules.builtin", "kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko\nkernel/drivers/xen/xen-pciback/xen-pciback.ko\n");
        Assert.Equal("pciback", Next(Told.By(host, "boot verify"))[2]);
        // modprobe's options do not reach what is built in.
        host.WithFile("/boot/grub/grub.cfg", Menu()).WithFile("/etc/modprobe.d/local.conf", "options xen-pciback hide=(0000:09:00.0)\n");
        told = Told.By(host, "boot verify");
        Assert.Equal("e1000e", Next(told)[2]);
        Finds(told, "options-of-built-in", "it is built into Linux");
    }

    [Fact]
    public void Modules_that_are_loaded_by_name_race_with_udev()
    {
        var host = With(Make(Menu()).WithFile("/etc/modprobe.d/local.conf", "options xen-pciback hide=(0000:09:00.0)\n").WithFile("/etc/modules", "# x\nxen-pciback\n"), ("/nothing", ""));
        var told = Told.By(host, "boot verify");
        Assert.Equal("pciback?", Next(told)[2]);
        Finds(told, "start-race", "/etc/modules, line 2 loads xen-pciback while udev loads e1000e");
        host.WithFile("/etc/modprobe.d/black.conf", "blacklist e1000e\n");
        Assert.Equal(["nvme", "-", "pciback"], Next(Told.By(host, "boot verify")));
    }

    [Fact]
    public void A_line_that_has_not_reached_the_menu_or_the_running_kernel_is_told()
    {
        var host = With(Make(Menu()).WithFile("/etc/default/grub", "GRUB_CMDLINE_LINUX=\"quiet xen-pciback.hide=(0000:09:00.0)\"\nGRUB_CMDLINE_XEN=\"xen-pciback.hide=(0000:09:00.0)\"\n"), Native);
        var told = Told.By(host, "boot verify");
        Finds(told, "line-not-in-menu", "why:   /etc/default/grub, line 1 says \"(0000:09:00.0)\", /boot/grub/grub.cfg, line 18 does not have it\ndo:    update-grub");
        Finds(told, "on-xens-line", "/etc/default/grub, line 2: GRUB_CMDLINE_XEN is the line of the hypervisor");
    }

    [Fact]
    public void A_modprobe_conf_that_kmod_does_not_read_is_told_with_what_it_would_do()
    {
        var host = With(Make(Menu()).WithFile("/etc/modprobe.conf", "options pciback hide=(0000:09:00.0)\ninstall e1000e /sbin/modprobe pciback ; /sbin/modprobe --first-time --ignore-install e1000e\n"), Native);
        var told = Told.By(host, "boot verify");
        Finds(told, "file-not-read", "/etc/modprobe.conf was read by module-init-tools");
        Finds(told, "no-such-module", "/etc/modprobe.conf, line 1");
        Assert.Contains("read by nobody; it would say: when e1000e is asked for, loads pciback, then e1000e", told.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_file_of_a_system_of_that_time_is_read_as_it_was_then()
    {
        var host = Machines.Make("").WithFile("/lib/modules/2.6.18-398.el5xen/modules.dep", "/lib/modules/2.6.18-398.el5xen/kernel/drivers/net/e1000e/e1000e.ko:\n/lib/modules/2.6.18-398.el5xen/kernel/drivers/xen/pciback/pciback.ko:\n")
            .WithFile("/lib/modules/2.6.18-398.el5xen/modules.alias", Aliases)
            .WithFile("/boot/grub/grub.cfg", Menu().Replace(Version, "2.6.18-398.el5xen", StringComparison.Ordinal))
            .WithFile("/etc/modprobe.conf", "alias eth0 e1000e\ninstall e1000e /sbin/modprobe pciback ; /sbin/modprobe --first-time --ignore-install e1000e\noptions pciback hide=(0000:09:00.0)(0000:0a:04.1)\n");
        host.Files.ReplaceFile("/boot/initrd.img-2.6.18-398.el5xen", Pack());
        var told = Told.By(host, "boot verify");
        Assert.Equal(["nvme", "e1000e", "pciback"], Next(told));
        Finds(told, "hides-nothing", "(0000:0a:04.1) names no function of this host: /etc/modprobe.conf, line 3");
        Assert.Contains("/etc/modprobe.conf, line 2: install e1000e /sbin/modprobe pciback ; /sbin/modprobe --first-time --ignore-install e1000e\n    when e1000e is asked for, loads pciback, then e1000e\n", told.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GRUB_ENABLE_BLSCFG", "saved_entry=m-6.1.0-55\n", "m-6.1.0-55.conf")]
    [InlineData("GRUB_ENABLE_BLSCFG", "saved_entry=none-of-them\n", $"m-{Version}.conf")]
    [InlineData("GRUB_ENABLE_BLSCFG", "", $"m-{Version}.conf")]
    public void Entries_of_the_boot_loader_specification_are_followed_as_Grub_follows_them(string _, string environment, string entry)
    {
        var host = With(Make("set default=\"${saved_entry}\"\nblscfg\n"), Native).WithFile("/boot/grub/grubenv", $"# GRUB Environment Block\n{environment}kernelopts=root=UUID=1 ro vfio-pci.ids=8086:10d3 \n####\n");
        foreach (var version in (string[])["6.1.0-55", Version])
            host.WithFile($"/boot/loader/entries/m-{version}.conf", $"title Fedora Linux ({version})\nversion {version}\nlinux /vmlinuz-{version}\ninitrd /initrd.img-{version} $tuned_initrd\noptions $kernelopts $tuned_params\n");
        var told = Told.By(host, "boot verify");
        Assert.Contains($"/boot/loader/entries/{entry}, line 5", told.Output, StringComparison.Ordinal);
        Finds(told, "ids-take-all", "0000:08:00.0, 0000:09:00.0");
    }

    [Fact]
    public void Systemd_boots_default_pattern_is_followed()
    {
        var host = Make("").WithoutFile("/boot/grub/grub.cfg").WithFile("/efi/loader/loader.conf", "timeout 3\ndefault arch-*\n").WithFile("/efi/loader/entries/arch-lts.conf", $"title Arch\nlinux /vmlinuz-linux-lts\ninitrd /initramfs-linux-lts.img\noptions root=/dev/sda2 rw\n")
            .WithFile("/efi/loader/entries/other.conf", "title Other\nlinux /x\noptions y\n");
        host.Files.ReplaceFile("/efi/initramfs-linux-lts.img", Pack());
        Assert.Contains("next start: Arch (the default: /efi/loader/entries/arch-lts.conf, line 4)", Told.By(host, "boot verify").Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("zstd", "28b52ffd00")]
    [InlineData("xz", "fd377a585a0000")]
    public void An_image_whose_program_is_missing_is_told_and_nothing_is_claimed(string form, string start)
    {
        var host = Make(Menu());
        host.Files.ReplaceFile(Image, Convert.FromHexString(start));
        var told = Told.By(host, "boot verify");
        Finds(told, "image-unread", $"{Image}: its main part is compressed by {form}, and could not be read: start {form}: no such file");
        Assert.All(Next(told), next => Assert.EndsWith("?", next, StringComparison.Ordinal));
    }

    [Fact]
    public void A_torn_image_and_one_that_is_none_are_told()
    {
        var host = Make(Menu());
        var whole = Pack(Native);
        host.Files.ReplaceFile(Image, whole[..(whole.Length - 60)]);
        Finds(Told.By(host, "boot verify"), "image-unread", "gzip");
        host.Files.ReplaceFile(Image, Encoding.ASCII.GetBytes("this is no image"));
        Finds(Told.By(host, "boot verify"), "image-unread", "which is no archive");
        host.WithoutFile(Image);
        Assert.Contains("initramfs:  none was found", Told.By(host, "boot verify").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Scripts_that_take_cards_by_themselves_are_told()
    {
        var host = With(Make(Menu()).WithFile("/etc/rc.local", "#!/bin/sh\necho 8086 10d3 > /sys/bus/pci/drivers/vfio-pci/new_id\n").WithFile("/etc/modprobe.d/vfio", "options vfio-pci ids=8086:10d3\n"), Native);
        var told = Told.By(host, "boot verify");
        Finds(told, "taken-by-hand", "/etc/rc.local, line 2: echo 8086 10d3 > /sys/bus/pci/drivers/vfio-pci/new_id: new_id takes every function of that kind");
        Finds(told, "file-not-read", "the name of /etc/modprobe.d/vfio does not end in .conf");
    }

    [Fact]
    public void As_JSON_it_says_the_same()
    {
        var host = With(Make(Menu()), Native);
        Told.By(host, "hide --boot 09:00.0");
        var told = Told.By(host, "boot verify --json");
        Assert.Equal(ExitCode.Refused, told.ExitCode);
        var json = System.Text.Json.JsonDocument.Parse(told.Output).RootElement;
        var card = json.GetProperty("functions").EnumerateArray().Single(each => each.GetProperty("address").GetString() == "0000:09:00.0");
        Assert.Equal(("e1000e", false, true), (card.GetProperty("next_driver").GetString(), card.GetProperty("hidden").GetBoolean(), card.GetProperty("certain").GetBoolean()));
        Assert.Equal("native-in-image", json.GetProperty("findings")[0].GetProperty("code").GetString());
    }
}
