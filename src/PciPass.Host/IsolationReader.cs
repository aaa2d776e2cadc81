using System.Collections.Immutable;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads what keeps functions apart: the IOMMU, its firmware tables, and where the BARs lie.</summary>
static class IsolationReader
{
    const string Tables = "/sys/firmware/acpi/tables";

    /// <summary>The address ranges of all functions, sorted by start. An ordinary user sees zeros: then there are none.</summary>
    public static ImmutableArray<AddressRange> ReadRanges(SysTree files) =>
    [
        .. ResourceTable.Parse(files.ReadText("/proc/iomem") ?? "", isPort: false).Concat(ResourceTable.Parse(files.ReadText("/proc/ioports") ?? "", isPort: true))
            .OrderBy(range => range.IsPort).ThenBy(range => range.Start),
    ];

    /// <summary>
    /// On plain Linux: an IOMMU in use has a directory of its own and puts functions into groups. Remapped interrupts carry IR in the
    /// name of their chip (arch/x86/kernel/apic/io_apic.c, drivers/iommu/intel/irq_remapping.c).
    /// </summary>
    public static HostSnapshot ReadIommu(SysTree files, HostSnapshot snapshot)
    {
        var iommus = files.List("/sys/class/iommu");
        var hasGroups = snapshot.Functions.Values.Any(function => function.IommuGroup is not null);
        if (iommus.Count == 0 || !hasGroups)
        {
            var reason = iommus.Count == 0 ? "/sys/class/iommu is empty" : "no function has an IOMMU group";
            return snapshot with { Iommu = IommuState.Absent, IommuReason = reason };
        }
        snapshot = snapshot with { Iommu = IommuState.Active, IommuReason = $"/sys/class/iommu: {string.Join(' ', iommus)}" };
        if (files.ReadText("/proc/interrupts") is not string interrupts)
            return snapshot with { InterruptRemappingReason = "/proc/interrupts is not there" };
        return interrupts.Contains(" IR-", StringComparison.Ordinal)
            ? snapshot with { InterruptRemapping = IommuState.Active, InterruptRemappingReason = "/proc/interrupts: IR- chips" }
            : snapshot with { InterruptRemapping = IommuState.Absent, InterruptRemappingReason = "no chip in /proc/interrupts has IR in its name" };
    }

    /// <summary>
    /// Reads Intel's or AMD's table. Below Xen it is also what tells whether interrupts are remapped: Xen does it where the platform
    /// can and no option says otherwise (xen/drivers/passthrough/x86/iommu.c).
    /// </summary>
    public static HostSnapshot ReadFirmware(SysTree files, HostSnapshot snapshot)
    {
        var name = files.List(Tables).FirstOrDefault(name => name is "DMAR" or "RMAD" or "XMAR" or "IVRS");
        var isXen = snapshot.Hypervisor == Hypervisor.XenDom0;
        if (name is null)
            return isXen && snapshot.InterruptRemapping == IommuState.Unknown ? snapshot with { InterruptRemappingReason = "the firmware has no table of IOMMUs" } : snapshot;
        var decides = isXen && snapshot.InterruptRemapping == IommuState.Unknown;
        if (name == "IVRS" && ReadAmd(files) is byte[] amd)
            snapshot = snapshot with { Reserved = IvrsTable.Parse(amd, snapshot.Functions) };
        if (name == "IVRS")
            return decides ? snapshot with { InterruptRemapping = IommuState.Active, InterruptRemappingReason = "AMD's IOMMUs (IVRS) remap interrupts" } : snapshot;
        if (files.ReadAll($"{Tables}/{name}") is not byte[] bytes || DmarTable.Parse(bytes) is not DmarTable table)
            return decides ? snapshot with { InterruptRemappingReason = $"the firmware's table {name} makes no sense" } : snapshot;
        snapshot = snapshot with { Reserved = [.. table.Resolve(snapshot.Functions)] };
        return !decides
            ? snapshot
            : table.HasInterruptRemapping
                ? snapshot with { InterruptRemapping = IommuState.Active, InterruptRemappingReason = $"the firmware's table {name} says so" }
                : snapshot with { InterruptRemapping = IommuState.Absent, InterruptRemappingReason = $"the firmware's table {name} says that the platform cannot" };
    }

    /// <summary>AMD's table; null in a record that only knows that it is there.</summary>
    static byte[]? ReadAmd(SysTree files)
    {
        try
        {
            return files.ReadAll($"{Tables}/IVRS");
        }
        catch (HostFailure failure) when (failure.ErrorNumber == Errno.EISDIR)
        {
            return null;
        }
    }
}
