using System.Buffers.Binary;
using System.Text;

namespace PciPass.Host;

/// <summary>A file descriptor to read with a deadline: xenstore's socket, or its device.</summary>
sealed class DescriptorChannel(int descriptor, string name) : ByteChannel
{
    int descriptor = descriptor;

    /// <summary>Connects to a Unix socket; null when nothing listens there.</summary>
    public static DescriptorChannel? ConnectSocket(string path)
    {
        const int AF_UNIX = 1, SOCK_STREAM = 1, PathAt = 2;
        var socket = Libc.Socket(AF_UNIX, SOCK_STREAM | Libc.SOCK_CLOEXEC, 0);
        if (socket < 0)
            throw new HostFailure("make a socket for", path, Libc.LastError);
        Span<byte> address = stackalloc byte[110];
        address.Clear();
        address[0] = AF_UNIX;
        if (Encoding.UTF8.GetByteCount(path) > address.Length - PathAt - 1)
        {
            _ = Libc.Close(socket);
            throw new HostFailure($"connect to {path}: a socket's path holds no more than {address.Length - PathAt - 1} bytes");
        }
        var length = Encoding.UTF8.GetBytes(path, address[PathAt..^1]);
        if (Libc.Connect(socket, address, PathAt + length + 1) == 0)
            return new DescriptorChannel(socket, path);
        var error = Libc.LastError;
        _ = Libc.Close(socket);
        return error is Errno.ENOENT or 111 /* ECONNREFUSED */ ? null : throw new HostFailure("connect to", path, error);
    }

    /// <summary>Opens a device for reading and writing; null when there is none.</summary>
    public static DescriptorChannel? OpenDevice(string path)
    {
        var device = Libc.Open(path, Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        if (device >= 0)
            return new DescriptorChannel(device, path);
        return Libc.LastError is Errno.ENOENT or Errno.ENODEV or Errno.ENXIO ? null : throw new HostFailure("open", path, Libc.LastError);
    }

    public override int? PeerProcess
    {
        get
        {
            const int SOL_SOCKET = 1, SO_PEERCRED = 17;
            Span<byte> peer = stackalloc byte[12]; // struct ucred: process, user, group
            var length = (uint)peer.Length;
            return Libc.GetSocketOption(descriptor, SOL_SOCKET, SO_PEERCRED, peer, ref length) == 0 ? BinaryPrimitives.ReadInt32LittleEndian(peer) : null;
        }
    }

    public override int Read(Span<byte> buffer, TimeSpan deadline)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var left = deadline - TimeProvider.System.GetElapsedTime(start);
            var entry = new Libc.PollEntry { Descriptor = descriptor, Events = Libc.POLLIN };
            var ready = Libc.Poll(ref entry, 1, (int)Math.Clamp(Math.Ceiling(left.TotalMilliseconds), 0, int.MaxValue));
            if (ready == 0)
                throw new DeadlinePassed($"read {name}", deadline);
            var count = ready < 0 ? ready : Libc.Read(descriptor, buffer, buffer.Length);
            if (count >= 0)
                return (int)count;
            // Any signal ends a poll(2): a child that ends, a terminal that gets another size.
            if (Libc.LastError != Errno.EINTR)
                throw new HostFailure("read", name, Libc.LastError);
        }
    }

    public override void Write(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var put = Libc.Write(descriptor, bytes, bytes.Length);
            if (put < 0 && Libc.LastError == Errno.EINTR)
                continue;
            if (put <= 0)
                throw new HostFailure("write", name, put == 0 ? Errno.EIO : Libc.LastError);
            bytes = bytes[(int)put..];
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (descriptor >= 0)
            _ = Libc.Close(descriptor);
        descriptor = -1;
        base.Dispose(disposing);
    }
}
