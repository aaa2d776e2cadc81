using System.Text;
using PciPass.Cli;
using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>What attach and detach do to guests' configuration files, and when they do not.</summary>
public class GuestFilePlanTests
{
    const string File = "/etc/xen/web1.cfg";

    static SimHost HostWith(string text, string file = File)
    {
        var host = SimHost.Demo();
        host.Files.ReplaceFile(file, Encoding.Latin1.GetBytes(text));
        return host;
    }

    [Theory]
    [InlineData("name = 'web1'\nif x:\n    pci = [ '0a:00.0' ]\n", "pci is set or used within the \"if\" of line 2")]
    [InlineData("name = 'web1'\npci = '0a:00.0'\n", "line 2: pci is a single value, where a list is wanted")]
    public void A_file_that_cannot_be_understood_refuses_it_all_and_live_leaves_it_alone(string text, string why)
    {
        var host = HostWith(text);
        var told = Told.By(host, "attach 09:00.0 web1");
        Assert.Equal(ExitCode.Refused, told.ExitCode);
        Assert.Contains("the configuration of guest web1 cannot be changed     [guest-file]", told.Errors, StringComparison.Ordinal);
        Assert.Contains(why, told.Errors, StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "attach 09:00.0 web1 --live").ExitCode);
        Assert.Equal(text, host.Files.ReadText(File) + "\n");
    }

    [Fact]
    public void Of_two_files_for_one_guest_one_has_to_be_named()
    {
        var host = HostWith("name = 'web1'\n", "/etc/xen/old.cfg");
        Assert.Contains("/etc/xen/old.cfg and /etc/xen/web1.cfg are each a configuration of guest web1", Told.By(host, "attach 09:00.0 web1").Errors, StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "attach 09:00.0 web1 --guest-file /etc/xen/old.cfg").ExitCode);
        Assert.Equal("name = 'web1'\npci = [ '0000:09:00.0' ]", host.Files.ReadText("/etc/xen/old.cfg"));
        Assert.DoesNotContain("pci", host.Files.ReadText(File), StringComparison.Ordinal);
        // Whichever names it loses it.
        Assert.Equal(0, Told.By(host, "detach 09:00.0 web1").ExitCode);
        Assert.Equal("name = 'web1'", host.Files.ReadText("/etc/xen/old.cfg"));
    }

    [Fact]
    public void A_link_within_the_folder_is_followed_and_one_that_leads_out_is_not()
    {
        var host = SimHost.Demo().WithLink("/etc/xen/auto/web1.cfg", "../web1.cfg");
        Assert.Equal(0, Told.By(host, "attach 09:00.0 web1").ExitCode);
        Assert.Contains("0000:09:00.0", host.Files.ReadText(File), StringComparison.Ordinal);
        host = SimHost.Demo().WithLink("/etc/xen/auto/far.cfg", "/srv/far.cfg");
        host.Files.ReplaceFile("/srv/far.cfg", "name = 'far'\n"u8);
        Assert.Contains("/etc/xen/auto/far.cfg is a symbolic link to /srv/far.cfg, and is not followed", Told.By(host, "attach 09:00.0 far").Errors, StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "attach 09:00.0 far --guest-file /srv/far.cfg").ExitCode);
        Assert.Equal("name = 'far'\npci = [ '0000:09:00.0' ]", host.Files.ReadText("/srv/far.cfg"));
    }

    [Fact]
    public void A_file_that_somebody_changed_meanwhile_stays_as_it_is_then()
    {
        var host = SimHost.Demo();
        var journal = new Journal(host);
        using var held = journal.Lock(TimeSpan.FromSeconds(1));
        var snapshot = HostReader.Read(host, journal);
        var plan = Planner.Plan(snapshot, new Request(Verb.Attach, [PciAddress.Parse("09:00.0")], GuestReference.Parse("web1"), []) { Scope = Scope.Now | Scope.Boot });
        host.Files.ReplaceFile(File, "name = 'web1' # mine\n"u8);
        var outcome = new Executor(host, journal).Run(snapshot, plan);
        Assert.Equal(Result.Undone, outcome.Result);
        Assert.Contains("the host is not as it was when this was planned: /etc/xen/web1.cfg has another content", Assert.Single(outcome.Errors), StringComparison.Ordinal);
        Assert.Equal("name = 'web1' # mine", host.Files.ReadText(File));
        Assert.Equal("e1000e", host.Find(PciAddress.Parse("09:00.0"))!.Driver);
    }

    [Theory]
    [InlineData("name = 'p'\ntype = \"pvh\"\n", "[guest-type]")]
    [InlineData("name = 'p'\nbuilder = 'hvm'\n", "")]
    public void A_stopped_guest_is_judged_by_its_file(string text, string code)
    {
        var told = Told.By(HostWith(text, "/etc/xen/p.cfg"), "attach 09:00.0 p");
        Assert.Equal((code.Length == 0 ? 0 : ExitCode.Refused, true), (told.ExitCode, told.Errors.Contains(code, StringComparison.Ordinal)));
    }

    [Fact]
    public void What_xl_would_not_read_is_warned_of()
    {
        var host = HostWith("name = 'web1'\nimport os\n");
        Assert.Contains("warning: xl will not read /etc/xen/web1.cfg: line 2", Told.By(host, "attach 09:00.0 web1").Errors, StringComparison.Ordinal);
        Assert.Contains("/etc/xen/web1.cfg, line 2", Told.By(host, "guests").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_function_that_has_a_name_is_found_in_the_file_by_it()
    {
        var host = HostWith("name = 'web1'\npci = [ 'name=front' ]\n");
        Assert.Equal(0, Told.By(host, "hide 09:00.0 --now").ExitCode);
        Assert.Equal(0, host.Run("xenstore-write", ["/libxl/pci/0000-09-00-0/name", "front"], TimeSpan.FromSeconds(1)).ExitCode);
        Assert.Contains("/etc/xen/web1.cfg names 0000:09:00.0, and web1 does not have it now", Told.By(host, "guests").Output, StringComparison.Ordinal);
        Assert.Equal(0, Told.By(host, "detach 09:00.0 web1").ExitCode);
        Assert.Equal("name = 'web1'\npci = [ ]", host.Files.ReadText(File));
    }
}
