using System.Globalization;
using System.IO.Compression;
using System.Text;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>
/// Looks into an initramfs: archives of the form newc, one behind the other, the last of which is compressed as a rule; those before it
/// hold microcode, and of newer initramfs-tools the modules. gzip is undone here, all else by the program that made it, which a host whose
/// images are so compressed has.
/// </summary>
/// <remarks>Linux: Documentation/driver-api/early-userspace/buffer-format.rst, init/initramfs.c, lib/decompress.c.</remarks>
public static class ImageReader
{
    const int MostNames = 500_000, MostFile = 1 << 20, MostName = 4096;
    const long MostBytes = 4L << 30;
    static readonly TimeSpan Deadline = TimeSpan.FromSeconds(120);

    /// <summary>The files whose content says what is loaded; all others are kept by name.</summary>
    static readonly string[] Telling = ["/etc/modprobe", "/lib/modprobe.d/", "/run/modprobe.d/", "/conf/", "/etc/cmdline.d/", "/etc/pcipass/", "/config", "/etc/modules-load.d/", "/scripts/init-top/ORDER"];

    static readonly (byte[] Mark, string Name, string[] Command)[] Forms =
    [
        ([0x1f, 0x8b], "gzip", []),
        ([0x28, 0xb5, 0x2f, 0xfd], "zstd", ["zstd", "-dcq"]),
        ([0xfd, 0x37, 0x7a, 0x58, 0x5a], "xz", ["xz", "-dcq"]),
        ([0x5d, 0x00, 0x00], "lzma", ["xz", "-dcq", "--format=lzma"]),
        ([0x02, 0x21, 0x4c, 0x18], "lz4", ["lz4", "-dcq"]),
        ([0x89, 0x4c, 0x5a, 0x4f], "lzop", ["lzop", "-dcq"]),
        ([0x42, 0x5a, 0x68], "bzip2", ["bzip2", "-dcq"]),
    ];

    /// <summary>Reads an image; null when there is none. What cannot be read is told in it.</summary>
    public static BootImage? Read(HostSystem host, string path)
    {
        var image = new BootImage { Path = path };
        try
        {
            using var file = host.Files.OpenFile(path);
            if (file is null)
                return null;
            var found = new Found();
            var (form, why) = ReadParts(host, new Source(file), found);
            return image.With(found.Names, found.Files) with { Compression = form, Unread = why is null ? null : $"{path}: {why}" };
        }
        catch (HostFailure failure)
        {
            return image with { Unread = failure.Message };
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            return image with { Unread = $"{path}: {error.Message}" };
        }
    }

    sealed class Found
    {
        public HashSet<string> Names { get; } = new(StringComparer.Ordinal);
        public Dictionary<string, FileContent> Files { get; } = new(StringComparer.Ordinal);
        public bool HasEnded { get; set; }
    }

    static (string Form, string? Why) ReadParts(HostSystem host, Source source, Found found)
    {
        ReadArchives(source, found);
        if (source.Peek(6) is not { Length: > 2 } start)
            return ("none", found.HasEnded ? null : "it holds no archive");
        if (Forms.FirstOrDefault(form => start.AsSpan().StartsWith(form.Mark)) is not { Name: string name } known)
            return ("none", $"it goes on with {Convert.ToHexStringLower(start)}, which is no archive and no compression that is known");
        found.HasEnded = false;
        try
        {
            if (known.Command.Length == 0)
            {
                using var unpacked = new GZipStream(source, CompressionMode.Decompress);
                ReadArchives(new Source(unpacked), found);
            }
            else
            {
                host.Filter(known.Command[0], known.Command[1..], source, output => ReadArchives(new Source(output), found), Deadline);
            }
        }
        catch (Exception error) when (error is HostFailure or InvalidDataException or IOException && found.HasEnded)
        {
            // What stands behind the last archive is no archive: padding, as a rule.
        }
        catch (Exception error) when (error is HostFailure or InvalidDataException or IOException)
        {
            return (name, $"its main part is compressed by {name}, and could not be read: {error.Message}");
        }
        return (name, found.HasEnded ? null : $"its main part, compressed by {name}, ends in the middle");
    }

    /// <summary>Reads archives until something else follows, or nothing.</summary>
    static void ReadArchives(Source source, Found found)
    {
        Span<byte> header = stackalloc byte[110];
        while (true)
        {
            // The kernel passes over zeros between archives.
            while (source.Peek(1) is [0])
                source.Skip(1);
            if (source.Peek(6) is not { Length: 6 } magic || !(magic.AsSpan().SequenceEqual("070701"u8) || magic.AsSpan().SequenceEqual("070702"u8)))
                return;
            found.HasEnded = false;
            while (ReadEntry(source, found, header))
            {
            }
            found.HasEnded = true;
        }
    }

    static bool ReadEntry(Source source, Found found, Span<byte> header)
    {
        source.ReadExactly(header);
        if (!header.StartsWith("07070"u8))
            throw new InvalidDataException("an entry of the archive does not begin as it should");
        var (size, length) = (Field(header, 6), Field(header, 11));
        if (length is 0 or > MostName || source.Taken + size > MostBytes || found.Names.Count >= MostNames)
            throw new InvalidDataException("an entry of the archive is larger than any is");
        var bytes = new byte[length];
        source.ReadExactly(bytes);
        source.Skip(-(110 + length) & 3);
        var name = Encoding.Latin1.GetString(bytes, 0, (int)length - 1);
        if (name == "TRAILER!!!")
            return false;
        var path = Normal(name);
        found.Names.Add(path);
        if (size is > 0 and <= MostFile && (Field(header, 1) & 0xf000) == 0x8000 && Telling.Any(each => path.StartsWith(each, StringComparison.Ordinal)))
        {
            var content = new byte[size];
            source.ReadExactly(content);
            found.Files[path] = new FileContent(content);
        }
        else
        {
            source.Skip(size);
        }
        source.Skip(-size & 3);
        return true;
    }

    /// <summary>/usr/lib and /lib, /usr/sbin and /sbin are one in an image, by links.</summary>
    static string Normal(string name)
    {
        var path = name.StartsWith("./", StringComparison.Ordinal) ? name[2..] : name.TrimStart('/');
        return $"/{(path.StartsWith("usr/", StringComparison.Ordinal) ? path[4..] : path)}";
    }

    static long Field(ReadOnlySpan<byte> header, int number) => long.TryParse(header.Slice(6 + (8 * number), 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
        ? value : throw new InvalidDataException("an entry of the archive has a number that is none");

    /// <summary>A stream of which a few bytes can be looked at before they are taken.</summary>
    sealed class Source(Stream inner) : Stream
    {
        readonly byte[] ahead = new byte[8];
        int count;

        /// <summary>How many bytes were taken.</summary>
        public long Taken { get; private set; }

        /// <summary>Up to eight bytes that come next; fewer at the end.</summary>
        public byte[] Peek(int most)
        {
            while (count < most && inner.Read(ahead, count, most - count) is > 0 and var more)
                count += more;
            return ahead[..Math.Min(count, most)];
        }

        public void Skip(long length)
        {
            Span<byte> waste = stackalloc byte[4096];
            while (length > 0)
            {
                var part = waste[..(int)Math.Min(length, waste.Length)];
                ReadExactly(part);
                length -= part.Length;
            }
        }

        public override int Read(byte[] buffer, int offset, int length) => Read(buffer.AsSpan(offset, length));

        public override int Read(Span<byte> buffer)
        {
            if (count == 0)
            {
                var read = inner.Read(buffer);
                Taken += read;
                return read;
            }
            var part = Math.Min(count, buffer.Length);
            ahead.AsSpan(0, part).CopyTo(buffer);
            ahead.AsSpan(part, count - part).CopyTo(ahead);
            count -= part;
            Taken += part;
            return part;
        }

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int length) => throw new NotSupportedException();
    }
}
