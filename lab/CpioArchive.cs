using System.Globalization;
using System.Text;

namespace PciPass.Lab;

/// <summary>
/// Writes a cpio archive in the "newc" format, the one that Linux unpacks at boot (Documentation/driver-api/early-userspace/buffer-format.rst).
/// Linux takes several of them one behind the other; a later file replaces an earlier one.
/// </summary>
public static class CpioArchive
{
    const int Folder = 0x4000;
    const int Regular = 0x8000;

    /// <summary>Appends an archive with these files and the folders above them.</summary>
    public static void Append(Stream stream, IEnumerable<MachineFile> files)
    {
        var inode = 0;
        var folders = new HashSet<string>(StringComparer.Ordinal);
        foreach (var file in files)
        {
            for (var slash = file.Path.IndexOf('/', 1); slash > 0; slash = file.Path.IndexOf('/', slash + 1))
            {
                if (folders.Add(file.Path[..slash]))
                {
                    Entry(stream, ++inode, file.Path[1..slash], Folder | (int)MachineFile.Program, []);
                }
            }
            Entry(stream, ++inode, file.Path[1..], Regular | (int)file.Mode, file.Content.Span);
        }
        Entry(stream, 0, "TRAILER!!!", 0, []);
    }

    static void Entry(Stream stream, int inode, string name, int mode, ReadOnlySpan<byte> content)
    {
        var nameBytes = Encoding.UTF8.GetBytes(name + '\0');
        // Magic; then inode, mode, uid, gid, links, time, size, four device numbers, length of the name, checksum: eight hexadecimal digits each.
        int[] fields = [inode, mode, 0, 0, 1, 0, content.Length, 0, 0, 0, 0, nameBytes.Length, 0];
        stream.Write("070701"u8);
        foreach (var field in fields)
        {
            stream.Write(Encoding.ASCII.GetBytes(field.ToString("x8", CultureInfo.InvariantCulture)));
        }
        stream.Write(nameBytes);
        Pad(stream, 110 + nameBytes.Length);
        stream.Write(content);
        Pad(stream, content.Length);
    }

    /// <summary>Names and contents end at a multiple of four.</summary>
    static void Pad(Stream stream, int length) => stream.Write(new byte[-length & 3]);
}
