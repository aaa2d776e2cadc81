using System.Buffers;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads the names of a host's vendors and devices from the list that the distribution installs.</summary>
public static class PciIdsReader
{
    static readonly string[] Paths = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"];

    /// <summary>Read in pieces that stay in the processor's cache: the whole list (1.3 MiB) would touch 330 pages of memory for thirty names.</summary>
    const int Piece = 128 * 1024;

    /// <summary>The names of these ids, and the list's path; none, and null, where there is no list.</summary>
    public static (PciIdsFile Names, string? Path) Read(SysTree files, IEnumerable<PciIds> wanted)
    {
        var names = new PciIdsFile(wanted);
        foreach (var path in Paths)
        {
            if (files.OpenFile(path) is not Stream list)
                continue;
            using (list)
                Read(list, names);
            return (names, path);
        }
        return (names, null);
    }

    /// <summary>A line longer than a piece counts as several.</summary>
    internal static void Read(Stream list, PciIdsFile names)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Piece);
        for (var (kept, goesOn) = (0, true); goesOn;)
        {
            var got = list.Read(buffer.AsSpan(kept));
            var bytes = buffer.AsSpan(0, kept + got);
            // The last line goes on in the next piece, where there is one.
            var end = got == 0 ? bytes.Length : bytes.LastIndexOf((byte)'\n') + 1;
            if (end == 0 && bytes.Length == buffer.Length)
                end = bytes.Length;
            goesOn = names.Read(bytes[..end]) && got > 0;
            bytes[end..].CopyTo(buffer);
            kept = bytes.Length - end;
        }
        ArrayPool<byte>.Shared.Return(buffer);
    }
}
