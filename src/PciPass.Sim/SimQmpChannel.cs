using System.Text;
using System.Text.Json;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>QEMU's end of a connection to its monitor (docs/interop/qmp-spec.txt): it greets, answers each line, and sends events.</summary>
sealed class SimQmpChannel(SimHost host, SimQemu qemu, int processNumber) : ByteChannel
{
    readonly Queue<byte> outgoing = [];
    readonly List<byte> incoming = [];
    bool closed, negotiated;

    public override int? PeerProcess => qemu.ProcessId;

    public override int Read(Span<byte> buffer, TimeSpan deadline)
    {
        host.Check(processNumber);
        host.CountRead("read qmp");
        if (!host.Clock.WaitFor(() => closed || (outgoing.Count > 0 && !host.Faults.IsHung("qmp")), deadline))
            throw new DeadlinePassed("read qmp", deadline);
        var count = Math.Min(buffer.Length, outgoing.Count);
        for (var n = 0; n < count; n++)
            buffer[n] = outgoing.Dequeue();
        return count;
    }

    public override void Write(ReadOnlySpan<byte> bytes)
    {
        host.Check(processNumber);
        if (closed)
            throw new HostFailure("write", "qmp", 32 /* EPIPE */);
        incoming.AddRange(bytes);
        for (var end = incoming.IndexOf((byte)'\n'); end >= 0; end = incoming.IndexOf((byte)'\n'))
        {
            var line = Encoding.UTF8.GetString(incoming.GetRange(0, end).ToArray());
            incoming.RemoveRange(0, end + 1);
            Handle(line);
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
        qemu.Disconnect(this);
    }

    internal void Greet() => Send("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 17, \"minor\": 2, \"major\": 7}, \"package\": \"Debian 1:7.2\"}, \"capabilities\": [\"oob\"]}}");

    /// <summary>Events go to whoever has taken up the conversation.</summary>
    internal void Tell(string happened)
    {
        if (negotiated)
            Send(happened);
    }

    void Send(string line)
    {
        foreach (var b in Encoding.UTF8.GetBytes(line + "\r\n"))
            outgoing.Enqueue(b);
    }

    void Handle(string line)
    {
        using var parsed = JsonDocument.Parse(line);
        var command = parsed.RootElement.GetProperty("execute").GetString()!;
        var id = parsed.RootElement.TryGetProperty("id", out var given) ? $", \"id\": {given.GetRawText()}" : "";
        if (!negotiated && command != "qmp_capabilities")
        {
            Send($"{{\"error\": {{\"class\": \"CommandNotFound\", \"desc\": \"Expecting capabilities negotiation with 'qmp_capabilities'\"}}{id}}}");
            return;
        }
        var (kind, words, result) = ("", "", "{}");
        switch (command)
        {
            case "qmp_capabilities":
                negotiated = true;
                break;
            case "qom-list":
                result = Argument("path") == "/machine/peripheral" ? Peripherals() : "[{\"name\": \"type\", \"type\": \"string\"}]";
                break;
            case "qom-get":
                var device = qemu.Devices.FirstOrDefault(device => Argument("path") == $"/machine/peripheral/{device.Id}");
                if (Argument("property") == "hotplug" && device is null)
                    result = "true";
                else if (Argument("property") == "host" && device is not null)
                    result = $"\"{device.Address}\"";
                else
                    (kind, words) = ("GenericError", $"Property '.{Argument("property")}' not found");
                break;
            case "query-pci":
                result = PciBuses();
                break;
            case "device_add":
                host.Change($"qmp {qemu.Name} device_add {Argument("host")}", () => words = qemu.Add(Argument("id"), PciAddress.Parse(Argument("host")), Argument("bus")) ?? "");
                kind = words.Length > 0 ? "GenericError" : "";
                break;
            case "device_del":
                host.Change($"qmp {qemu.Name} device_del {Argument("id")}", () => (kind, words) = qemu.Remove(Argument("id")) ?? ("", ""));
                break;
            default:
                (kind, words) = ("CommandNotFound", $"The command {command} has not been found");
                break;
        }
        Send(kind.Length > 0 ? $"{{\"error\": {{\"class\": \"{kind}\", \"desc\": {Quoted(words)}}}{id}}}" : $"{{\"return\": {result}{id}}}");

        string Argument(string name) => parsed.RootElement.TryGetProperty("arguments", out var arguments) && arguments.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "";
    }

    static string Quoted(string text) => $"\"{JsonEncodedText.Encode(text)}\"";

    IEnumerable<string> Ports => Enumerable.Range(1, qemu.Plan.Ports).Select(port => $"port{port}");

    string Peripherals() =>
        $"[{string.Join(", ", Ports.Select(port => $"{{\"name\": \"{port}\", \"type\": \"child<pcie-root-port>\"}}").Append("{\"name\": \"type\", \"type\": \"string\"}")
            .Concat(qemu.Devices.Select(device => $"{{\"name\": \"{device.Id}\", \"type\": \"child<vfio-pci>\"}}")))}]";

    string PciBuses()
    {
        var devices = Ports.Select((port, number) =>
        {
            var below = qemu.Devices.Where(device => device.Port == port)
                .Select(device => $"{{\"bus\": {number + 1}, \"slot\": 0, \"function\": 0, \"class_info\": {{\"class\": 512}}, \"id\": {{\"device\": 4307, \"vendor\": 32902}}, \"qdev_id\": \"{device.Id}\", \"regions\": []}}");
            return $"{{\"bus\": 0, \"slot\": {number + 4}, \"function\": 0, \"class_info\": {{\"class\": 1540}}, \"id\": {{\"device\": 12, \"vendor\": 6966}}, \"qdev_id\": \"{port}\", \"regions\": [], "
                + $"\"pci_bridge\": {{\"bus\": {{\"number\": 0, \"secondary\": {number + 1}, \"subordinate\": {number + 1}}}, \"devices\": [{string.Join(", ", below)}]}}}}";
        });
        const string HostBridge = "{\"bus\": 0, \"slot\": 0, \"function\": 0, \"class_info\": {\"class\": 1536}, \"id\": {\"device\": 10688, \"vendor\": 32902}, \"qdev_id\": \"\", \"regions\": []}";
        return $"[{{\"bus\": 0, \"devices\": [{string.Join(", ", devices.Prepend(HostBridge))}]}}]";
    }
}
