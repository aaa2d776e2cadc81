using System.CommandLine;
using PciPass.Core.Rules;

namespace PciPass.Cli;

/// <summary><c>pcipass rules</c>: every reason for a refusal, with what it rests on.</summary>
static class RulesCommand
{
    public static Command Create(Session session)
    {
        var command = new Command("rules", "List every rule by its code: what it holds against a request, how much that weighs, what helps, and what it rests on.");
        command.SetAction(_ =>
        {
            foreach (var rule in Catalogue.All)
            {
                session.Terminal.Output.WriteLine($"{rule.Code}     {rule.Weights.Text()}");
                session.Terminal.Output.WriteLine($"    {rule.Meaning}");
                session.Terminal.Output.WriteLine($"    do:     {rule.Remedy}");
                session.Terminal.Output.WriteLine($"    source: {rule.Source}");
            }
            return ExitCode.Done;
        });
        return command;
    }
}
