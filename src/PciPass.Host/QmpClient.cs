using System.Text;
using System.Text.Json;

namespace PciPass.Host;

/// <summary>QEMU refused a command: its class and its words.</summary>
public sealed class QmpRefusal(string command, string kind, string words) : HostFailure($"QEMU refused {command}: {words}")
{
    public string Kind => kind;
    public string Words => words;
}

/// <summary>An event that QEMU sent by itself.</summary>
/// <param name="Name"><c>DEVICE_DELETED</c>.</param>
/// <param name="Data">What came with it; an undefined element when nothing did.</param>
public sealed record QmpEvent(string Name, JsonElement Data)
{
    /// <summary>A text of the data; null when there is none of this name.</summary>
    public string? Text(string name) => Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

/// <summary>
/// A client of the QEMU Machine Protocol (docs/interop/qmp-spec.txt): one JSON object a line, a greeting, answers in order, and events
/// between them.
/// </summary>
public sealed class QmpClient : IDisposable
{
    /// <summary>Longer lines are no answer to anything that is asked here.</summary>
    const int MostBytes = 16 * 1024 * 1024;

    readonly ByteChannel channel;
    readonly TimeProvider clock;
    readonly TimeSpan deadline;
    readonly Queue<QmpEvent> events = [];
    readonly List<byte> incoming = [];
    int number;

    /// <summary>Waits for the greeting and takes up the conversation. A monitor serves one client at a time: a second one gets no greeting.</summary>
    /// <exception cref="DeadlinePassed">There was none in time.</exception>
    public QmpClient(ByteChannel channel, TimeProvider clock, TimeSpan deadline)
    {
        (this.channel, this.clock, this.deadline) = (channel, clock, deadline);
        try
        {
            if (!Receive(clock.GetTimestamp(), deadline).TryGetProperty("QMP", out _))
                throw new HostFailure("what answers there is no QEMU monitor that speaks QMP");
            Execute("qmp_capabilities");
        }
        catch
        {
            channel.Dispose();
            throw;
        }
    }

    /// <summary>Runs a command.</summary>
    /// <param name="command">Its name.</param>
    /// <param name="arguments">Its arguments, all of them texts.</param>
    /// <exception cref="QmpRefusal">QEMU refused it.</exception>
    public JsonElement Execute(string command, params ReadOnlySpan<(string Name, string Value)> arguments) => ExecuteWithin(deadline, command, arguments);

    /// <summary>Runs a command that may take its time.</summary>
    /// <inheritdoc cref="Execute"/>
    /// <param name="limit">How long it may take.</param>
    /// <param name="command">Its name.</param>
    /// <param name="arguments">Its arguments, all of them texts.</param>
    public JsonElement ExecuteWithin(TimeSpan limit, string command, params ReadOnlySpan<(string Name, string Value)> arguments)
    {
        var id = $"pcipass-{++number}";
        using var text = new MemoryStream();
        using (var writer = new Utf8JsonWriter(text))
        {
            writer.WriteStartObject();
            writer.WriteString("execute", command);
            if (arguments.Length > 0)
            {
                writer.WriteStartObject("arguments");
                foreach (var (name, value) in arguments)
                    writer.WriteString(name, value);
                writer.WriteEndObject();
            }
            writer.WriteString("id", id);
            writer.WriteEndObject();
        }
        text.WriteByte((byte)'\n');
        channel.Write(text.ToArray());
        for (var start = clock.GetTimestamp(); ;)
        {
            var answer = Receive(start, limit);
            if (TakeEvent(answer) || !answer.TryGetProperty("id", out var whose) || whose.ValueKind != JsonValueKind.String || whose.GetString() != id)
                continue;
            if (answer.TryGetProperty("return", out var result))
                return result;
            if (answer.TryGetProperty("error", out var error) && error.ValueKind == JsonValueKind.Object)
                throw new QmpRefusal(command, Text(error, "class"), Text(error, "desc"));
            throw new HostFailure($"QEMU answered {command} with neither a result nor an error");
        }

        static string Text(JsonElement error, string name) => error.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()!.Trim().ReplaceLineEndings(" ") : "?";
    }

    /// <summary>Waits for an event.</summary>
    /// <param name="wanted">Which one.</param>
    /// <param name="limit">How long.</param>
    /// <exception cref="DeadlinePassed">It did not come.</exception>
    public QmpEvent WaitFor(Func<QmpEvent, bool> wanted, TimeSpan limit)
    {
        for (var start = clock.GetTimestamp(); ;)
        {
            while (events.TryDequeue(out var happened))
            {
                if (wanted(happened))
                    return happened;
            }
            TakeEvent(Receive(start, limit));
        }
    }

    public void Dispose() => channel.Dispose();

    bool TakeEvent(JsonElement line)
    {
        if (!line.TryGetProperty("event", out var name) || name.ValueKind != JsonValueKind.String)
            return false;
        events.Enqueue(new QmpEvent(name.GetString()!, line.TryGetProperty("data", out var data) ? data : default));
        return true;
    }

    JsonElement Receive(long start, TimeSpan limit)
    {
        var buffer = new byte[16 * 1024];
        for (; ; )
        {
            var end = incoming.IndexOf((byte)'\n');
            if (end >= 0)
            {
                var line = incoming.GetRange(0, end).ToArray();
                incoming.RemoveRange(0, end + 1);
                if (line.AsSpan().Trim(" \r\t"u8).IsEmpty)
                    continue;
                return Parse(line);
            }
            var left = limit - clock.GetElapsedTime(start);
            if (left <= TimeSpan.Zero)
                throw new DeadlinePassed("QEMU's monitor", limit);
            var count = channel.Read(buffer, left);
            if (count == 0)
                throw new HostFailure("QEMU's monitor closed the connection");
            if (incoming.Count + count > MostBytes)
                throw new HostFailure("QEMU's monitor sent a line without an end");
            incoming.AddRange(buffer.AsSpan(0, count));
        }
    }

    /// <summary>Half a surrogate pair is found only when a text is looked at; here and not later.</summary>
    static void Check(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                    Check(item);
                break;
            case JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                {
                    _ = member.Name;
                    Check(member.Value);
                }
                break;
        }
    }

    static JsonElement Parse(byte[] line)
    {
        try
        {
            using var parsed = JsonDocument.Parse(line);
            if (parsed.RootElement.ValueKind == JsonValueKind.Object)
            {
                Check(parsed.RootElement);
                return parsed.RootElement.Clone();
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // Told below, with what came.
        }
        throw new HostFailure($"QEMU's monitor sent what is no JSON object: {Encoding.ASCII.GetString(line.AsSpan(0, Math.Min(line.Length, 60)))}");
    }
}
