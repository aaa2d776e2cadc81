using System.Runtime.CompilerServices;
using System.Text;

namespace PciPass.Host;

/// <summary>
/// A folder of many entries whose files are read one after the other: names in it take the kernel less than whole paths, and they need not
/// be put together as strings.
/// </summary>
public class SysFolder(SysTree files, string path) : IDisposable
{
    /// <summary>The folder's own path.</summary>
    public string Path => path;

    /// <inheritdoc cref="SysTree.Read"/>
    public virtual int Read(string entry, string name, Span<byte> buffer) => files.Read($"{path}/{entry}/{name}", buffer);

    /// <summary>An entry's PCI configuration space, where it can be read in parts only as far as anything looks at it (<see cref="Core.ConfigSpace.Fetch"/>).</summary>
    /// <param name="entry">The function.</param>
    /// <param name="buffer">4096 bytes.</param>
    /// <returns>How many bytes count as read; -1 when there is no such file.</returns>
    public virtual int ReadConfig(string entry, Span<byte> buffer) => Read(entry, "config", buffer);

    /// <summary>The target of a link in an entry, or of the entry itself where the name is empty; null when there is no such link.</summary>
    public virtual string? ReadLink(string entry, string name) =>
        files.ReadLink(name.Length > 0 ? $"{path}/{entry}/{name}" : $"{path}/{entry}");

    /// <inheritdoc cref="SysTree.Exists"/>
    public bool Exists(string entry, string name) => files.Exists($"{path}/{entry}/{name}");

    /// <inheritdoc cref="SysTree.ReadText"/>
    [SkipLocalsInit]
    public string? ReadText(string entry, string name)
    {
        Span<byte> buffer = stackalloc byte[4096];
        var count = Read(entry, name, buffer);
        if (count == buffer.Length)
            return files.ReadText($"{path}/{entry}/{name}");
        return count < 0 ? null : Encoding.UTF8.GetString(buffer[..count]).TrimEnd('\n');
    }

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) { }
}
