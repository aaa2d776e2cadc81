using System.Text.Json;
using Xunit;

namespace PciPass.Tests;

/// <summary><c>pcipass show</c> of one function, of several, and of all.</summary>
public class ShowTests
{
    [Theory]
    [InlineData("")]
    [InlineData("libvirt")]
    public void All_is_each_of_them_one_after_the_other(string words)
    {
        var host = Machines.Make(words);
        var addresses = host.Files.List("/sys/bus/pci/devices").Order(StringComparer.Ordinal).ToArray();
        Assert.True(addresses.Length > 5);
        var each = addresses.Select(address => Told.By(host, $"show {address}").Says(0)).ToArray();
        Assert.Equal(string.Join('\n', each), Told.By(host, "show --all").Says(0));
        Assert.Equal($"{each[1]}\n{each[0]}", Told.By(host, $"show {addresses[1]} {addresses[0]} {addresses[1]}").Says(0));
    }

    [Fact]
    public void As_JSON_all_is_the_list_several_are_a_list_and_one_is_itself()
    {
        var host = Machines.Make("");
        Assert.Equal(Told.By(host, "list --json").Says(0), Told.By(host, "show --all --json").Says(0));
        var functions = JsonDocument.Parse(Told.By(host, "show 09:00.0 eth0 --json").Says(0)).RootElement.GetProperty("functions");
        Assert.Equal(["0000:09:00.0", "0000:08:00.0"], functions.EnumerateArray().Select(function => function.GetProperty("address").GetString()));
        Assert.Equal("0000:09:00.0", JsonDocument.Parse(Told.By(host, "show 09:00.0 --json").Says(0)).RootElement.GetProperty("address").GetString());
    }

    [Theory]
    [InlineData("show", 2, "show needs a function")]
    [InlineData("show --all 09:00.0", 2, "show takes functions or --all")]
    [InlineData("show 09:00.0 55:00.0", 1, "0000:55:00.0")]
    [InlineData("show 09:00.0 nothing", 2, "\"nothing\" is no function of this host")]
    public void What_cannot_be_shown_is_said_and_nothing_is(string command, int code, string why)
    {
        var told = Told.By(Machines.Make(""), command);
        Assert.Equal((code, ""), (told.ExitCode, told.Output));
        Assert.Contains(why, told.Errors, StringComparison.Ordinal);
    }
}
