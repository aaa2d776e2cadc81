using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>
/// A client of xenstore, for reading and watching; only the toolstack writes there, but for what host and guest's agent say to each other
/// (<see cref="GuestAsk"/>). The protocol is docs/misc/xenstore.txt of Xen:
/// a header of four little-endian words (type, request, transaction, length), then up to 4096 bytes.
/// </summary>
public sealed class Xenstore(ByteChannel channel, TimeProvider clock) : IDisposable
{
    const uint TypeDirectory = 1, TypeRead = 2, TypeWatch = 4, TypeUnwatch = 5, TypeTransactionStart = 6, TypeTransactionEnd = 7, TypeWatchEvent = 15, TypeWrite = 11, TypeRemove = 13, TypeError = 16;
    const int HeaderLength = 16, MostPayload = 4096;

    /// <summary>xenstored answers in microseconds; when it does not answer within this, it is dead.</summary>
    static readonly TimeSpan AnswerDeadline = TimeSpan.FromSeconds(10);

    readonly Queue<string> events = new();
    readonly ChannelBuffer incoming = new(channel, clock, HeaderLength + MostPayload);
    uint lastRequest;

    /// <summary>The value at a path; null when there is none, or it may not be read.</summary>
    public string? Read(string path, uint transaction = 0) => Request(TypeRead, transaction, [path]);

    /// <summary>The names below a path; none when it does not exist.</summary>
    public IReadOnlyList<string> List(string path, uint transaction = 0) =>
        Request(TypeDirectory, transaction, [path]) is { Length: > 0 } names ? names.TrimEnd('\0').Split('\0') : [];

    /// <summary>Writes a value, and makes what is missing above it.</summary>
    public void Write(string path, string value)
    {
        if (Request(TypeWrite, 0, [path, value], isValue: true) is null)
            throw new HostFailure($"xenstore: {path} may not be written");
    }

    /// <summary>Removes a node with all below it; does nothing where there is none.</summary>
    public void Remove(string path) => Request(TypeRemove, 0, [path]);

    /// <summary>
    /// Runs a reader on one consistent state: values that belong together may change between two reads. It is run again when
    /// somebody wrote meanwhile, so it must have no effect but its result.
    /// </summary>
    public T Consistent<T>(Func<uint, T> read)
    {
        const int Tries = 20;
        for (var attempt = 0; ; attempt++)
        {
            if (!uint.TryParse(Request(TypeTransactionStart, 0, [""])?.TrimEnd('\0'), NumberStyles.None, CultureInfo.InvariantCulture, out var transaction))
                throw new HostFailure("xenstore: it gave a transaction without a number");
            T result;
            try
            {
                result = read(transaction);
            }
            catch
            {
                Request(TypeTransactionEnd, transaction, ["F"]);
                throw;
            }
            if (Request(TypeTransactionEnd, transaction, ["T"], mayConflict: true) is not null)
                return result;
            if (attempt == Tries)
                throw new HostFailure($"xenstore: the state changed {Tries} times while it was read");
        }
    }

    /// <summary>From now on, every change at or below the path is an event; one comes at once, so that nothing falls between looking and watching.</summary>
    public void Watch(string path) => Request(TypeWatch, 0, [path, path]);

    public void Unwatch(string path) => Request(TypeUnwatch, 0, [path, path]);

    /// <summary>Waits until something changes at a watched path.</summary>
    /// <returns>The path that changed.</returns>
    /// <exception cref="DeadlinePassed">Nothing changed in time.</exception>
    public string WaitForChange(TimeSpan deadline)
    {
        while (events.Count == 0)
            Receive(deadline);
        return events.Dequeue();
    }

    /// <summary>Waits until <paramref name="read"/> returns something, looking again at each change below one of the paths.</summary>
    /// <exception cref="DeadlinePassed">It never did.</exception>
    public T WaitFor<T>(ReadOnlySpan<string> paths, Func<T?> read, TimeSpan deadline)
        where T : class
    {
        var start = clock.GetTimestamp();
        foreach (var path in paths)
            Watch(path);
        try
        {
            for (; ; )
            {
                var left = deadline - clock.GetElapsedTime(start);
                if (left < TimeSpan.Zero)
                    throw new DeadlinePassed($"wait for {paths[0]} in xenstore", deadline);
                WaitForChange(left);
                if (read() is T found)
                    return found;
            }
        }
        finally
        {
            foreach (var path in paths)
                Unwatch(path);
            events.Clear();
        }
    }

    public void Dispose() => channel.Dispose();

    /// <returns>The answer; null for ENOENT and EACCES, and for EAGAIN where a conflict is expected.</returns>
    string? Request(uint type, uint transaction, ReadOnlySpan<string> words, bool mayConflict = false, bool isValue = false)
    {
        var payload = new MemoryStream();
        foreach (var (number, word) in words.ToArray().Index())
        {
            payload.Write(Encoding.UTF8.GetBytes(word));
            // A value has no end but the message's.
            if (!isValue || number < words.Length - 1)
                payload.WriteByte(0);
        }
        if (payload.Length > MostPayload)
            throw new HostFailure($"xenstore: a request of {payload.Length} bytes, of which the protocol takes {MostPayload}");
        var message = new byte[HeaderLength + payload.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(message, type);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), ++lastRequest);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(8), transaction);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(12), (uint)payload.Length);
        payload.ToArray().CopyTo(message, HeaderLength);
        channel.Write(message);

        for (; ; )
        {
            if (Receive(AnswerDeadline) is not var (answerType, request, text) || request != lastRequest)
                continue;
            if (answerType != TypeError)
                return text;
            text = text.TrimEnd('\0');
            if (text is "ENOENT" or "EACCES" || (mayConflict && text == "EAGAIN"))
                return null;
            throw new HostFailure($"xenstore: {words[0]}: {text}");
        }
    }

    /// <summary>Reads one message; events are kept for later and give null.</summary>
    (uint Type, uint Request, string Text)? Receive(TimeSpan deadline)
    {
        var header = Take(HeaderLength, deadline);
        var type = BinaryPrimitives.ReadUInt32LittleEndian(header);
        var request = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(header[12..]);
        if (length > MostPayload)
            throw new HostFailure($"xenstore: an answer of {length} bytes, of which the protocol allows {MostPayload}");
        var text = Encoding.UTF8.GetString(Take((int)length, AnswerDeadline));
        if (type != TypeWatchEvent)
            return (type, request, text);
        events.Enqueue(text.Split('\0')[0]);
        return null;
    }

    ReadOnlySpan<byte> Take(int count, TimeSpan deadline) =>
        incoming.TryTake(count, deadline, out var bytes) ? bytes : throw new HostFailure("xenstore: the connection was closed");
}
