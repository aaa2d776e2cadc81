using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Core.Rules;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>How often a function goes in and out of guests is counted, warned of and refused before it does harm.</summary>
public class HotplugTests
{
    const string Conf = Settings.Path;

    static SimHost Small(string settings)
    {
        var host = Machines.Make("");
        host.WithFile(Conf, settings);
        return host;
    }

    [Fact]
    public void An_attach_that_leads_past_the_limit_with_its_way_back_is_refused_and_a_detach_never_is()
    {
        var host = Small("hotplug-warn = 4\nhotplug-refuse = 6\n");
        for (var cycle = 0; cycle < 2; cycle++)
        {
            Assert.DoesNotContain("[hotplug-limit]", Told.By(host, "attach 09:00.0 web1").Errors, StringComparison.Ordinal);
            Assert.Equal(0, Told.By(host, "detach 09:00.0 web1").ExitCode);
        }
        var warned = Told.By(host, "attach 09:00.0 web1");
        Assert.Equal(0, warned.ExitCode);
        Assert.Contains("it was plugged in or out 4 times in this boot within 24 h, 4 of them with web1 as it runs now; 512 in a brief time can cause a kernel error     [hotplug-limit]", warned.Errors, StringComparison.Ordinal);
        var detached = Told.By(host, "detach 09:00.0 web1");
        Assert.Equal(0, detached.ExitCode);
        Assert.Contains("[hotplug-limit]", detached.Errors, StringComparison.Ordinal);

        var before = host.ToText();
        var refused = Told.By(host, "attach 09:00.0 db1");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("error: 0000:09:00.0 cannot go to guest db1     [hotplug-limit]\nwhy:   it was plugged in or out 6 times in this boot within 24 h, 0 of them with db1", refused.Errors, StringComparison.Ordinal);
        Assert.Contains("--accept hotplug-limit", refused.Errors, StringComparison.Ordinal);
        Assert.Equal(before, host.ToText());
        // Another function has its own count.
        Assert.Equal(0, Told.By(host, "attach 07:00.0 web1").ExitCode);

        Assert.Equal(0, Told.By(host, "attach 09:00.0 db1 --accept hotplug-limit").ExitCode);
        Assert.Equal(0, Told.By(host, "detach 09:00.0 db1").ExitCode);
    }

    [Fact]
    public void What_is_older_than_the_window_or_of_another_boot_does_not_count()
    {
        var host = Small("hotplug-refuse = 2\nhotplug-window = 10m\n");
        Cycle(host);
        Assert.Equal(1, Told.By(host, "attach 09:00.0 web1").ExitCode);
        host.Clock.Advance(TimeSpan.FromMinutes(11));
        Cycle(host);
        Assert.Equal(1, Told.By(host, "attach 09:00.0 web1").ExitCode);
        host.Reboot();
        Cycle(host);

        static void Cycle(SimHost host)
        {
            Assert.Equal(0, Told.By(host, "attach 09:00.0 web1").ExitCode);
            Assert.Equal(0, Told.By(host, "detach 09:00.0 web1").ExitCode);
        }
    }

    [Fact]
    public void What_others_did_is_counted_by_the_kernels_log_and_nothing_twice()
    {
        var host = Small("hotplug-warn = 1\n");
        Assert.Equal(0, Told.By(host, "attach 09:00.0 web1").ExitCode);
        Assert.Equal(0, Told.By(host, "detach 09:00.0 web1").ExitCode);
        Assert.Equal(0, Told.By(host, "hide 09:00.0").ExitCode);
        var domain = host.FindGuest("web1")!.DomId;
        for (var cycle = 0; cycle < 3; cycle++)
        {
            Assert.Equal(0, host.Run("xl", ["pci-attach", $"{domain}", "09:00.0"], TimeSpan.FromSeconds(60)).ExitCode);
            host.Clock.Advance(TimeSpan.FromSeconds(2));
            Assert.Equal(0, host.Run("xl", ["pci-detach", $"{domain}", "09:00.0"], TimeSpan.FromSeconds(60)).ExitCode);
            host.Clock.Advance(TimeSpan.FromSeconds(2));
        }
        var told = Told.By(host, "check 09:00.0 --guest web1");
        Assert.Contains("plugged in or out 8 times in this boot within 24 h, 8 of them with web1 as it runs now, 6 by others (by the kernel's log)", told.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(476, false, false)]
    [InlineData(383, false, false)]
    [InlineData(384, true, false)]
    [InlineData(478, true, false)]
    [InlineData(479, true, true)]
    [InlineData(600, true, true)]
    public void Without_a_file_it_warns_at_384_and_refuses_where_480_would_be_passed(int count, bool warns, bool refuses)
    {
        var host = HostText.Parse("0000:09:00.0 020000 driver=pciback override=pciback\nguest web1 3 pv") with
        {
            Hotplugs = [new HotplugCount(PciAddress.Parse("09:00.0"), GuestStart.Domain(3), count, 0)],
        };
        var request = new Request(Verb.Attach, [PciAddress.Parse("09:00.0")], GuestReference.Parse("web1"), []);
        var finding = new HotplugLimit().Check(host, request).SingleOrDefault();
        Assert.Equal(refuses ? Severity.RefuseUnlessAccepted : warns || count >= 384 ? Severity.Warn : null, finding?.Severity);
        Assert.NotEqual(Severity.RefuseUnlessAccepted, new HotplugLimit().Check(host, request with { Verb = Verb.Detach }).SingleOrDefault()?.Severity);
        Assert.Empty(new HotplugLimit().Check(host, request with { Verb = Verb.Hide, Guest = null }));
    }

    [Fact]
    public void What_several_guests_have_had_counts_together()
    {
        var host = HostText.Parse("0000:09:00.0 020000 driver=pciback override=pciback\nguest web1 3 pv\nguest db1 4 pv") with
        {
            Hotplugs = [new HotplugCount(PciAddress.Parse("09:00.0"), GuestStart.Domain(3), 300, 0), new HotplugCount(PciAddress.Parse("09:00.0"), GuestStart.Domain(4), 200, 0)],
        };
        var finding = new HotplugLimit().Check(host, new Request(Verb.Attach, [PciAddress.Parse("09:00.0")], GuestReference.Parse("web1"), [])).Single();
        Assert.Equal(Severity.RefuseUnlessAccepted, finding.Severity);
        Assert.Contains("500 times in this boot within 24 h, 300 of them with web1", finding.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Settings_are_read_and_a_line_that_cannot_be_understood_is_told_and_changes_nothing()
    {
        var settings = Settings.Parse("# figures\nhotplug-window = 90m # brief\nhotplug-warn=10\n\nhotplug-refuse = many\nhotplug-warn = 0\nhotplug-window = 1w\ncolour = red\nhotplug-refuse\n");
        Assert.Equal((TimeSpan.FromMinutes(90), 10, 480, "90 min"), (settings.HotplugWindow, settings.HotplugWarn, settings.HotplugRefuse, settings.WindowText));
        Assert.Equal(["line 5: \"hotplug-refuse = many\"", "line 6: \"hotplug-warn = 0\"", "line 7: \"hotplug-window = 1w\"", "line 8: \"colour = red\"", "line 9: \"hotplug-refuse\""],
            settings.Errors.Select(error => error[$"{Conf} ".Length..error.IndexOf(" cannot", StringComparison.Ordinal)]));
        Assert.Equal((TimeSpan.FromDays(1), 384, 480, "24 h"), (Settings.Parse(null).HotplugWindow, Settings.Parse(null).HotplugWarn, Settings.Parse(null).HotplugRefuse, Settings.Parse("").WindowText));
        var host = Small("hotplug-warn = some\n");
        Assert.Contains("pcipass.conf line 1: \"hotplug-warn = some\" cannot be understood", Told.By(host, "list").Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Pcibacks_lines_in_the_kernels_log_are_read_and_what_looks_like_them_is_not()
    {
        const string Log = """
            <6>[  582.353289] pciback 0000:09:00.0: xen_pciback: vpci: assign to virtual slot 0
            <6>[  582.386916] pciback 0000:09:00.0: registering for 1
            [    3.5] pciback 0000:09:00.0: registering for 2
            <6>[  600.000000] pciback 0000:zz:00.0: registering for 1
            <6>[  600.000000] pciback 0000:08:00.0: registering for -1
            <6>[  600.000000] someone says "] pciback 0000:08:00.0: registering for 99999999999
            <6>[  601.000000] pciback 10000:08:00.0: registering for 12
            """;
        Assert.Equal([("0000:09:00.0", 1), ("10000:08:00.0", 12)], PcibackLog.Parse(Log, TimeSpan.FromSeconds(582)).Select(each => (each.Address.ToString(), each.DomId)));
        Assert.Equal(3, PcibackLog.Parse(Log, TimeSpan.Zero).Count());
    }
}
