using PciPass.Cli;
using PciPass.Host;

if (args is [AttributeWriter.ChildArgument])
    return AttributeWriter.RunChild();

using var host = new LinuxSystem();
return CommandLine.Run(args, host, Terminal.OfThisProcess());
