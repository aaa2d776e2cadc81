namespace PciPass.Lab;

/// <summary>The main job, played from beginning to end: a running guest gets a card, uses it, and gives it back.</summary>
public static class Demo
{
    sealed record Act(string Title, string Where, string Command, int ExitCode = 0);

    static readonly Act[] Acts =
    [
        new("Every function of the host, who has it, and why it must stay where it must", DemoHost.Host, "pcipass list"),
        new("One of them", DemoHost.Host, "pcipass show 09:00.0"),
        new("May it go to the running guest web1?", DemoHost.Host, "pcipass check 09:00.0 --guest web1"),
        new("What would be done?", DemoHost.Host, "pcipass attach 09:00.0 web1 --live --dry-run"),
        new("Do it", DemoHost.Host, "pcipass attach 09:00.0 web1 --live"),
        new("The guest has the card and its driver", "web1", "show-pci"),
        new("And traffic goes through it", "web1", "net-check eth0"),
        new("The host knows", DemoHost.Host, "pcipass status"),
        new("A function has one owner: no second way to it", DemoHost.Host, "pcipass unhide 09:00.0", ExitCode: 1),
        new("Take it back", DemoHost.Host, "pcipass detach 09:00.0 web1 --live"),
        new("The host's own network works through it again", DemoHost.Host, "net-check eth1"),
        new("What was done", DemoHost.Host, "pcipass history 09:00.0"),
    ];

    /// <summary>Plays it.</summary>
    /// <param name="host">Where.</param>
    /// <param name="output">Gets the transcript, each act as it ends.</param>
    /// <returns>The acts that did not end as they should; none when all is well.</returns>
    public static IReadOnlyList<string> Play(DemoHost host, TextWriter output)
    {
        List<string> failures = [];
        foreach (var act in Acts)
        {
            var (code, text) = host.Run(act.Where, act.Command);
            output.Write(
                $"# {act.Title}\n{act.Where}# {act.Command}\n{text}{(text.EndsWith('\n') ? "" : "\n")}{(code == 0 ? "" : $"(exit code {code})\n")}\n"
            );
            output.Flush();
            if (code != act.ExitCode)
            {
                failures.Add($"\"{act.Command}\" in {act.Where} ended with {code}, expected {act.ExitCode}");
            }
        }
        return failures;
    }
}
