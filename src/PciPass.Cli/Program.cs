using PciPass.Cli;
using PciPass.Host;

if (args is [AttributeProcess.ChildArgument])
    return AttributeProcess.RunChild();
if (args is [DetachedProcess.Argument, ..])
{
    DetachedProcess.Leave();
    args = args[1..];
}

LinuxSystem.HearOfChildren();
using var host = new LinuxSystem();
return CommandLine.Run(args, host, Terminal.OfThisProcess());
