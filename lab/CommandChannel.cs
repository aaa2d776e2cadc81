using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Net.Sockets;
using System.Text;

namespace PciPass.Lab;

/// <summary>
/// The line to the machine's agent (lab/rootfs/dom0/usr/sbin/lab-agent, where the protocol stands): QEMU connects the machine's second
/// serial port to a socket of ours. Commands run beside each other; any thread may send.
/// </summary>
sealed class CommandChannel : IDisposable
{
    readonly Lock _gate = new();
    readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    readonly Dictionary<int, TaskCompletionSource<Answer>> _waiting = [];
    readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    Socket? _connection;
    string? _closed;
    int _lastId;

    sealed record Answer(int ExitCode, byte[] Output, byte[] Errors);

    /// <summary>Listens; QEMU connects when it starts.</summary>
    public CommandChannel(string path)
    {
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen(1);
        new Thread(Receive) { IsBackground = true, Name = "agent" }.Start();
    }

    /// <summary>Ends when the agent says that it is there; fails when the machine ends first.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Runs a shell script in the machine and waits for its end.</summary>
    /// <exception cref="LabException">It did not end in time (it may still run), or the machine is gone.</exception>
    public Result Run(string script, TimeSpan deadline)
    {
        var clock = Stopwatch.StartNew();
        var answer = new TaskCompletionSource<Answer>(TaskCreationOptions.RunContinuationsAsynchronously);
        var body = Encoding.UTF8.GetBytes(script + '\n');
        lock (_gate)
        {
            if (_closed is not null || _connection is null)
            {
                throw new LabException($"cannot run \"{script}\": {_closed ?? "the machine has not booted"}");
            }
            _waiting.Add(++_lastId, answer);
            SendAll(Encoding.ASCII.GetBytes($"{_lastId} {body.Length}\n"));
            SendAll(body);
        }
        if (!answer.Task.Wait(deadline))
        {
            throw new LabException($"did not end within {deadline.TotalSeconds:0} s: {script}");
        }
        var (code, output, errors) = answer.Task.GetAwaiter().GetResult();
        return new Result(script, code, output, errors, clock.Elapsed);
    }

    /// <summary>Fails everything that waits.</summary>
    public void Close(string reason)
    {
        List<TaskCompletionSource<Answer>> waiting;
        lock (_gate)
        {
            _closed ??= reason;
            waiting = [.. _waiting.Values];
            _waiting.Clear();
        }
        _ready.TrySetException(new LabException(reason));
        // The exception may never be looked at; that is no fault.
        _ = _ready.Task.Exception;
        foreach (var answer in waiting)
        {
            answer.TrySetException(new LabException(reason));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close("the machine was switched off");
        _listener.Dispose();
        _connection?.Dispose();
    }

    void SendAll(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[_connection!.Send(bytes)..];
        }
    }

    void Receive()
    {
        try
        {
            var connection = _listener.Accept();
            lock (_gate)
            {
                _connection = connection;
            }
            // Its end is QEMU's end, which is told with better reasons elsewhere.
            using var stream = new BufferedStream(new NetworkStream(connection), 1 << 16);
            while (ReadLine(stream) is { } line)
            {
                Handle(line, stream);
            }
        }
        catch (Exception failure)
            when (failure is SocketException or IOException or ObjectDisposedException or FormatException or InvalidDataException)
        {
            Close($"the machine's second serial port closed: {failure.Message}");
        }
    }

    void Handle(string line, Stream stream)
    {
        // The firmware or the kernel may have written to the port before the agent did.
        if (line.EndsWith("lab-agent", StringComparison.Ordinal))
        {
            _ready.TrySetResult();
        }
        else if (line.Split(' ') is ["answer", var id, var code, var outputLength, var errorLength, var zipped])
        {
            // Behind a gzip stream comes the next answer, so its bytes are taken out first.
            var bytes =
                zipped == "0" ? stream : new GZipStream(new MemoryStream(ReadExactly(stream, Number(zipped))), CompressionMode.Decompress);
            var output = ReadExactly(bytes, Number(outputLength));
            var errors = ReadExactly(bytes, Number(errorLength));
            TaskCompletionSource<Answer>? waiting;
            lock (_gate)
            {
                _waiting.Remove(Number(id), out waiting);
            }
            waiting?.TrySetResult(new Answer(Number(code), output, errors));
        }
    }

    static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    static byte[] ReadExactly(Stream stream, int length)
    {
        var bytes = new byte[length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    static string? ReadLine(Stream stream)
    {
        var line = new StringBuilder();
        for (var next = stream.ReadByte(); next >= 0; next = stream.ReadByte())
        {
            if (next == '\n')
            {
                return line.ToString();
            }
            line.Append((char)next);
        }
        return null;
    }
}
