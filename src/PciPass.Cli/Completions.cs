using System.CommandLine;
using System.CommandLine.Completions;
using PciPass.Core.Rules;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary>What can stand for DEV, GUEST and CODE. The shells ask for it by System.CommandLine's directive: <c>pcipass "[suggest:20]" "pcipass attach eth1 w"</c>.</summary>
static class Completions
{
    /// <summary>Adds them to a command and all below it.</summary>
    public static void AddTo(Command command, Session session)
    {
        foreach (var argument in command.Arguments)
        {
            if (WordsFor(argument.Name, session) is not { } words)
                continue;
            // Without a name of its own help would read the host, and print all that can stand there.
            argument.HelpName = argument.Name;
            argument.CompletionSources.Add(_ => Quietly(words));
        }
        foreach (var option in command.Options)
        {
            if (WordsFor(option.HelpName, session) is { } words)
                option.CompletionSources.Add(_ => Quietly(words));
        }
        foreach (var below in command.Subcommands)
            AddTo(below, session);
    }

    static Func<IEnumerable<string>>? WordsFor(string? name, Session session) => name switch
    {
        "DEV" => () => Devices(session),
        "GUEST" => () => Guests(session),
        "DEV... GUEST" => () => Devices(session).Concat(Guests(session)),
        "CODE" => () => Catalogue.All.Select(rule => rule.Code),
        _ => null,
    };

    static IEnumerable<string> Devices(Session session) => session.Host.Files.List("/sys/bus/pci/devices").Concat(KernelNames.Read(session.Host.Files).All.Keys);

    static IEnumerable<string> Guests(Session session) => HostReader.Read(session.Host, session.Journal, Detail.Owner).Guests.Select(guest => guest.Name.ToString());

    /// <summary>Who presses a key in a shell is told no errors.</summary>
    static CompletionItem[] Quietly(Func<IEnumerable<string>> words)
    {
        try
        {
            return [.. words().Select(word => new CompletionItem(word))];
        }
        catch (HostFailure)
        {
            return [];
        }
    }
}
