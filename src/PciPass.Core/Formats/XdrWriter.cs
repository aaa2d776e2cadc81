using System.Buffers.Binary;
using System.Text;

namespace PciPass.Core.Formats;

/// <summary>Writes values as XDR has them (RFC 4506).</summary>
public sealed class XdrWriter
{
    readonly List<byte> bytes = [];

    public byte[] ToArray() => [.. bytes];

    public XdrWriter Number(int value)
    {
        Span<byte> four = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(four, value);
        bytes.AddRange(four);
        return this;
    }

    /// <summary>Bytes of a fixed number.</summary>
    public XdrWriter Opaque(ReadOnlySpan<byte> value)
    {
        bytes.AddRange(value);
        while (bytes.Count % 4 != 0)
            bytes.Add(0);
        return this;
    }

    public XdrWriter Text(string value)
    {
        var text = Encoding.UTF8.GetBytes(value);
        return Number(text.Length).Opaque(text);
    }

    /// <summary>A text that may be absent.</summary>
    public XdrWriter OptionalText(string? value) => value is null ? Number(0) : Number(1).Text(value);
}
