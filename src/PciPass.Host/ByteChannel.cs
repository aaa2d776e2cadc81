namespace PciPass.Host;

/// <summary>Bytes in both directions with a peer that may not answer: xenstore's or a QEMU's socket, or the simulator's end of one.</summary>
public abstract class ByteChannel : IDisposable
{
    /// <summary>The process that listens at a socket, as the kernel knows it (SO_PEERCRED); null where that does not apply.</summary>
    public virtual int? PeerProcess => null;

    /// <summary>Waits for at least one byte.</summary>
    /// <returns>The number of bytes read; 0 when the peer has closed.</returns>
    /// <exception cref="DeadlinePassed">Nothing came in time.</exception>
    public abstract int Read(Span<byte> buffer, TimeSpan deadline);

    /// <summary>Writes all of it.</summary>
    public abstract void Write(ReadOnlySpan<byte> bytes);

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }
}
