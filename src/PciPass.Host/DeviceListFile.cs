using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads /etc/pcipass/devices.</summary>
public static class DeviceListFile
{
    public static DeviceList Read(SysTree files)
    {
        foreach (var path in (ReadOnlySpan<string>)[DeviceList.Path, DeviceList.Path[..DeviceList.Path.LastIndexOf('/')]])
        {
            if (files.Look(path)?.Foreign is string foreign)
                return DeviceList.Untrusted(path == DeviceList.Path ? foreign : $"is in a folder that {foreign}");
        }
        return DeviceList.Parse(files.ReadAll(DeviceList.Path) is byte[] bytes ? new FileContent(bytes) : null);
    }
}
