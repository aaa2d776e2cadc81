using System.Text;
using PciPass.Core;
using PciPass.Host;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>
/// Small stacks, one way to use a function each, and what is said of them: testdata/stacks.txt. Nothing dangerous is let through, and nothing
/// ordinary held back. docs/comparison.md shows them beside what other tools do.
/// </summary>
public class ComparisonTests
{
    const string Section = "## ", Begin = "<!-- table: written by the tests with PCIPASS_APPROVE=1 -->\n", End = "<!-- end of table -->";

    sealed record Stack(string Title, string Asks, string[] Peers, string Expected, string Host);

    static IReadOnlyList<Stack> Stacks
    {
        get
        {
            var parts = File.ReadAllText(Path.Combine(Images.FindCheckout(), "testdata", "stacks.txt")).Split($"\n{Section}");
            return [.. parts.Skip(1).Select(part =>
            {
                var lines = part.Split('\n');
                return new Stack(lines[0], Word(lines[1], "asks"), Word(lines[2], "peers").Split(' '), Word(lines[3], "pcipass"), $"{parts[0]}\n{string.Join('\n', lines.Skip(4))}");
            })];

            static string Word(string line, string word) => line.StartsWith($"{word} ", StringComparison.Ordinal) ? line[(word.Length + 1)..] : throw new FormatException($"\"{line}\" is not \"{word} ...\"");
        }
    }

    public static TheoryData<string> Titles => new(Stacks.Select(stack => stack.Title));

    [Theory]
    [MemberData(nameof(Titles))]
    public void A_stack_is_refused_by_what_it_is_and_an_ordinary_function_is_free(string title)
    {
        var stack = Stacks.Single(stack => stack.Title == title);
        var host = new RecordedHost(HostRecord.Parse(stack.Host));
        var plan = Planner.Plan(HostReader.Read(host, new Journal(host)), new Request(Verb.Hide, [PciAddress.Parse(stack.Asks)], null, []));
        Assert.Equal(stack.Expected, plan.IsRefused ? string.Join(' ', plan.Refusals.Select(finding => finding.Code).Distinct().Order(StringComparer.Ordinal)) : "free");
    }

    [Fact]
    public void The_comparison_in_the_docs_shows_every_stack()
    {
        var table = new StringBuilder("| stack | SPDK | dpdk-devbind | driverctl | libvirt | xl | pcipass |\n|---|---|---|---|---|---|---|\n");
        foreach (var stack in Stacks)
        {
            Assert.Equal(5, stack.Peers.Length);
            Assert.All(stack.Peers, word => Assert.Contains(word, (string[])["takes", "refuses", "-"]));
            table.Append($"| {stack.Title} | {string.Join(" | ", stack.Peers)} | {(stack.Expected == "free" ? "free" : $"refuses: {stack.Expected.Replace(" ", ", ", StringComparison.Ordinal)}")} |\n");
        }
        var path = Path.Combine(Images.FindCheckout(), "docs", "comparison.md");
        var text = File.ReadAllText(path);
        var (from, to) = (text.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length, text.IndexOf(End, StringComparison.Ordinal));
        if (Environment.GetEnvironmentVariable("PCIPASS_APPROVE") == "1")
            File.WriteAllText(path, $"{text[..from]}{table}{text[to..]}");
        else
            Assert.Equal(text[from..to], table.ToString());
    }
}
