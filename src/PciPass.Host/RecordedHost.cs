using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>
/// A host that is looked at from afar, by its files (<see cref="RecordedTree"/>). What no file says lies in files of its own below
/// <c>pcipass/</c>, which <c>pcipass capture</c> writes: the answers of programs, xenstore and the interfaces' addresses.
/// </summary>
public sealed class RecordedHost(RecordedTree files) : HostSystem
{
    /// <summary>What <c>xl info</c> said.</summary>
    public const string XlInfo = "/pcipass/xl-info";

    /// <summary>xenstore, one <c>path = value</c> a line.</summary>
    public const string XenstoreDump = "/pcipass/xenstore";

    /// <summary>The interfaces' addresses, one <c>index address/prefix</c> a line.</summary>
    public const string Addresses = "/pcipass/addresses";

    /// <summary>The block devices that something holds for itself alone, one a line.</summary>
    public const string Held = "/pcipass/held";

    /// <summary>The number of the process that looked.</summary>
    public const string ProcessId = "/pcipass/process";

    /// <summary>What stands in another network namespace on interfaces of the host, one <c>index kind name</c> a line.</summary>
    public static string ForeignLinksOf(string space) => $"/pcipass/links/{space.Trim('/').Replace('/', '-')}";

    public override IReadOnlyList<ForeignLink> ForeignLinks(string space) =>
    [
        .. (files.ReadText(ForeignLinksOf(space)) ?? "").Split('\n').Select(line => line.Split(' ')).Where(words => words.Length == 3 && int.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out _))
            .Select(words => new ForeignLink(words[2], words[1], int.Parse(words[0], CultureInfo.InvariantCulture))),
    ];

    public override SysTree Files => files;

    public override TimeProvider Clock => TimeProvider.System;

    public override bool IsRecorded => true;

    public override Caller Caller => new(0, "root", null, int.TryParse(files.ReadText(ProcessId), NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : 0);

    public override ProgramResult Run(string program, IReadOnlyList<string> arguments, TimeSpan deadline) =>
        program == "xl" && arguments is ["info"] && files.ReadText(XlInfo) is string output
            ? new ProgramResult(0, output, "")
            : throw new HostFailure($"the record does not hold what {program} {string.Join(' ', arguments)} says");

    public override ByteChannel? ConnectXenstore() => files.ReadAll(XenstoreDump) is byte[] dump ? new RecordedXenstore(dump) : null;

    /// <summary>The messages that the kernel would have sent (RTM_NEWADDR with IFA_ADDRESS, rtnetlink(7)).</summary>
    public override byte[] DumpAddresses()
    {
        using var dump = new MemoryStream();
        foreach (var line in (files.ReadText(Addresses) ?? "").Split('\n'))
        {
            if (line.Split(' ') is not [var number, var text] || text.Split('/') is not [var address, var length]
                || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var index)
                || !byte.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var prefix) || !IPAddress.TryParse(address, out var parsed))
                continue;
            var bytes = parsed.GetAddressBytes();
            var message = new byte[16 + 8 + 4 + bytes.Length];
            BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
            BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(4), 20);
            message[16] = (byte)(bytes.Length == 4 ? 2 : 10);
            message[17] = prefix;
            BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(20), index);
            BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(24), (ushort)(4 + bytes.Length));
            BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(26), 1);
            bytes.CopyTo(message, 28);
            dump.Write(message);
        }
        return dump.ToArray();
    }
}
