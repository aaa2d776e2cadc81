using PciPass.Host;
using PciPass.Lab;

namespace PciPass.Tests;

/// <summary>A channel to what talks at two pipes of a machine: PATH.in and PATH.out.</summary>
sealed class LabPipes(LabMachine machine, string path) : ByteChannel
{
    public override int Read(Span<byte> buffer, TimeSpan deadline)
    {
        // One read(2) of what is there; the pipe is opened for both ways, so that this waits for QEMU and for nothing else.
        var result = machine.Run($"timeout {Math.Ceiling(deadline.TotalSeconds)} dd bs={buffer.Length} count=1 status=none <>{path}.out");
        if (result.Output.Length == 0)
            throw new DeadlinePassed($"read {path}.out", deadline);
        result.Output.Span.CopyTo(buffer);
        return result.Output.Length;
    }

    public override void Write(ReadOnlySpan<byte> bytes) => machine.Run($"echo {Convert.ToBase64String(bytes)} | base64 -d >{path}.in").Ok();
}
