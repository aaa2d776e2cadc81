using PciPass.Core;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>What vendors support is data, and the page about it says the same.</summary>
public class SupportTests
{
    [Fact]
    public void The_page_holds_the_table_as_it_is()
    {
        var page = File.ReadAllText(Path.Combine(Images.FindCheckout(), "docs", "support.md"));
        Assert.True(page.EndsWith($"\n\n{SupportStatement.Table()}", StringComparison.Ordinal), $"docs/support.md has to end with:\n{SupportStatement.Table()}");
    }

    [Fact]
    public void Each_statement_names_its_source_and_fits_into_a_table() => Assert.All(SupportStatement.All, each =>
    {
        Assert.All((string[])[each.Guests, each.Hypervisor, each.Standing, each.Limits, each.Source], text => Assert.False(string.IsNullOrWhiteSpace(text) || text.Contains('|', StringComparison.Ordinal)));
        Assert.DoesNotContain(GuestType.Unknown, each.Types);
    });

    [Theory]
    [InlineData(GuestType.Pv, "RHEL 6 supports no passthrough in PV guests")]
    [InlineData(GuestType.Hvm, "RHEL 5 before 5.4 supports no passthrough in HVM guests")]
    public void A_check_for_a_guest_says_what_its_type_is_bound_to(GuestType type, string words)
    {
        var told = Told.By(Machines.Make(""), $"check 09:00.0 --guest {(type == GuestType.Pv ? "web1" : "hvm1")}");
        Assert.Contains(words, told.Errors, StringComparison.Ordinal);
        Assert.Equal("supported, with caveats", SupportStatement.OfXen(type).Standing);
    }

    [Fact]
    public void An_HVM_guest_sees_a_function_where_its_device_model_has_put_it() =>
        Assert.Contains("done: hvm1 has 0000:09:00.0 as 0000:00:04.0", Told.By(Machines.Make(""), "attach 09:00.0 hvm1 --live").Says(0), StringComparison.Ordinal);
}
