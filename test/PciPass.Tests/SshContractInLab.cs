using System.Text;
using PciPass.Host;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract with real ssh and sshd: a machine that is the other host to itself.</summary>
[Trait("Category", "Lab")]
public sealed class SshContractInLab(SshContractInLab.Linux linux) : SshContract, IClassFixture<SshContractInLab.Linux>
{
    protected override HostSystem Host => linux.System;

    /// <summary>The contract's machine.</summary>
    public sealed class Linux : IDisposable
    {
        readonly LabMachine machine = LabMachine.Boot(Machine.DemoLinux with { HasSsh = true }, "contract-ssh");

        public Linux()
        {
            var octal = string.Concat(Encoding.UTF8.GetBytes(Content).Select(static each => $"\\0{Convert.ToString(each, 8).PadLeft(3, '0')}"));
            machine.Run($$"""
                lab-ssh-allow other 127.0.0.1 "$(lab-ssh 127.0.0.1)"
                printf %b '{{octal}}' >{{Input}}
                printf '%s\n' '#!/bin/sh' 'for word; do printf "[%s]" "$word"; done; echo; base64 -w 0; echo; echo told >&2; exit 3' >/usr/sbin/lab-words
                chmod +x /usr/sbin/lab-words
                """).Ok();
            System = new LabSystem(machine);
        }

        public HostSystem System { get; }

        public void Dispose() => machine.Dispose();
    }
}
