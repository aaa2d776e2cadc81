using System.Globalization;
using PciPass.Core;
using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>What xl really does with functions of an HVM guest, as far as pcipass depends on it: the guest hvm1 runs, and has none.</summary>
public abstract class HvmContract
{
    const string Card = "0000:09:00.0", Pt = "pci-pt-09_00.0";

    protected abstract HostSystem Host { get; }

    /// <summary>Waits until the guest sees a function at a place of its own, or until it does not.</summary>
    protected abstract void Settle(string place, bool has);

    /// <summary>Called when the guest was started from an image: it does not boot.</summary>
    protected virtual void Restored()
    {
    }

    ProgramResult Xl(params string[] arguments) => Host.Run("xl", arguments, TimeSpan.FromMinutes(2));

    void Done(params string[] arguments)
    {
        var result = Xl(arguments);
        Assert.True(result.ExitCode == 0, $"xl {string.Join(' ', arguments)}: {result}");
    }

    string? Store(string path) => Host.Run("xenstore-read", [path], TimeSpan.FromSeconds(30)) is { ExitCode: 0 } result ? result.Output.TrimEnd('\n') : null;

    string Backend => $"/local/domain/0/backend/pci/{Xl("domid", "hvm1").Output.Trim()}/0";

    void Write(string path, string value) => Host.Files.WriteAttribute(path, value, TimeSpan.FromSeconds(60));

    /// <returns>Where the device model has put it.</returns>
    string Attach()
    {
        Write("/sys/bus/pci/drivers/e1000e/unbind", Card);
        Done("pci-assignable-add", Card);
        Done("pci-attach", "hvm1", Card);
        var place = int.Parse(Store($"{Backend}/vdevfn-0")!, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        var seen = $"{new PciAddress(0, 0, place >> 3, place & 7)}";
        Settle(seen, has: true);
        return seen;
    }

    void GiveBack()
    {
        Done("pci-assignable-remove", Card);
        Write($"/sys/bus/pci/devices/{Card}/driver_override", "\n");
        Write("/sys/bus/pci/drivers/e1000e/bind", Card);
        Host.Run("xenstore-rm", ["/libxl/pci/0000-09-00-0"], TimeSpan.FromSeconds(30));
    }

    [Fact]
    public void A_function_is_where_the_device_model_has_put_it_and_xl_waits_until_the_guest_has_let_go()
    {
        var place = Attach();
        Assert.Equal(Card, Store($"{Backend}/dev-0"));
        Done("pci-detach", "hvm1", Card);
        Settle(place, has: false);
        Assert.Null(Store($"{Backend}/num_devs"));
        GiveBack();
    }

    [Fact]
    public void What_a_guest_lets_go_of_too_late_xl_takes_back_only_by_force()
    {
        var place = Attach();
        Done("pause", "hvm1");
        var late = Xl("pci-detach", "hvm1", Card);
        Assert.Equal(1, late.ExitCode);
        Assert.Contains($"timed out waiting for DM to remove {Pt}", late.Errors, StringComparison.Ordinal);
        Done("unpause", "hvm1");
        Settle(place, has: false);
        Assert.Equal(Card, Store($"{Backend}/dev-0"));
        var again = Xl("pci-detach", "hvm1", Card);
        Assert.Equal(1, again.ExitCode);
        Assert.Contains($"Device '{Pt}' not found", again.Errors, StringComparison.Ordinal);
        Assert.Equal(Card, Store($"{Backend}/dev-0"));
        Done("pci-detach", "-f", "hvm1", Card);
        Assert.Null(Store($"{Backend}/num_devs"));
        GiveBack();
    }

    [Fact]
    public void A_guest_that_has_had_an_interrupt_pin_goes_on_from_its_image_and_takes_and_gives_functions()
    {
        const string Image = "/tmp/contract-hvm1";
        var place = Attach();
        Done("pci-detach", "hvm1", Card);
        Settle(place, has: false);
        GiveBack();
        Done("save", "-p", "hvm1", Image);
        Done("destroy", "hvm1");
        Done("restore", Image);
        Restored();
        Host.Files.RemoveFile(Image);
        place = Attach();
        Done("pci-detach", "hvm1", Card);
        Settle(place, has: false);
        GiveBack();
    }
}
