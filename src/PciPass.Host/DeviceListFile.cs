using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads /etc/pcipass/devices.</summary>
static class DeviceListFile
{
    public static DeviceList Read(SysTree files) => DeviceList.Parse(files.ReadAll(DeviceList.Path) is byte[] bytes ? new FileContent(bytes) : null);
}
