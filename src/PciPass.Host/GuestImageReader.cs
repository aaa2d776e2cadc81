using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Looks at a saved guest's image and the record beside it.</summary>
public static class GuestImageReader
{
    /// <summary>What an image of xl begins with (tools/xl/xl.h, struct save_file_header).</summary>
    static ReadOnlySpan<byte> Magic => "Xen saved domain, xl format\n \0 \r"u8;

    const int HeaderSize = 48;
    const uint ByteOrder = 0x01020304, WithJson = 2;

    /// <param name="files">The host's files.</param>
    /// <param name="path">An absolute path.</param>
    public static GuestImage Read(SysTree files, string path)
    {
        var image = new GuestImage(path);
        image = image with
        {
            HasFolder = files.Exists(path[..Math.Max(1, path.LastIndexOf('/'))]),
            Existing = [.. ((string[])[path, image.RecordPath]).Where(files.Exists)],
        };
        try
        {
            return ReadRecord(files, image);
        }
        catch (HostFailure failure)
        {
            return image with { Fault = failure.Message };
        }
    }

    /// <summary>Adds how much will be written there of a guest, and whether there is room for it.</summary>
    /// <param name="host">The host.</param>
    /// <param name="image">Where it would be written.</param>
    /// <param name="guest">Null where none of that name runs. libvirt leaves out the pages of a guest of QEMU that hold nothing, so how much that is nobody knows.</param>
    public static GuestImage Sized(HostSystem host, GuestImage image, Guest? guest) =>
        guest?.Start.Toolstack == Toolstack.Xen ? image with { Size = XenReader.MemoryOf(host, guest.Start), Room = host.Files.Room(image.Path) } : image;

    static GuestImage ReadRecord(SysTree files, GuestImage image)
    {
        foreach (var path in image.Existing)
        {
            if (files.ReadLink(path) is string target)
                return image with { Fault = $"{path} is a symbolic link to {target}, and is not followed" };
        }
        if (!image.Existing.Contains(image.Path))
            return image with { Fault = $"{image.Path} is not there" };
        if (!image.Existing.Contains(image.RecordPath))
            return image with { Fault = $"{image.RecordPath} is not there: pcipass did not save it, or did not come to its end" };
        SavedGuest record;
        try
        {
            record = SavedGuest.Parse(files.ReadText(image.RecordPath) ?? "");
        }
        catch (FormatException error)
        {
            return image with { Fault = $"{image.RecordPath}: {error.Message}" };
        }
        image = image with { Record = record };
        var bytes = new byte[1 << 20];
        var start = bytes.AsSpan(0, files.Read(image.Path, bytes));
        string? name;
        if (LibvirtImage.Parse(start) is LibvirtImage libvirts)
        {
            image = image with { Toolstack = Toolstack.Libvirt, FreePorts = libvirts.Xml.FreePorts };
            name = libvirts.Xml.Name;
            if (!libvirts.IsWhole)
                return image with { Fault = $"{image.Path} is not whole: libvirt did not come to its end" };
        }
        else if ((name = NameIn(start)) is null)
        {
            return image with { Fault = $"{image.Path} is no image that xl or libvirt wrote" };
        }
        if (name != record.Guest.ToString())
            return image with { Fault = $"{image.Path} is of guest {name}, and the record beside it of {record.Guest}" };
        var isXen = XenReader.ReadHypervisor(files) == Hypervisor.XenDom0;
        return isXen == (image.Toolstack == Toolstack.Xen) ? image
            : image with { Fault = $"{image.Path} is of {(isXen ? "a guest of QEMU" : "a guest of Xen")}, and this host runs {(isXen ? "Xen" : "no Xen")}" };
    }

    /// <summary>The guest's name in an image: libxl's configuration of it stands in front, as JSON with its length. Null when that is not so.</summary>
    static string? NameIn(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderSize + 4 || !bytes.StartsWith(Magic) || Number(bytes, 32) != ByteOrder || (Number(bytes, 36) & WithJson) == 0)
            return null;
        var length = Number(bytes, HeaderSize);
        if (length > bytes.Length - HeaderSize - 4 || Number(bytes, 44) < length)
            return null;
        try
        {
            using var record = JsonDocument.Parse(Encoding.UTF8.GetString(bytes.Slice(HeaderSize + 4, (int)length)).TrimEnd('\0', '\n'));
            return record.RootElement.ValueKind == JsonValueKind.Object && record.RootElement.TryGetProperty("c_info", out var created) && created.ValueKind == JsonValueKind.Object
                && created.TryGetProperty("name", out var name) && name.ValueKind == JsonValueKind.String ? name.GetString() : null;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException) // half a surrogate pair
        {
            return null;
        }

        static uint Number(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
    }
}
