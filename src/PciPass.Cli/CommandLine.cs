using System.CommandLine;
using System.CommandLine.Help;
using System.ComponentModel;
using System.Reflection;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary>The command line: one file for each command, put together here.</summary>
public static class CommandLine
{
    const string Description = """
        Takes a PCI function from a virtualization host, gives it to exactly one guest, and takes it back.

        DEV is an address (09:00.0 or 0000:09:00.0), a name that the kernel gives (eth1, nvme0n1), or libvirt's (pci_0000_09_00_0).

          pcipass list                      every function, and why it cannot be passed where it cannot
          pcipass attach eth1 web1          hides the card from the host and plugs it into the running guest web1
          pcipass detach eth1 web1          the other way round: the host's driver gets it back
          pcipass attach eth1 web1 --dry-run    tells exactly what would be done, and does nothing

        Exit codes: 0 done, 1 refused (nothing changed), 2 wrong command line, 3 failed and undone, 4 stuck between two states,
        5 waiting for a guest that has not let go.
        """;

    /// <summary>This program's version.</summary>
    public static string Version { get; } = typeof(CommandLine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    /// <summary>The tree of commands, and the options that all of them share: help, completion and the manual page are made of it.</summary>
    internal static (RootCommand Root, Option<string> Record, Option<string> SystemRoot) Create(Session session)
    {
        var root = new RootCommand(Description)
        {
            ListCommand.Create(session),
            ShowCommand.Create(session),
            CheckCommand.Create(session),
            ChangeCommand.CreateHide(session),
            ChangeCommand.CreateUnhide(session),
            ChangeCommand.CreateAttach(session),
            ChangeCommand.CreateDetach(session),
            CanSaveCommand.CreateSave(session),
            CanSaveCommand.CreateMigrate(session),
            SaveCommand.Create(session),
            RestoreCommand.Create(session),
            MigrateCommand.Create(session),
            ReceiveCommand.Create(session),
            BootCommand.Create(session),
            GuardCommand.Create(session),
            GuestsCommand.Create(session),
            StatusCommand.Create(session),
            RecoverCommand.Create(session),
            ConfirmCommand.Create(session),
            ConfirmCommand.CreateAwait(session),
            HistoryCommand.Create(session),
            RulesCommand.Create(session),
            CaptureCommand.Create(session),
            GuestCommand.Create(session),
        };
        var record = new Option<string>("--host")
        {
            Description = "Look at a recorded host instead: a folder with sys/, proc/, etc/ as they lie there, a tar of one, or what \"pcipass capture\" wrote.",
            HelpName = "FILE|DIR",
            Recursive = true,
        };
        root.Options.Add(record);
        var systemRoot = Options.Root();
        root.Options.Add(systemRoot);
        root.SetAction(parsed =>
        {
            new HelpAction().Invoke(parsed);
            return ExitCode.Usage;
        });
        Completions.AddTo(root, session);
        return (root, record, systemRoot);
    }

    /// <summary>Runs one command on a host.</summary>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    public static int Run(IReadOnlyList<string> arguments, HostSystem host, Terminal terminal)
    {
        var session = new Session(host, terminal);
        var (root, record, systemRoot) = Create(session);
        var parsed = root.Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
                terminal.Errors.WriteLine($"{terminal.Red("error:")} {error.Message}");
            var command = parsed.CommandResult.Command;
            terminal.Errors.WriteLine($"do:    pcipass {(command is RootCommand ? "" : $"{command.Name} ")}--help");
            return ExitCode.Usage;
        }
        try
        {
            if (parsed.GetValue(record) is string path)
                session.Use(new RecordedHost(RecordedTree.Open(path)));
            if (parsed.GetValue(systemRoot) is string folder)
            {
                if (parsed.CommandResult.Command.Name is var name && !Options.ForImages.Contains(name))
                    throw new UsageError($"{name} works on the running host alone", "--root means a system that does not run", $"--root goes with {string.Join(", ", Options.ForImages)}");
                session.UseRoot(folder);
            }
            var code = parsed.Invoke(new InvocationConfiguration { Output = terminal.Output, Error = terminal.Errors, EnableDefaultExceptionHandler = false });
            if (terminal.Output is not PatientWriter { Failure: string lost })
                return code;
            Messages.Write(terminal, "what was to be printed could not be written", "output", lost, session.HasActed ? "pcipass history     tells what was done" : "");
            // What was done was done, whoever heard of it.
            return code == ExitCode.Done && !session.HasActed ? ExitCode.Failed : code;
        }
        catch (UsageError error)
        {
            Messages.Write(terminal, error.Message, "", error.Why, error.Remedy);
            return ExitCode.Usage;
        }
        catch (Exception failure) when (failure is HostFailure or IOException or UnauthorizedAccessException or Win32Exception)
        {
            Messages.Write(terminal, "the host could not be read or changed", "host-failure", failure.Message, "");
            return ExitCode.Failed;
        }
    }
}
