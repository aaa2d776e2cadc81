using System.Buffers.Binary;
using System.Text;

namespace PciPass.Core.Formats;

/// <summary>
/// The head of an image that libvirt's driver for QEMU wrote (src/qemu/qemu_saveimage.h, struct _virQEMUSaveHeader): a magic that is put in
/// last, when all behind it has been flushed, and the guest's XML.
/// </summary>
/// <param name="IsWhole">Whether libvirt came to its end; else the magic is another.</param>
/// <param name="Xml">The guest as it ran.</param>
public sealed record LibvirtImage(bool IsWhole, DomainXml Xml)
{
    const int HeaderBytes = 92, VersionAt = 16, LengthAt = 20, NewestVersion = 2;

    static ReadOnlySpan<byte> Whole => "LibvirtQemudSave"u8;
    static ReadOnlySpan<byte> Partial => "LibvirtQemudPart"u8;

    /// <param name="start">The file's first bytes, as many as hold the XML.</param>
    /// <returns>Null when it is no such image.</returns>
    public static LibvirtImage? Parse(ReadOnlySpan<byte> start)
    {
        if (start.Length < HeaderBytes || !(start.StartsWith(Whole) || start.StartsWith(Partial)))
            return null;
        var (version, length) = (BinaryPrimitives.ReadUInt32LittleEndian(start[VersionAt..]), BinaryPrimitives.ReadUInt32LittleEndian(start[LengthAt..]));
        if (version is 0 or > NewestVersion)
            return null;
        // Behind the XML's end are a cookie and room for more XML, which need not be in these bytes.
        var data = start.Slice(HeaderBytes, (int)Math.Min(length, start.Length - HeaderBytes));
        if (data.IndexOf((byte)0) is not (> 0 and var end))
            return null;
        var xml = DomainXml.Parse(Encoding.UTF8.GetString(data[..end]));
        return xml.Problem is null && xml.Name is not null ? new LibvirtImage(start.StartsWith(Whole), xml) : null;
    }
}
