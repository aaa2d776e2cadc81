using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>What is made of the program itself says what the program does now.</summary>
public class PagesTests
{
    public static TheoryData<string> Paths => new(Pages.All().Keys);

    [Theory]
    [MemberData(nameof(Paths))]
    public void A_page_says_what_the_program_says(string path)
    {
        var file = Path.Combine(Images.FindCheckout(), path);
        Assert.True(File.Exists(file) && File.ReadAllText(file) == Pages.All()[path], $"{path} is not what the program says: ./build pages writes it anew");
    }
}
