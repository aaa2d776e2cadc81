using System.Collections.Immutable;

namespace PciPass.Core;

/// <summary>Which files change, and how, so that functions are hidden from the next start on, or no longer.</summary>
static class BootPlanner
{
    public static IEnumerable<Step> Hide(HostSnapshot host, Request request)
    {
        var devices = host.Devices;
        foreach (var address in request.Functions.Where(address => host.Devices.Find(address) is null))
        {
            var function = host.Find(address)!;
            // What holds it is a matter of what is below the kernel, and decided once: a line says what was meant.
            var driver = host.Hypervisor == Hypervisor.XenDom0 ? DriverName.Pciback : DriverName.VfioPci;
            var kept = new KeptFunction(address, function.Identity, driver, request.IfMoved, request.Method);
            devices = Formats.DeviceList.Parse(devices.With(kept, request.NamesForPeople.GetValueOrDefault(address, "")));
        }
        return Edit(host.Devices, devices);
    }

    public static IEnumerable<Step> Unhide(HostSnapshot host, Request request)
    {
        var devices = host.Devices;
        foreach (var address in request.Functions.Where(address => host.Devices.Find(address) is not null))
            devices = Formats.DeviceList.Parse(devices.Without(address));
        return Edit(host.Devices, devices);
    }

    static IEnumerable<Step> Edit(Formats.DeviceList before, Formats.DeviceList after) =>
        before.Content == after.Content ? [] : [new EditFile(Formats.DeviceList.Path, before.Content, after.Content)];
}
