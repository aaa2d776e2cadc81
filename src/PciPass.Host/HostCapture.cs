using System.Formats.Tar;
using System.Text;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Takes along of a host what a look at it reads, so that somebody else can look from afar (<see cref="RecordedHost"/>).</summary>
public sealed class HostCapture : HostSystem
{
    readonly HostSystem host;
    readonly RecordingTree tree;

    HostCapture(HostSystem host, bool withSerials)
    {
        this.host = host;
        tree = new RecordingTree(host.Files, (path, content) => withSerials ? content : CaptureMask.Mask(path, content));
    }

    public override SysTree Files => tree;
    public override TimeProvider Clock => host.Clock;
    public override Caller Caller => host.Caller;
    public override ByteChannel? ConnectXenstore() => host.ConnectXenstore();

    public override ProgramResult Run(string program, IReadOnlyList<string> arguments, TimeSpan deadline)
    {
        var result = host.Run(program, arguments, deadline);
        if (program == "xl" && arguments is ["info"] && result.ExitCode == 0)
            tree.Put(RecordedHost.XlInfo, result.Output);
        return result;
    }

    public override byte[] DumpAddresses()
    {
        var dump = host.DumpAddresses();
        tree.Put(RecordedHost.Addresses, string.Concat(NetworkTables.ParseAddresses(dump).Select(address => $"{address.InterfaceIndex} {address.Text}\n")));
        return dump;
    }

    public override IReadOnlyList<ForeignLink> ForeignLinks(string space)
    {
        var links = host.ForeignLinks(space);
        if (links.Count > 0)
            tree.Put(RecordedHost.ForeignLinksOf(space), string.Concat(links.Select(link => $"{link.LowerIndex} {(link.Kind.Length > 0 ? link.Kind : "-")} {link.Name}\n")));
        return links;
    }

    /// <summary>Looks at the host once, and writes what was read as a tar.</summary>
    /// <param name="host">The host.</param>
    /// <param name="output">Where the tar goes.</param>
    /// <param name="withSerials">Whether serial numbers, MAC addresses and passwords stay in.</param>
    /// <returns>How many files, links and directories it holds.</returns>
    public static int Write(HostSystem host, Stream output, bool withSerials)
    {
        var capture = new HostCapture(host, withSerials);
        var snapshot = HostReader.Read(capture, new Journal(capture));
        if (PciIdsReader.Read(host.Files, snapshot.Functions.Values.Select(function => function.Ids)) is (var names, string list))
            capture.tree.Put(list, names.Excerpt());
        capture.tree.Put(RecordedHost.ProcessId, $"{host.Caller.ProcessId}");
        capture.RecordXenstore();

        using var writer = new TarWriter(output, TarEntryFormat.Pax, leaveOpen: true);
        var count = 0;
        foreach (var (path, content, link) in capture.tree.Entries())
        {
            var entry = new PaxTarEntry(content is not null ? TarEntryType.RegularFile : link is not null ? TarEntryType.SymbolicLink : TarEntryType.Directory, path[1..])
            {
                ModificationTime = host.Clock.GetUtcNow(),
                Mode = content is null && link is null ? (UnixFileMode)0b111_101_101 : (UnixFileMode)0b110_100_100,
            };
            if (link is not null)
                entry.LinkName = link;
            if (content is not null)
                entry.DataStream = new MemoryStream(content);
            writer.WriteEntry(entry);
            count++;
        }
        return count;
    }

    /// <summary>The parts of xenstore that a look reads: who the guests are, and what the backends offer them.</summary>
    void RecordXenstore()
    {
        using var channel = host.ConnectXenstore();
        if (channel is null)
            return;
        using var store = new Xenstore(channel, host.Clock);
        var dump = new StringBuilder();
        foreach (var id in store.List("/local/domain"))
        {
            Add($"/local/domain/{id}/name");
            Add($"/libxl/{id}/type");
        }
        foreach (var kind in (ReadOnlySpan<string>)["pci", "vbd"])
            AddBelow($"/local/domain/0/backend/{kind}", 0);
        tree.Put(RecordedHost.XenstoreDump, dump.ToString());

        void Add(string path)
        {
            if (store.Read(path) is { Length: > 0 } value)
                dump.Append(path).Append(" = ").Append(value).Append('\n');
        }

        void AddBelow(string path, int depth)
        {
            Add(path);
            foreach (var name in depth < 4 ? store.List(path) : [])
                AddBelow($"{path}/{name}", depth + 1);
        }
    }
}
