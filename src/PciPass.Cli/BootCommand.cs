using System.CommandLine;
using PciPass.Core;

namespace PciPass.Cli;

/// <summary><c>pcipass boot</c>: what happens when the host starts.</summary>
static class BootCommand
{
    public static Command Create(Session session) => new("boot", "What happens when the host starts: tell it, do it, and install what does it.")
    {
        BootVerifyCommand.Create(session),
        BootApplyCommand.Create(session),
        BootInstallCommand.Create(session, Verb.Install),
        BootInstallCommand.Create(session, Verb.Uninstall),
    };
}
