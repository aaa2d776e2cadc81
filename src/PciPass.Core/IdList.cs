using System.Collections.Immutable;
using System.Globalization;

namespace PciPass.Core;

/// <summary>
/// A list of ids for vfio-pci's <c>ids=</c> or pci-stub's: <c>10de:1b80,10de:10f0</c>. Each takes every function of that kind.
/// </summary>
/// <remarks>vfio_pci_fill_ids in drivers/vfio/pci/vfio_pci.c: VENDOR:DEVICE[:SUBVENDOR[:SUBDEVICE[:CLASS[:MASK]]]], hexadecimal; what has fewer than two fields is passed over with a line in the log.</remarks>
public sealed record IdList(ImmutableArray<IdList.Entry> Entries, ImmutableArray<string> Wrong)
{
    const uint Any = 0xffffffff;

    /// <summary>One kind of function.</summary>
    public readonly record struct Entry(string Text, uint Vendor, uint Device, uint SubVendor, uint SubDevice, uint Class, uint Mask)
    {
        public bool Means(PciFunction function) => Is(Vendor, function.Ids.Vendor) && Is(Device, function.Ids.Device) && Is(SubVendor, function.Ids.SubVendor) && Is(SubDevice, function.Ids.SubDevice)
            && ((((uint)function.Class.Base << 16 | (uint)function.Class.Sub << 8 | function.Class.Interface) ^ Class) & Mask) == 0;

        static bool Is(uint wished, uint found) => wished == Any || wished == found;
    }

    public static IdList Parse(string text)
    {
        var entries = ImmutableArray.CreateBuilder<Entry>();
        var wrong = ImmutableArray.CreateBuilder<string>();
        foreach (var part in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var fields = part.Split(':').Select(field => uint.TryParse(field, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number) ? number : (uint?)null).ToArray();
            if (fields.Length is < 2 or > 6 || fields.Any(field => field is null))
                wrong.Add(part);
            else
                entries.Add(new Entry(part, At(0, 0), At(1, 0), At(2, Any), At(3, Any), At(4, 0), At(5, 0)));

            uint At(int field, uint otherwise) => field < fields.Length ? fields[field]!.Value : otherwise;
        }
        return new IdList(entries.ToImmutable(), wrong.ToImmutable());
    }
}
