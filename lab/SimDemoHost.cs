using PciPass.Cli;
using PciPass.Sim;

namespace PciPass.Lab;

/// <summary>The demonstration's machine as the simulator has it: the same command line code runs in this process.</summary>
public sealed class SimDemoHost : DemoHost
{
    readonly SimHost _host = SimHost.Demo();

    /// <inheritdoc/>
    public override (int Code, string Text) Run(string where, string command)
    {
        var words = command.Split(' ');
        if (words[0] == "pcipass")
        {
            using var text = new StringWriter();
            var code = CommandLine.Run(words[1..], _host, new Terminal(text, text, HasColour: false));
            return (code, text.ToString());
        }
        var result = where == Host ? _host.Shell.OnHost(command) : _host.Shell.InGuest(where, command);
        return (result.ExitCode, result.Output + result.Errors);
    }
}
