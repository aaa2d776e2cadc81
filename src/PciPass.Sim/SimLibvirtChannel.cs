using System.Security.Cryptography;
using System.Text;
using PciPass.Core.Formats;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>libvirtd's end of a connection: it answers each call, and sends what was asked to be told (src/remote/remote_protocol.x).</summary>
sealed class SimLibvirtChannel(SimHost host, SimLibvirt libvirt, int processNumber) : ByteChannel
{
    const int Program = 0x20008086, KeepAlive = 0x6b656570;
    const int Open = 1, GetXml = 14, LookUpByName = 23, Resume = 28, Restore = 54, Save = 55, ListAuthentication = 66, AttachDevice = 160, DetachDevice = 161, GetJob = 163, GetState = 212, ListAll = 273, RegisterCallback = 316, DeviceRemoved = 333, Migrate = 305, DeviceRemovalFailed = 367;

    readonly Queue<byte> outgoing = [];
    readonly List<byte> incoming = [];
    readonly List<(int Event, string Guest)> callbacks = [];
    bool closed, authenticated, opened;

    public override int Read(Span<byte> buffer, TimeSpan deadline)
    {
        host.Check(processNumber);
        host.CountRead("read libvirt");
        if (!host.Clock.WaitFor(() => closed || (outgoing.Count > 0 && !host.Faults.IsHung("libvirt")), deadline))
            throw new DeadlinePassed("read libvirt", deadline);
        var count = Math.Min(buffer.Length, outgoing.Count);
        for (var n = 0; n < count; n++)
            buffer[n] = outgoing.Dequeue();
        return count;
    }

    public override void Write(ReadOnlySpan<byte> bytes)
    {
        host.Check(processNumber);
        if (closed)
            throw new HostFailure("write", "libvirt", 32 /* EPIPE */);
        incoming.AddRange(bytes);
        while (incoming.Count >= 4 && new XdrReader(incoming.GetRange(0, 4).ToArray()).Number() is var length && incoming.Count >= length)
        {
            var message = incoming.GetRange(0, length).ToArray();
            incoming.RemoveRange(0, length);
            Handle(new XdrReader(message.AsSpan(4)));
        }
    }

    protected override void Dispose(bool disposing)
    {
        Close();
        base.Dispose(disposing);
    }

    internal void Close()
    {
        if (closed)
            return;
        closed = true;
        libvirt.Disconnect(this);
    }

    internal void Tell(string guest, int procedure, string alias)
    {
        foreach (var (number, callback) in callbacks.Index())
        {
            if (callback.Guest == guest && callback.Event == (procedure == DeviceRemoved ? 15 : 22))
                Send(procedure, type: 2, serial: 0, status: 0, Domain(new XdrWriter().Number(number), guest).Text(alias));
        }
    }

    void Handle(XdrReader message)
    {
        var (program, _, procedure, _, serial, _) = (message.Number(), message.Number(), message.Number(), message.Number(), message.Number(), message.Number());
        if (program != Program)
            return;
        var answer = new XdrWriter();
        SimLibvirt.Refusal? refusal = null;
        switch (procedure)
        {
            case ListAuthentication:
                authenticated = true;
                answer.Number(1).Number(0);
                break;
            case not Open when !opened:
            case Open when !authenticated:
                refusal = new SimLibvirt.Refusal(45, "authentication failed: authentication required");
                break;
            case Open:
                opened = true;
                // As to a client that has said that it knows them.
                Send(1, type: 2, serial: 0, status: 0, new XdrWriter(), KeepAlive);
                break;
            case ListAll:
                _ = message.Number();
                string[] names = message.Number() == 1 ? [.. libvirt.RunningNames] : [.. libvirt.Defined];
                answer.Number(names.Length);
                foreach (var each in names)
                    Domain(answer, each);
                answer.Number(names.Length);
                break;
            case LookUpByName:
                var wanted = message.Text(1024);
                if (libvirt.NumberOf(wanted) is null && libvirt.Definition(wanted) is null)
                    refusal = NotFound(wanted);
                else
                    Domain(answer, wanted);
                break;
            case GetXml:
                var described = ReadDomain(ref message);
                var asDefined = (message.Number() & 2) != 0;
                if ((asDefined ? libvirt.Definition(described) : libvirt.LiveXml(described) ?? libvirt.Definition(described)) is string xml)
                    answer.Text(xml);
                else
                    refusal = NotFound(described);
                break;
            case AttachDevice or DetachDevice:
                refusal = Change(procedure == AttachDevice, ReadDomain(ref message), message.Text(65536), message.Number());
                break;
            case Save:
                refusal = libvirt.Save(ReadDomain(ref message), message.Text(4096));
                break;
            case Migrate:
                var moved = ReadDomain(ref message);
                refusal = message.OptionalText(1024) is string uri ? libvirt.Move(moved, uri) : new SimLibvirt.Refusal(SimLibvirt.InternalError, "no destination");
                answer.Number(0);
                break;
            case GetJob:
                answer.Number(libvirt.JobOf(ReadDomain(ref message)));
                // Times and amounts, each of 64 bits.
                for (var word = 0; word < 22; word++)
                    answer.Number(0);
                break;
            case Restore:
                refusal = libvirt.Start(message.Text(4096));
                break;
            case GetState:
                var (state, reason) = libvirt.StateOf(ReadDomain(ref message)) ?? (5, 0);
                answer.Number(state).Number(reason);
                break;
            case Resume:
                if (libvirt.StateOf(ReadDomain(ref message))?.State != 1)
                    refusal = new SimLibvirt.Refusal(SimLibvirt.InvalidOperation, "Requested operation is not valid: domain is not running");
                break;
            case RegisterCallback:
                var happening = message.Number();
                _ = message.Number();
                var callback = (happening, ReadDomain(ref message));
                if (callbacks.Contains(callback))
                    refusal = new SimLibvirt.Refusal(8, "invalid argument: event callback already tracked");
                else
                    callbacks.Add(callback);
                answer.Number(callbacks.Count - 1);
                break;
            default:
                refusal = new SimLibvirt.Refusal(39, $"unknown procedure: {procedure}");
                break;
        }
        Send(procedure, type: 1, serial, refusal is null ? 0 : 1, refusal is null ? answer
            : new XdrWriter().Number(refusal.Code).Number(10).OptionalText(refusal.Words).Number(2).Number(0).OptionalText(refusal.Words).OptionalText(null).OptionalText(null).Number(0).Number(0).Number(0));
    }

    SimLibvirt.Refusal? Change(bool attach, string guest, string element, int half)
    {
        SimLibvirt.Refusal? refusal = null;
        var words = $"libvirt {(attach ? "attach" : "detach")} {guest} {SimLibvirt.Read(element)?.Address} {(half == 1 ? "live" : "config")}";
        if (half == 1)
            return libvirt.ChangeLive(words, attach, guest, element);
        if (libvirt.Definition(guest) is null)
            return new SimLibvirt.Refusal(SimLibvirt.InvalidOperation, "Requested operation is not valid: cannot modify the persistent configuration of a transient domain");
        host.Change(words, () => refusal = attach ? libvirt.AttachConfig(guest, element) : libvirt.DetachConfig(guest, element));
        return refusal;
    }

    static SimLibvirt.Refusal NotFound(string name) => new(SimLibvirt.NoDomain, $"Domain not found: no domain with matching name '{name}'");

    static string ReadDomain(ref XdrReader message)
    {
        var name = message.Text(1024);
        _ = message.Opaque(16);
        _ = message.Number();
        return name;
    }

    XdrWriter Domain(XdrWriter answer, string name) =>
        answer.Text(name).Opaque(SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, 16)).Number(libvirt.NumberOf(name) ?? -1);

    void Send(int procedure, int type, int serial, int status, XdrWriter values, int program = Program)
    {
        var payload = values.ToArray();
        foreach (var each in new XdrWriter().Number(28 + payload.Length).Number(program).Number(1).Number(procedure).Number(type).Number(serial).Number(status).Opaque(payload).ToArray())
            outgoing.Enqueue(each);
    }
}
