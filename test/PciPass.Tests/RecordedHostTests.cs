using System.Text;
using PciPass.Cli;
using PciPass.Host;
using PciPass.Lab;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>
/// Hosts from elsewhere, and what is said of them: NAME.host (see <see cref="HostRecord"/>) or NAME.tar.gz (from <c>pcipass capture</c>) in
/// testdata/hosts, and NAME.txt with commands and all that they print. <c>PCIPASS_APPROVE=1</c> writes what was printed.
/// </summary>
public class RecordedHostTests
{
    const string Prompt = "$ ";

    static string Folder => Path.Combine(Images.FindCheckout(), "testdata", "hosts");

    public static TheoryData<string> Hosts => new(Directory.GetFiles(Folder, "*.txt").Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Hosts))]
    public void A_recorded_host_is_judged_as_it_was(string name)
    {
        var path = Path.Combine(Folder, $"{name}.txt");
        var approved = File.ReadAllText(path);
        var host = new RecordedHost(Open(name));
        var text = new StringBuilder(approved[..approved.IndexOf(Prompt, StringComparison.Ordinal)]);
        foreach (var line in approved.Split('\n').Where(line => line.StartsWith(Prompt, StringComparison.Ordinal)))
        {
            var told = Told.Run(host, line[$"{Prompt}pcipass ".Length..]);
            text.Append($"{line}\n{told.Output}{told.Errors}{(told.ExitCode == 0 ? "" : $"(exit code {told.ExitCode})\n")}\n");
        }
        var printed = text.ToString().TrimEnd('\n') + "\n";
        if (Environment.GetEnvironmentVariable("PCIPASS_APPROVE") == "1")
            File.WriteAllText(path, printed);
        else
            Assert.Equal(approved, printed);
    }

    /// <summary>An interface that gets another's name between two reads shows the other's number, which is then that of two.</summary>
    [Theory]
    [InlineData(2, "the host's route")]
    [InlineData(12, "the host has the address 10.7.0.2/24")]
    public void Two_interfaces_of_one_number_are_both_used(int number, string reason)
    {
        var tree = Open("server-network");
        tree.AddFile("/sys/devices/pci0000:40/0000:40:03.1/0000:42:00.0/net/ens1f0/ifindex", Encoding.ASCII.GetBytes($"{number}\n"));
        var told = Told.Run(new RecordedHost(tree), "check ens1f0");
        Assert.Contains("in-use-network", told.Errors + told.Output, StringComparison.Ordinal);
        Assert.Contains(reason, told.Errors + told.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_capture_of_a_host_is_judged_like_the_host_itself()
    {
        var host = SimHost.Demo().WithMount("/dev/nvme0n1", "/srv");
        var file = Path.Combine(Path.GetTempPath(), $"pcipass-{Guid.NewGuid():n}.tar");
        try
        {
            Assert.Equal(0, Told.By(host, $"capture {file}").ExitCode);
            foreach (var command in (string[])["list", "check 09:00.0 --guest web1", "check 07:00.0", "attach 09:00.0 web1 --dry-run", "status"])
                Assert.Equal(Told.By(host, command).ToString(), Told.By(host, $"{command} --host {file}").ToString());
            // Serial numbers stay at home unless told.
            Assert.Contains("serial number:       none", Told.By(host, $"show 09:00.0 --host {file}").Output, StringComparison.Ordinal);
            Assert.Contains("525400ffff090000", Told.By(host, "show 09:00.0").Output, StringComparison.Ordinal);
            Assert.Equal(2, Told.By(host, $"capture {file}").ExitCode);
            Assert.Equal(2, Told.By(host, $"hide 09:00.0 --host {file}").ExitCode);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void What_is_no_record_is_refused_by_its_name()
    {
        var told = Told.By(SimHost.Demo(), "list --host /nowhere/at/all");
        Assert.Equal(3, told.ExitCode);
        Assert.Contains("/nowhere/at/all", told.Errors, StringComparison.Ordinal);
    }

    internal static RecordedTree Open(string name) => File.Exists(Path.Combine(Folder, $"{name}.host"))
        ? HostRecord.Parse(File.ReadAllText(Path.Combine(Folder, $"{name}.host")))
        : RecordedTree.Open(Path.Combine(Folder, $"{name}.tar.gz"));
}
