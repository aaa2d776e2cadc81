using PciPass.Cli;
using PciPass.Host;

if (args is [AttributeProcess.ChildArgument])
    return AttributeProcess.RunChild();

using var host = new LinuxSystem();
return CommandLine.Run(args, host, Terminal.OfThisProcess());
