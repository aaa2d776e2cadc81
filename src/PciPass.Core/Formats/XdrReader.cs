using System.Buffers.Binary;
using System.Text;

namespace PciPass.Core.Formats;

/// <summary>Reads values that are written as XDR has them: in units of four bytes, big-endian (RFC 4506). Every length is checked before it is believed.</summary>
public ref struct XdrReader(ReadOnlySpan<byte> bytes)
{
    static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    ReadOnlySpan<byte> rest = bytes;

    /// <summary>Whether nothing is left.</summary>
    public readonly bool IsAtEnd => rest.IsEmpty;

    /// <exception cref="FormatException">The bytes end before.</exception>
    public int Number() => BinaryPrimitives.ReadInt32BigEndian(Take(4));

    /// <summary>The number of what follows.</summary>
    /// <param name="most">More are not believed.</param>
    /// <exception cref="FormatException">The bytes end before, or it is more.</exception>
    public int Count(int most) => BinaryPrimitives.ReadUInt32BigEndian(Take(4)) is var count && count <= most ? (int)count : throw new FormatException($"a length of {count} where no more than {most} can be");

    /// <summary>Bytes of a fixed number.</summary>
    /// <exception cref="FormatException">The bytes end before.</exception>
    public ReadOnlySpan<byte> Opaque(int length)
    {
        var value = Take(length);
        _ = Take(-length & 3);
        return value;
    }

    /// <summary>A text in UTF-8.</summary>
    /// <param name="most">Longer ones are not believed.</param>
    /// <exception cref="FormatException">The bytes end before, it is longer, or no UTF-8.</exception>
    public string Text(int most)
    {
        try
        {
            return Strict.GetString(Opaque(Count(most)));
        }
        catch (DecoderFallbackException error)
        {
            throw new FormatException("a text that is no UTF-8", error);
        }
    }

    /// <summary>A text that may be absent: null then.</summary>
    /// <inheritdoc cref="Text"/>
    public string? OptionalText(int most) => Number() == 0 ? null : Text(most);

    ReadOnlySpan<byte> Take(int length)
    {
        if (length > rest.Length)
            throw new FormatException($"{length} bytes are needed where {rest.Length} are left");
        var taken = rest[..length];
        rest = rest[length..];
        return taken;
    }
}
