using PciPass.Core;

namespace PciPass.Host;

/// <summary>The device nodes below /dev that hang on functions.</summary>
static class DeviceNodes
{
    public static Dictionary<string, IReadOnlyList<PciAddress>> Read(SysTree files)
    {
        Dictionary<string, IReadOnlyList<PciAddress>> nodes = new(StringComparer.Ordinal);
        foreach (var kind in (ReadOnlySpan<string>)["block", "char"])
        {
            foreach (var number in files.List($"/sys/dev/{kind}"))
            {
                if (KernelNames.FunctionsBehind(files, files.ReadLink($"/sys/dev/{kind}/{number}")) is not [_, ..] functions)
                    continue;
                foreach (var line in (files.ReadText($"/sys/dev/{kind}/{number}/uevent") ?? "").Split('\n'))
                {
                    if (line.StartsWith("DEVNAME=", StringComparison.Ordinal))
                        nodes[$"/dev/{line["DEVNAME=".Length..]}"] = functions;
                }
            }
        }
        // A group's node hangs on no function; it gives all of those that vfio-pci holds (drivers/vfio/group.c). The share of a function
        // that its own driver gives to a guest (a mediated device, Documentation/driver-api/vfio-mediated-device.rst) has a group of its own.
        foreach (var group in files.List("/dev/vfio").Where(name => name.All(char.IsAsciiDigit)))
        {
            PciAddress[] members = [.. files.List($"/sys/kernel/iommu_groups/{group}/devices").Select(name => MemberOf(files, group, name)).OfType<PciAddress>().Distinct()];
            if (members.Length > 0)
                nodes[$"/dev/vfio/{group}"] = members;
        }
        ReadNvidia(files, nodes);
        return nodes;
    }

    static PciAddress? MemberOf(SysTree files, string group, string name)
    {
        if (!PciAddress.TryParse(name, out var address))
            return KernelNames.FunctionBehind(files.ReadLink($"/sys/kernel/iommu_groups/{group}/devices/{name}"));
        return files.ReadLink($"/sys/bus/pci/devices/{name}/driver")?.EndsWith("/vfio-pci", StringComparison.Ordinal) == true ? address : null;
    }

    /// <summary>NVIDIA's own driver makes its nodes past the kernel's model of devices; it tells their numbers in procfs. Its unbind waits for whoever has one open.</summary>
    static void ReadNvidia(SysTree files, Dictionary<string, IReadOnlyList<PciAddress>> nodes)
    {
        const string Cards = "/proc/driver/nvidia/gpus", Number = "Device Minor:";
        foreach (var name in files.List(Cards))
        {
            var line = (files.ReadText($"{Cards}/{name}/information") ?? "").Split('\n').FirstOrDefault(line => line.StartsWith(Number, StringComparison.Ordinal));
            if (line is not null && PciAddress.TryParse(name, out var address))
                nodes[$"/dev/nvidia{line[Number.Length..].Trim()}"] = [address];
        }
    }
}
