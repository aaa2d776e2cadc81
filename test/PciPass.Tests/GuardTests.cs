using System.Text;
using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>What has Xen ask before others' commands save a guest. That libxl does ask, and leaves the guest as it was, is the lab's to show.</summary>
public class GuardTests
{
    const string Helper = "/usr/lib/xen-4.17/bin/libxl-save-helper", Kept = $"{Helper}.pcipass-kept";

    static readonly byte[] Program = [0x7f, (byte)'E', (byte)'L', (byte)'F', 0, 255, 10];

    static SimHost Host(string before = "")
    {
        var host = Machines.Make("pinless");
        host.Files.ReplaceFile(Helper, Program);
        host.Files.ReplaceFile("/usr/sbin/pcipass", []);
        foreach (var command in before.Split("; ", StringSplitOptions.RemoveEmptyEntries))
            Told.By(host, command).Says(0);
        return host;
    }

    [Fact]
    public void It_is_put_before_each_Xens_helper_once_and_taken_away_without_a_trace()
    {
        var host = Host();
        host.Files.ReplaceFile("/usr/local/lib/xen/bin/libxl-save-helper", Program);
        var before = host.ToText();
        Assert.Equal($"{Helper}: not guarded\n/usr/local/lib/xen/bin/libxl-save-helper: not guarded\n", Told.By(host, "guard show").Says(1));
        Assert.Contains($"would keep {Helper} as {Kept}", Told.By(host, "guard install --dry-run").Says(0), StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());

        Told.By(host, "guard install").Says(0);
        Assert.Equal(Program, host.Files.ReadAll(Kept)!);
        Assert.Equal(SaveGuard.ScriptFor(Helper, "/usr/sbin/pcipass"), Encoding.UTF8.GetString(host.Files.ReadAll(Helper)!));
        Assert.Equal($"{Helper}: guarded\n/usr/local/lib/xen/bin/libxl-save-helper: guarded\n", Told.By(host, "guard show").Says(0));
        Assert.Contains("nothing to do", Told.By(host, "guard install").Says(0), StringComparison.Ordinal);

        Told.By(host, "guard uninstall").Says(0);
        Assert.Equal(Program, host.Files.ReadAll(Helper)!);
        Assert.Null(host.Files.ReadAll(Kept));
        Assert.Contains("nothing to do", Told.By(host, "guard uninstall").Says(0), StringComparison.Ordinal);
    }

    /// <summary>At every moment what libxl starts is the helper itself, or a script with the helper behind it.</summary>
    [Theory]
    [InlineData("guard install")]
    [InlineData("guard uninstall")]
    public void Cut_off_at_any_moment_images_can_be_written_and_the_next_command_completes_it(string command)
    {
        var crashes = 0;
        for (var died = true; died; crashes++)
        {
            var host = Host(command == "guard uninstall" ? "guard install" : "");
            died = Told.Dies(host, command, crashes);
            if (died)
                host.PowerLoss();
            var now = host.Files.ReadAll(Helper)!;
            Assert.True(now.SequenceEqual(Program) || host.Files.ReadAll(Kept)!.SequenceEqual(Program));
            foreach (var (next, isGuarded) in ((string, bool)[])[(command, command == "guard install"), ("guard uninstall", false)])
            {
                Told.By(host, next).Says(0);
                Assert.Equal(isGuarded, SaveGuard.IsScript(new FileContent(host.Files.ReadAll(Helper)!)));
                Assert.Equal(isGuarded ? Program : null, host.Files.ReadAll(Kept));
            }
            Assert.Equal(Program, host.Files.ReadAll(Helper)!);
        }
        Assert.InRange(crashes, 4, 100);
    }

    [Fact]
    public void Where_dpkg_is_it_hears_of_it_and_what_an_upgrade_has_put_behind_a_guard_that_was_cut_off_is_kept()
    {
        const string Add = $"/usr/bin/dpkg-divert --local --no-rename --divert {Kept} --add {Helper}", Remove = $"/usr/bin/dpkg-divert --local --no-rename --remove {Helper}";
        var host = Host();
        host.Files.ReplaceFile("/usr/bin/dpkg-divert", []);
        host.Faults.FailProgram(Add, 2, "dpkg-divert: error: no room\n", times: 1);
        Assert.Contains("dpkg-divert: error: no room", Told.By(host, "guard install").Says(3), StringComparison.Ordinal);
        Assert.Equal(Program, host.Files.ReadAll(Helper)!);
        host.Faults.FailProgram(Add, 0, "", times: 1);
        Told.By(host, "guard install").Says(0);

        // Diverted, but the script is not there: dpkg has put the next version behind.
        byte[] newer = [.. Program, 1];
        host.Files.ReplaceFile("/var/lib/dpkg/diversions", Encoding.UTF8.GetBytes($"/a\n/b\nc\n{Helper}\n{Kept}\n:\n"));
        host.Files.ReplaceFile(Helper, Program);
        host.Files.ReplaceFile(Kept, newer);
        Told.By(host, "guard install").Says(0);
        Assert.Equal(newer, host.Files.ReadAll(Kept)!);
        host.Faults.FailProgram(Remove, 0, "", times: 1);
        Told.By(host, "guard uninstall").Says(0);
        Assert.Equal(newer, host.Files.ReadAll(Helper)!);
    }

    /// <summary>A script that asks a pcipass which has moved lets everything pass.</summary>
    [Fact]
    public void One_that_asks_a_pcipass_that_is_gone_is_none_and_is_put_there_anew()
    {
        var host = Host();
        host.Files.ReplaceFile(Kept, Program);
        foreach (var text in (string[])[SaveGuard.ScriptFor(Helper, "/usr/local/sbin/pcipass"), SaveGuard.ScriptFor(Helper, "/usr/local/sbin/pcipass").Split("if [", 2)[0]])
        {
            host.Files.ReplaceFile(Helper, Encoding.UTF8.GetBytes(text));
            Assert.Equal($"{Helper}: not guarded\n", Told.By(host, "guard show").Says(1));
            Assert.Contains("done: the guard stands", Told.By(host, "guard install").Says(0), StringComparison.Ordinal);
            Told.By(host, "guard show").Says(0);
            Assert.Equal(Program, host.Files.ReadAll(Kept)!);
        }
    }

    [Fact]
    public void What_others_have_diverted_is_left_alone()
    {
        var host = Host();
        host.Files.ReplaceFile("/var/lib/dpkg/diversions", Encoding.UTF8.GetBytes($"{Helper}\n/usr/lib/other\nother\n"));
        Assert.Contains($"{Helper} is diverted to /usr/lib/other by somebody else", Told.By(host, "guard install").Says(3), StringComparison.Ordinal);
        Told.By(host, "guard uninstall").Says(0);
        Assert.Equal(Program, host.Files.ReadAll(Helper)!);
    }

    [Fact]
    public void Without_the_helper_behind_it_nothing_is_made_worse()
    {
        var host = Host("guard install");
        host.Files.RemoveFile(Kept);
        Assert.Contains("install Xen's programs again", Told.By(host, "guard uninstall").Says(3), StringComparison.Ordinal);
        host.Files.RemoveFile("/usr/sbin/pcipass");
        Assert.Contains("install Xen's programs again", Told.By(host, "guard uninstall").Says(3), StringComparison.Ordinal);
        host = Machines.Make("pinless");
        Assert.Contains("[no-helper]", Told.By(host, "guard install").Says(1), StringComparison.Ordinal);
        Assert.Contains("nothing to do", Told.By(host, "guard uninstall").Says(0), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", 1, null)]
    [InlineData("attach 05:00.0 web1", 1, "a plain xl save would leave web1 hanging, and end with 0: it has 0000:05:00.0")]
    [InlineData("attach 05:00.0 web1; detach 05:00.0 web1", 1, null)]
    [InlineData("attach 09:00.0 web1; detach 09:00.0 web1", 1, "a plain xl save would kill web1, and end with 0: since its start it has had 0000:09:00.0")]
    [InlineData("attach 09:00.0 hvm1", 3, "would leave 0000:09:00.0 in hvm1 for good")]
    [InlineData("attach 09:00.0 hvm1; detach 09:00.0 hvm1", 3, null)]
    [InlineData("", 99, null)]
    public void It_says_no_where_a_plain_save_would_break_the_guest(string before, int domain, string? why)
    {
        var host = Host(before);
        // A device model may still be at it.
        Told.By(host, $"guard ask {domain}");
        var text = host.ToText();
        var told = Told.By(host, $"guard ask {domain}");
        Assert.Equal(why is null ? 0 : 1, told.ExitCode);
        Assert.Equal("", told.Output);
        Assert.Equal(text, host.ToText());
        if (why is null)
            return;
        Assert.Contains(why, told.Errors, StringComparison.Ordinal);
        Assert.Contains("[plain-save]", told.Errors, StringComparison.Ordinal);
        host.Variables[SaveGuard.AcceptVariable] = "other,plain-save";
        Assert.Equal("", Told.By(host, $"guard ask {domain}").Says(0));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("web1")]
    [InlineData("4294967296")]
    public void What_is_no_domid_is_named(string word) => Assert.Contains($"\"{word}\" is no guest's number", Told.By(Host(), $"guard ask {word}").Says(2), StringComparison.Ordinal);

    [Fact]
    public void Guests_says_whether_it_stands()
    {
        var host = Host("attach 05:00.0 web1");
        Assert.Contains("\nto have xl and libvirt refuse that:  pcipass guard install\n", Told.By(host, "guests").Says(0), StringComparison.Ordinal);
        Told.By(host, "guard install").Says(0);
        var told = Told.By(host, "guests").Says(0);
        Assert.Contains("\nrefused by the guard: a plain xl save would leave web1 hanging", told, StringComparison.Ordinal);
        Assert.DoesNotContain("guard install", told, StringComparison.Ordinal);
    }

    /// <summary>Debian's xendomains saves all guests when the host shuts down, and shuts down inside those that it could not save.</summary>
    [Theory]
    [InlineData("attach 09:00.0 web1", "which kills it: the function has an interrupt pin")]
    [InlineData("attach 05:00.0 web1", "which leaves it hanging while it has the function")]
    [InlineData("attach 09:00.0 hvm1", "which leaves the function in it for good")]
    [InlineData("attach 09:00.0 db1", "which kills it")]
    [InlineData("hide --now 09:00.0", null)]
    public void That_a_shutdown_of_the_host_breaks_the_guest_is_told_when_it_gets_the_function(string command, string? why)
    {
        const string Settings = "/etc/default/xendomains";
        foreach (var (text, script, guard, isTold) in ((string, string, string, bool)[])[
            ("# XENDOMAINS_SAVE=\nXENDOMAINS_SAVE=/var/lib/xen/save\n", "/etc/init.d/xendomains", "", true), ("XENDOMAINS_SAVE=\"\"\n", "/etc/init.d/xendomains", "", false),
            ("XENDOMAINS_SAVE=/var/lib/xen/save\n", "/etc/init.d/other", "", false), ("XENDOMAINS_SAVE=/var/lib/xen/save\n", "/etc/init.d/xendomains", "guard install", false)])
        {
            var host = Host();
            host.Files.ReplaceFile(Settings, Encoding.UTF8.GetBytes(text));
            host.Files.ReplaceFile(script, []);
            host.Files.ReplaceFile("/etc/xen/db1.cfg", "name = 'db1'\npassthrough = 'enabled'\n"u8);
            if (guard.Length > 0)
                Told.By(host, guard).Says(0);
            var told = Told.By(host, command).Says(0);
            Assert.Equal(isTold && why is not null, told.Contains("[saved-at-shutdown]", StringComparison.Ordinal));
            if (isTold && why is not null)
                Assert.Contains($"does not survive a shutdown of this host: xendomains saves every guest then (XENDOMAINS_SAVE=/var/lib/xen/save in {Settings}), {why}", told, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Dpkgs_list_is_three_lines_for_each()
    {
        Assert.Equal("/c", Diversions.Find("/a\n/b\n:\n/b\n/c\n:\n", "/b"));
        Assert.Null(Diversions.Find("/a\n/b\n:\n", "/b"));
        Assert.Null(Diversions.Find("/b\n/c", "/b"));
        Assert.Null(Diversions.Find("", "/b"));
    }
}
