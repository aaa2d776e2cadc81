using System.Buffers.Binary;
using System.Text;

namespace PciPass.Host;

/// <summary>
/// A recorded xenstore behind the protocol that the real one speaks (docs/misc/xenstore.txt), for reading: the same client runs on both.
/// </summary>
sealed class RecordedXenstore : ByteChannel
{
    const uint TypeDirectory = 1, TypeRead = 2, TransactionStart = 6, TransactionEnd = 7, Error = 16;
    const int HeaderLength = 16;

    readonly Dictionary<string, string> values = new(StringComparer.Ordinal);
    readonly Queue<byte> answers = [];

    /// <param name="dump">One <c>path = value</c> a line, as <c>xenstore-ls -f</c> prints it.</param>
    public RecordedXenstore(byte[] dump)
    {
        foreach (var line in Encoding.UTF8.GetString(dump).Split('\n'))
        {
            var at = line.IndexOf(" = ", StringComparison.Ordinal);
            if (at > 0)
                values[line[..at]] = line[(at + 3)..].Trim('"');
        }
    }

    public override void Write(ReadOnlySpan<byte> bytes)
    {
        var type = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        var path = Encoding.UTF8.GetString(bytes[HeaderLength..]).Split('\0')[0];
        switch (type)
        {
            case TypeRead when values.TryGetValue(path, out var value):
                Answer(bytes, type, value);
                break;
            case TypeDirectory when Below(path) is { Length: > 0 } names:
                Answer(bytes, type, string.Concat(names.Select(name => name + "\0")));
                break;
            case TransactionStart:
                Answer(bytes, type, "1\0");
                break;
            case TransactionEnd:
                Answer(bytes, type, "OK\0");
                break;
            default:
                Answer(bytes, Error, "ENOENT\0");
                break;
        }
    }

    string[] Below(string path) =>
    [
        .. values.Keys.Where(key => key.StartsWith(path + "/", StringComparison.Ordinal)).Select(key => key[(path.Length + 1)..].Split('/')[0]).Distinct(StringComparer.Ordinal)
            .Order(StringComparer.Ordinal),
    ];

    void Answer(ReadOnlySpan<byte> request, uint type, string text)
    {
        var payload = Encoding.UTF8.GetBytes(text);
        var header = request[..HeaderLength].ToArray();
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(12), payload.Length);
        foreach (var value in (byte[])[.. header, .. payload])
            answers.Enqueue(value);
    }

    public override int Read(Span<byte> buffer, TimeSpan deadline)
    {
        var count = 0;
        while (count < buffer.Length && answers.TryDequeue(out var value))
            buffer[count++] = value;
        return count;
    }
}
