using System.Buffers.Binary;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>libvirt refused a call: its error number (virterror.h) and its words.</summary>
public sealed class LibvirtRefusal(string what, int code, string words) : HostFailure($"libvirt refused to {what}: {words}")
{
    public int Code => code;
    public string Words => words;
}

/// <summary>A message that libvirt sent by itself.</summary>
/// <param name="Procedure">What happened.</param>
/// <param name="Payload">What came with it.</param>
public sealed record LibvirtEvent(int Procedure, byte[] Payload);

/// <summary>
/// A client of libvirt's own protocol over a Unix socket (src/rpc/virnetprotocol.x and src/remote/remote_protocol.x): each message has its
/// length, six words, and values in XDR. Why not its library: docs/decisions/0013-libvirt-is-spoken-to-over-its-socket.md.
/// </summary>
public sealed class LibvirtClient : IDisposable
{
    const int Program = 0x20008086, KeepAlive = 0x6b656570, Version = 1, HeaderBytes = 28;
    const int Call = 0, Reply = 1, Message = 2, Ok = 0;
    const int Open = 1, ListAuthentication = 66, Ping = 1, Pong = 2;

    /// <summary>VIR_NET_MESSAGE_MAX; longer ones libvirt does not send.</summary>
    const int MostBytes = 32 * 1024 * 1024;

    /// <summary>REMOTE_STRING_MAX.</summary>
    public const int MostText = 4 * 1024 * 1024;

    readonly ByteChannel channel;
    readonly TimeProvider clock;
    readonly TimeSpan deadline;
    readonly Queue<LibvirtEvent> events = [];
    readonly byte[] incoming = new byte[64 * 1024];
    int first, end, serial;

    /// <summary>Opens a connection to one of libvirt's drivers.</summary>
    /// <param name="channel">The connection; it is this object's from here on.</param>
    /// <param name="clock">For the deadlines.</param>
    /// <param name="deadline">How long each answer may take.</param>
    /// <param name="uri">The driver: <c>qemu:///system</c>.</param>
    /// <exception cref="HostFailure">libvirt refused, closed, or answered what cannot be understood.</exception>
    /// <exception cref="DeadlinePassed">It did not answer.</exception>
    public LibvirtClient(ByteChannel channel, TimeProvider clock, TimeSpan deadline, string uri)
    {
        (this.channel, this.clock, this.deadline) = (channel, clock, deadline);
        try
        {
            // Only by this question does libvirt see that root asks, who needs no polkit (remoteDispatchAuthList).
            Ask("say how it knows who asks", ListAuthentication, new XdrWriter(), static answer =>
            {
                var isNone = false;
                for (var left = answer.Count(20); left > 0; left--)
                    isNone |= answer.Number() == 0;
                return isNone ? true : throw new HostFailure("libvirt wants a password or polkit's consent (auth_unix_rw in libvirtd.conf)");
            });
            Do($"open {uri}", Open, new XdrWriter().OptionalText(uri).Number(0));
        }
        catch
        {
            channel.Dispose();
            throw;
        }
    }

    /// <summary>Makes something of an answer.</summary>
    public delegate T Read<T>(XdrReader answer);

    /// <summary>Calls a procedure that answers nothing.</summary>
    /// <inheritdoc cref="Ask"/>
    public void Do(string what, int procedure, XdrWriter arguments, TimeSpan? limit = null) => _ = Exchange(what, procedure, arguments, limit);

    /// <summary>Calls a procedure.</summary>
    /// <param name="what">What it is to do, for messages: <c>list its guests</c>.</param>
    /// <param name="procedure">Its number.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="read">Reads its answer.</param>
    /// <param name="limit">How long it may take; the connection's deadline without it.</param>
    /// <exception cref="LibvirtRefusal">libvirt refused.</exception>
    /// <exception cref="HostFailure">The answer cannot be understood, or the connection is gone.</exception>
    /// <exception cref="DeadlinePassed">There was no answer.</exception>
    public T Ask<T>(string what, int procedure, XdrWriter arguments, Read<T> read, TimeSpan? limit = null)
    {
        var answer = Exchange(what, procedure, arguments, limit);
        try
        {
            return read(new XdrReader(answer));
        }
        catch (FormatException error)
        {
            throw new HostFailure($"libvirt was asked to {what}, and its answer cannot be understood: {error.Message}");
        }
    }

    /// <summary>Waits for an event.</summary>
    /// <param name="wanted">Which one; one that cannot be read is none (FormatException).</param>
    /// <param name="limit">How long.</param>
    /// <exception cref="DeadlinePassed">It did not come.</exception>
    public LibvirtEvent WaitFor(Func<LibvirtEvent, bool> wanted, TimeSpan limit)
    {
        for (var start = clock.GetTimestamp(); ;)
        {
            while (events.TryDequeue(out var happened))
            {
                if (Is(happened))
                    return happened;
            }
            TakeMessage(Receive(start, limit));
        }

        bool Is(LibvirtEvent happened)
        {
            try
            {
                return wanted(happened);
            }
            catch (FormatException)
            {
                return false;
            }
        }
    }

    public void Dispose() => channel.Dispose();

    byte[] Exchange(string what, int procedure, XdrWriter arguments, TimeSpan? limit)
    {
        var number = ++serial;
        Send(Program, procedure, Call, number, arguments);
        for (var start = clock.GetTimestamp(); ;)
        {
            var answer = Receive(start, limit ?? deadline);
            if (TakeMessage(answer) || answer is not { Program: Program, Type: Reply } || answer.Serial != number)
                continue;
            return answer.Status == Ok ? answer.Payload : throw Refusal(what, answer.Payload);
        }
    }

    static HostFailure Refusal(string what, byte[] payload)
    {
        try
        {
            var error = new XdrReader(payload);
            var code = error.Number();
            _ = error.Number();
            return new LibvirtRefusal(what, code, (error.OptionalText(MostText) ?? "it gave no reason").Trim().ReplaceLineEndings(" "));
        }
        catch (FormatException error)
        {
            return new HostFailure($"libvirt refused to {what}, and its reason cannot be understood: {error.Message}");
        }
    }

    sealed record Incoming(int Program, int Procedure, int Type, int Serial, int Status, byte[] Payload);

    /// <summary>What libvirt sends by itself: an event, or the question whether this end still lives.</summary>
    bool TakeMessage(Incoming message)
    {
        if (message.Type != Message)
            return false;
        if (message is { Program: KeepAlive, Procedure: Ping })
            Send(KeepAlive, Pong, Message, 0, new XdrWriter());
        else if (message.Program == Program)
            events.Enqueue(new LibvirtEvent(message.Procedure, message.Payload));
        return true;
    }

    void Send(int program, int procedure, int type, int number, XdrWriter values)
    {
        var payload = values.ToArray();
        channel.Write(new XdrWriter().Number(HeaderBytes + payload.Length).Number(program).Number(Version).Number(procedure).Number(type).Number(number).Number(Ok).Opaque(payload).ToArray());
    }

    Incoming Receive(long start, TimeSpan limit)
    {
        Span<byte> head = stackalloc byte[HeaderBytes];
        Fill(head, start, limit);
        var header = new XdrReader(head);
        var length = header.Number();
        if (length is < HeaderBytes or > MostBytes)
            throw new HostFailure($"what answers there does not speak libvirt's protocol: it sent a message of {length} bytes");
        var (program, _, procedure, type, number, status) = (header.Number(), header.Number(), header.Number(), header.Number(), header.Number(), header.Number());
        // What is announced is not believed before it is there.
        var payload = new List<byte>();
        Span<byte> part = stackalloc byte[4096];
        for (var left = length - HeaderBytes; left > 0; left -= Math.Min(left, part.Length))
        {
            var piece = part[..Math.Min(left, part.Length)];
            Fill(piece, start, limit);
            payload.AddRange(piece);
        }
        return new Incoming(program, procedure, type, number, status, [.. payload]);
    }

    void Fill(Span<byte> wanted, long start, TimeSpan limit)
    {
        while (!wanted.IsEmpty)
        {
            if (first == end)
            {
                var left = limit - clock.GetElapsedTime(start);
                if (left <= TimeSpan.Zero)
                    throw new DeadlinePassed("libvirt", limit);
                (first, end) = (0, channel.Read(incoming, left));
                if (end == 0)
                    throw new HostFailure("libvirt closed the connection");
            }
            var count = Math.Min(wanted.Length, end - first);
            incoming.AsSpan(first, count).CopyTo(wanted);
            first += count;
            wanted = wanted[count..];
        }
    }
}
