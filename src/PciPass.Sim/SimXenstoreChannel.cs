using System.Buffers.Binary;
using System.Text;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>
/// xenstored's end of a connection: takes requests as bytes, answers as bytes, sends watch events
/// (xen/include/public/io/xs_wire.h, docs/misc/xenstore.txt).
/// </summary>
sealed class SimXenstoreChannel(SimHost host, SimXenstore store, int processNumber) : ByteChannel
{
    const int HeaderSize = 16, MostPayload = 4096;

    readonly Queue<byte> outgoing = new();
    readonly List<byte> incoming = [];
    readonly List<(string Path, string Token, SimXenstore.Watch Watch)> watches = [];
    readonly Dictionary<uint, Transaction> transactions = [];
    uint nextTransaction = 1;
    bool closed;

    enum Message : uint
    {
        Control = 0,
        Directory = 1,
        Read = 2,
        GetPermissions = 3,
        Watch = 4,
        Unwatch = 5,
        TransactionStart = 6,
        TransactionEnd = 7,
        GetDomainPath = 10,
        Write = 11,
        MakeDirectory = 12,
        Remove = 13,
        SetPermissions = 14,
        WatchEvent = 15,
        Error = 16,
        IsDomainIntroduced = 17,
        ResetWatches = 21,
    }

    sealed class Transaction(SimXenstore view)
    {
        public SimXenstore View => view;
        public Dictionary<string, long> Seen { get; } = new(StringComparer.Ordinal);
        public List<Action<SimXenstore>> Changes { get; } = [];
    }

    sealed class Refused(string error) : Exception(error);

    public override int Read(Span<byte> buffer, TimeSpan deadline)
    {
        host.Check(processNumber);
        host.CountRead("read xenstore");
        if (!host.Clock.WaitFor(() => closed || (outgoing.Count > 0 && !host.Faults.IsHung("xenstore")), deadline))
            throw new DeadlinePassed("xenstore", deadline);
        var count = Math.Min(buffer.Length, Math.Min(outgoing.Count, host.XenstoreChunk));
        for (var n = 0; n < count; n++)
            buffer[n] = outgoing.Dequeue();
        return count;
    }

    public override void Write(ReadOnlySpan<byte> bytes)
    {
        host.Check(processNumber);
        if (host.Faults.Check("xenstore") is > 0 and var errno)
            throw new HostFailure("write to", "xenstore", errno);
        incoming.AddRange(bytes);
        while (!closed && incoming.Count >= HeaderSize)
        {
            var header = incoming.GetRange(0, HeaderSize).ToArray();
            var length = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(12));
            if (length > MostPayload)
            {
                // xenstored drops a client that breaks the protocol.
                Close();
                return;
            }
            if (incoming.Count < HeaderSize + length)
                return;
            var payload = incoming.GetRange(HeaderSize, (int)length).ToArray();
            incoming.RemoveRange(0, HeaderSize + (int)length);
            Handle((Message)BinaryPrimitives.ReadUInt32LittleEndian(header), BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(4)),
                BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(8)), payload);
        }
    }

    protected override void Dispose(bool disposing)
    {
        Close();
        base.Dispose(disposing);
    }

    internal void Close()
    {
        closed = true;
        foreach (var (_, _, watch) in watches)
            store.Drop(watch);
        watches.Clear();
        transactions.Clear();
    }

    void Handle(Message type, uint request, uint transactionId, byte[] payload)
    {
        Transaction? transaction = null;
        // A watch's first event follows the answer to its request.
        Action? afterwards = null;
        try
        {
            if (transactionId != 0 && !transactions.TryGetValue(transactionId, out transaction))
                throw new Refused("ENOENT");
            var view = transaction?.View ?? store;
            var words = Encoding.UTF8.GetString(payload).Split('\0');
            var path = words[0];
            // Null where what is asked for is not there: so frequent that an exception for each would be most of the simulator's time.
            byte[]? answer = "OK\0"u8.ToArray();
            switch (type)
            {
                case Message.Read:
                    path = Absolute(path);
                    See(path);
                    answer = view.Read(path);
                    break;
                case Message.Directory:
                    path = Absolute(path);
                    See(path);
                    answer = view.List(path) is { } names ? Encoding.UTF8.GetBytes(string.Concat(names.Select(static name => name + "\0"))) : null;
                    if (answer?.Length > MostPayload)
                        throw new Refused("E2BIG");
                    break;
                case Message.GetPermissions:
                    path = Absolute(path);
                    See(path);
                    answer = view.Permissions(path) is string permissions ? Encoding.UTF8.GetBytes(permissions.Replace(',', '\0') + "\0") : null;
                    break;
                case Message.SetPermissions:
                    path = Absolute(path);
                    See(path);
                    if (!view.Exists(path))
                        throw new Refused("ENOENT");
                    var wished = string.Join(',', words[1..^1]);
                    Change(path, to => to.SetPermissions(path, wished));
                    break;
                case Message.Write:
                    var end = Array.IndexOf(payload, (byte)0);
                    if (end < 0)
                        throw new Refused("EINVAL");
                    path = Absolute(path);
                    See(path);
                    Change(path, to => to.Write(path, payload[(end + 1)..]));
                    break;
                case Message.MakeDirectory:
                    path = Absolute(path);
                    See(path);
                    Change(path, to => to.MakeDirectory(path));
                    break;
                case Message.Remove:
                    path = Absolute(path);
                    if (path == "/")
                        throw new Refused("EINVAL");
                    See(path);
                    if (!view.Exists(path) && !view.Exists(SimXenstore.ParentOf(path)))
                        throw new Refused("ENOENT");
                    Change(path, to => to.Remove(path));
                    break;
                case Message.Watch:
                    if (words.Length < 3)
                        throw new Refused("EINVAL");
                    var watched = Absolute(path);
                    if (watches.Exists(watch => watch.Path == path && watch.Token == words[1]))
                        throw new Refused("EEXIST");
                    watches.Add((path, words[1], store.Add(watched, fired => Event(Relative(fired, path, watched), words[1]))));
                    afterwards = () => Event(path, words[1]);
                    break;
                case Message.Unwatch:
                    if (words.Length < 3 || watches.FindIndex(watch => watch.Path == path && watch.Token == words[1]) is not (>= 0 and var index))
                        throw new Refused("ENOENT");
                    store.Drop(watches[index].Watch);
                    watches.RemoveAt(index);
                    break;
                case Message.ResetWatches:
                    foreach (var (_, _, watch) in watches)
                        store.Drop(watch);
                    watches.Clear();
                    break;
                case Message.TransactionStart:
                    if (transactionId != 0)
                        throw new Refused("EBUSY");
                    transactions.Add(nextTransaction, new Transaction(store.Copy()));
                    answer = Encoding.ASCII.GetBytes($"{nextTransaction++}\0");
                    break;
                case Message.TransactionEnd:
                    if (transaction is null)
                        throw new Refused("ENOENT");
                    if (path is not ("T" or "F"))
                        throw new Refused("EINVAL");
                    transactions.Remove(transactionId);
                    if (path == "T")
                        Commit(transaction);
                    break;
                case Message.GetDomainPath:
                    answer = Encoding.ASCII.GetBytes($"/local/domain/{path}\0");
                    break;
                case Message.IsDomainIntroduced:
                    answer = Encoding.ASCII.GetBytes(path == "0" || host.FindDomain(path) is not null ? "T\0" : "F\0");
                    break;
                default:
                    throw new Refused("ENOSYS");
            }
            if (answer is null)
                Refuse("ENOENT");
            else
                Send(type, request, transactionId, answer);
        }
        catch (Refused refused)
        {
            Refuse(refused.Message);
        }
        afterwards?.Invoke();

        void Refuse(string error) => Send(Message.Error, request, transactionId, Encoding.ASCII.GetBytes(error + "\0"));

        void See(string path)
        {
            if (transaction is not null && !transaction.Seen.ContainsKey(path))
                transaction.Seen.Add(path, transaction.View.GenerationOf(path));
        }

        void Change(string path, Action<SimXenstore> change)
        {
            if (transaction is null)
            {
                host.Change($"xenstore {type} {path}", () => change(store));
                return;
            }
            change(transaction.View);
            transaction.Changes.Add(change);
        }
    }

    void Commit(Transaction transaction)
    {
        foreach (var (path, generation) in transaction.Seen)
        {
            if (store.GenerationOf(path) != generation)
                throw new Refused("EAGAIN");
        }
        if (transaction.Changes.Count > 0)
        {
            host.Change("xenstore transaction", () =>
            {
                foreach (var change in transaction.Changes)
                    change(store);
            });
        }
    }

    static string Absolute(string path)
    {
        if (path.Length is 0 or > 3072 || path.Contains("//", StringComparison.Ordinal) || (path.Length > 1 && path[^1] == '/')
            || path.AsSpan().ContainsAnyExcept(Allowed))
            throw new Refused("EINVAL");
        return path[0] is '/' or '@' ? path : $"/local/domain/0/{path}";
    }

    static readonly System.Buffers.SearchValues<char> Allowed =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/_@");

    // An event names the path as the client named it.
    static string Relative(string fired, string asked, string watched) => asked == watched ? fired : asked + fired[watched.Length..];

    void Event(string path, string token) => Send(Message.WatchEvent, 0, 0, Encoding.UTF8.GetBytes($"{path}\0{token}\0"));

    void Send(Message type, uint request, uint transaction, byte[] payload)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        BinaryPrimitives.WriteUInt32LittleEndian(header, (uint)type);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], request);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], transaction);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], (uint)payload.Length);
        foreach (var b in header)
            outgoing.Enqueue(b);
        foreach (var b in payload)
            outgoing.Enqueue(b);
    }
}
