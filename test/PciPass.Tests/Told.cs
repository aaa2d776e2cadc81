using PciPass.Cli;
using PciPass.Host;
using PciPass.Sim;

namespace PciPass.Tests;

/// <summary>What one command told, run as a process of its own on a simulated host.</summary>
sealed record Told(int ExitCode, string Output, string Errors)
{
    public static Told By(SimHost host, string command)
    {
        host.StartProcess();
        return Run(host, command);
    }

    /// <summary>Runs a command that dies after some of its changes.</summary>
    /// <returns>False when it ended before that.</returns>
    public static bool Dies(SimHost host, string command, int changes) => Dies(host, host, command, changes);

    /// <summary>The same, where the process sees the simulated host through another.</summary>
    public static bool Dies(HostSystem seen, SimHost host, string command, int changes) => Dies(seen, host, command, () => host.CrashAfter(changes));

    /// <summary>The same, after some of its operations, reads included.</summary>
    public static bool DiesAtOperation(SimHost host, string command, int operations) => Dies(host, host, command, () => host.CrashAfterOperations(operations));

    /// <summary>The same, while it waits for a program, which goes on.</summary>
    public static bool DiesDuring(SimHost host, string command, string program) => Dies(host, host, command, () => host.CrashDuring(program));

    static bool Dies(HostSystem seen, SimHost host, string command, Action plan)
    {
        host.StartProcess();
        plan();
        try
        {
            Run(seen, command);
            return false;
        }
        catch (SimCrash)
        {
            return true;
        }
        finally
        {
            host.StartProcess();
        }
    }

    /// <summary>Runs a command in the process that runs already.</summary>
    public static Told Run(HostSystem host, string command)
    {
        using StringWriter output = new(), errors = new();
        var code = CommandLine.Run(command.Split(' ', StringSplitOptions.RemoveEmptyEntries), host, new Terminal(output, errors, HasColour: false));
        return new Told(code, output.ToString(), errors.ToString());
    }

    /// <summary>All that it said, once it has ended with this code.</summary>
    public string Says(int exitCode)
    {
        Xunit.Assert.True(ExitCode == exitCode, $"ended with {ExitCode}, expected {exitCode}:\n{this}");
        return Output + Errors;
    }

    public override string ToString() => $"{Output}{Errors}(exit {ExitCode})";
}
