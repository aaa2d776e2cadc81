using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace PciPass.Sim;

/// <summary>
/// A guest's image as xl writes it: its header (tools/xl/xl.h, struct save_file_header), libxl's configuration as JSON with its length, and
/// the guest's memory; of that, only what decides whether it survives.
/// </summary>
sealed record SimImage(string Name, string Uuid, bool HasHadPin, bool IsWhole)
{
    static ReadOnlySpan<byte> Magic => "Xen saved domain, xl format\n \0 \r"u8;

    const string Pin = "memory with an interrupt registered\n", NoPin = "memory\n";

    public static byte[] Write(string configuration, bool hasHadPin)
    {
        byte[] json = [.. Encoding.UTF8.GetBytes(configuration), 0];
        var header = new byte[20];
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0x01020304);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(4), 3);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(12), (uint)json.Length + 4);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(16), (uint)json.Length);
        return [.. Magic, .. header, .. json, .. Encoding.UTF8.GetBytes(hasHadPin ? Pin : NoPin)];
    }

    /// <returns>Null when it is no image.</returns>
    public static SimImage? Read(byte[] bytes)
    {
        if (bytes.Length < 52 || !bytes.AsSpan(0, Magic.Length).SequenceEqual(Magic))
            return null;
        var length = (int)BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(48));
        if (52 + length > bytes.Length)
            return null;
        using var json = JsonDocument.Parse(Encoding.UTF8.GetString(bytes, 52, length).TrimEnd('\0'));
        var created = json.RootElement.GetProperty("c_info");
        var memory = Encoding.UTF8.GetString(bytes, 52 + length, bytes.Length - 52 - length);
        return new SimImage(created.GetProperty("name").GetString()!, created.GetProperty("uuid").GetString()!, memory == Pin, memory is Pin or NoPin);
    }
}
