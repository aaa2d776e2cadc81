using System.Buffers.Binary;
using System.Text;

namespace PciPass.Sim;

/// <summary>What the firmware and the kernel tell about the machine as a whole: the table of IOMMUs, and where the BARs lie.</summary>
static class SimFirmware
{
    /// <summary>
    /// Intel's table with one IOMMU for all, as Xen leaves it: renamed, so that dom0 does not use the IOMMU itself (seen in the lab).
    /// </summary>
    /// <param name="hasRemapping">Whether the platform can remap interrupts.</param>
    /// <param name="name">What it is called: <c>RMAD</c> below Xen, <c>DMAR</c> else.</param>
    public static byte[] TableOfIommus(string name, bool hasRemapping)
    {
        const int Header = 48, Unit = 16;
        var table = new byte[Header + Unit];
        Encoding.ASCII.GetBytes(name, table);
        BinaryPrimitives.WriteInt32LittleEndian(table.AsSpan(4), table.Length);
        "BOCHS "u8.CopyTo(table.AsSpan(10));
        table[36] = 38;
        table[37] = (byte)(hasRemapping ? 1 : 0);
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(Header + 2), Unit);
        table[Header + 4] = 1;
        BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(Header + 8), 0xfed90000);
        return table;
    }

    /// <summary><c>/proc/iomem</c>, with zeros for an ordinary user.</summary>
    public static string Ranges(IEnumerable<SimFunction> functions, bool isRoot)
    {
        var text = new StringBuilder("00000000-00000fff : Reserved\n");
        foreach (var function in functions.Where(function => function.BarSize != 0).OrderBy(function => function.BarStart))
        {
            var (start, end) = isRoot ? (function.BarStart, function.BarStart + (ulong)function.BarSize - 1) : (0ul, 0ul);
            text.Append($"{start:x8}-{end:x8} : {function.Address}\n");
            if (function.Driver is string driver && driver != "pciback")
                text.Append($"  {start:x8}-{end:x8} : {driver}\n");
        }
        return text.ToString();
    }
}
