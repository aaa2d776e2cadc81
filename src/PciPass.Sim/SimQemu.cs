using System.Globalization;
using System.Text;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>A running QEMU: its process as /proc shows it, and what its guest has.</summary>
public sealed class SimQemu
{
    readonly SimHost host;
    readonly List<Device> devices = [];
    readonly List<SimQmpChannel> channels = [];

    internal SimQemu(SimHost host, QemuPlan plan, int processId)
    {
        (this.host, Plan, ProcessId) = (host, plan, processId);
        Began = (ulong)host.Clock.Elapsed.TotalMilliseconds / 10 + (ulong)processId;
        Show();
    }

    internal sealed record Device(string Id, PciAddress Address, string Port)
    {
        public bool IsLeaving { get; set; }

        /// <summary>libvirt gives it back to its driver when it goes.</summary>
        public bool IsManaged { get; init; }
    }

    internal QemuPlan Plan { get; }
    internal string Socket => $"/run/qemu/{Plan.Name}.qmp";
    internal string ProcessFile => $"/run/libvirt/qemu/{Plan.Name}.pid";
    internal bool HasEnded { get; private set; }
    ulong Began { get; }

    public string Name => Plan.Name;
    public int ProcessId { get; }

    /// <summary>The functions that the guest has, with the ports they are at.</summary>
    public IEnumerable<(PciAddress Address, string Port)> Functions => devices.Select(device => (device.Address, device.Port));

    /// <summary>Somebody gives it a function by hand, over a connection of his own.</summary>
    public void PlugByHand(string address) => Add("by-hand", PciAddress.Parse(address), $"port{FirstFree}");

    int FirstFree => Enumerable.Range(1, Plan.Ports).First(port => devices.All(device => device.Port != $"port{port}"));

    internal string? FreePort => Enumerable.Range(1, Plan.Ports).Select(port => $"port{port}").FirstOrDefault(port => devices.All(device => device.Port != port));

    /// <summary>The guest restarts inside: what it was asked for happens then.</summary>
    public void Reset()
    {
        foreach (var device in devices.Where(device => device.IsLeaving).ToList())
            Drop(device);
    }

    internal void End()
    {
        HasEnded = true;
        devices.Clear();
        foreach (var channel in channels.ToList())
            channel.Close();
        host.Proc.Remove($"{ProcessId}");
        host.RemoveFile(Plan.IsLibvirts ? ProcessFile : Socket);
    }

    internal void Connect(SimQmpChannel channel)
    {
        channels.Add(channel);
        if (channels[0] == channel)
            channel.Greet();
    }

    internal void Disconnect(SimQmpChannel channel)
    {
        var wasFirst = channels.Count > 0 && channels[0] == channel;
        channels.Remove(channel);
        if (wasFirst && channels.Count > 0)
            channels[0].Greet();
    }

    internal IReadOnlyList<Device> Devices => devices;

    /// <returns>QEMU's refusal, or null (hw/vfio/pci.c and common.c).</returns>
    internal string? Add(string id, PciAddress address, string port, bool managed = false)
    {
        if (devices.Any(device => device.Id == id))
            return $"Duplicate device ID '{id}'";
        if (!port.StartsWith("port", StringComparison.Ordinal) || !int.TryParse(port.AsSpan(4), NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number < 1 || number > Plan.Ports)
            return $"Bus '{port}' not found";
        if (devices.Any(device => device.Port == port))
            return $"PCI: slot 0 function 0 already occupied by vfio-pci";
        if (host.Find(address) is not SimFunction function || function.IommuGroup is not int group)
            return $"vfio {address}: no iommu_group found: No such file or directory";
        if (function.Driver != "vfio-pci")
            return host.Functions.Any(other => other.IommuGroup == group && other.Driver == "vfio-pci")
                ? $"vfio {address}: error getting device from group {group}: Invalid argument"
                : $"vfio {address}: failed to open /dev/vfio/{group}: No such file or directory";
        if (host.Functions.Any(other => other.IommuGroup == group && !other.IsBridge && other.Driver is not (null or "vfio-pci" or "pci-stub")))
            return $"vfio {address}: group {group} is not viable";
        if (host.Qemus.Any(other => other != this && other.Devices.Any(device => host.Find(device.Address)?.IommuGroup == group)))
            return $"vfio {address}: failed to open /dev/vfio/{group}: Device or resource busy";
        devices.Add(new Device(id, address, port) { IsManaged = managed });
        Show();
        return null;
    }

    /// <returns>QEMU's refusal with its class, or null.</returns>
    internal (string Kind, string Words)? Remove(string idOrPath)
    {
        var id = idOrPath[(idOrPath.LastIndexOf('/') + 1)..];
        if (devices.FirstOrDefault(device => device.Id == id) is not Device device)
            return ("DeviceNotFound", $"Device '{idOrPath}' not found");
        if (device.IsLeaving)
            return ("GenericError", $"Device {id} is already in the process of unplug");
        switch (Plan.Unplug)
        {
            case UnplugAnswer.Refuses:
                host.Clock.After(TimeSpan.FromSeconds(1), () => Tell("DEVICE_UNPLUG_GUEST_ERROR", device));
                break;
            case UnplugAnswer.LetsGo:
                device.IsLeaving = true;
                host.Clock.After(TimeSpan.FromSeconds(6), () => Drop(device));
                break;
            default:
                device.IsLeaving = true;
                break;
        }
        return null;
    }

    void Drop(Device device)
    {
        if (!devices.Remove(device))
            return;
        Show();
        if (device.IsManaged && host.Find(device.Address) is SimFunction function)
            host.Rebind(function, null);
        Tell("DEVICE_DELETED", device);
    }

    void Tell(string what, Device device)
    {
        if (Plan.IsLibvirts)
            host.Libvirt?.Tell(Plan.Name, what == "DEVICE_DELETED" ? 333 : 367, device.Id);
        else if (channels.Count > 0)
            channels[0].Tell($"{{\"timestamp\": {{\"seconds\": 1, \"microseconds\": 0}}, \"event\": \"{what}\", \"data\": {{\"device\": \"{device.Id}\", \"path\": \"/machine/peripheral/{device.Id}\"}}}}");
    }

    /// <summary>The process in /proc: program, arguments, start, and the nodes it has open.</summary>
    void Show()
    {
        host.Proc.Remove($"{ProcessId}");
        var process = host.Proc.Make($"{ProcessId}");
        process.Set("exe", new SimLink("/usr/bin/qemu-system-x86_64"));
        process.Set("comm", SimAttribute.Text("qemu-system-x86"));
        process.Set("stat", SimAttribute.Text($"{ProcessId} (qemu-system-x86) S 1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 4 0 {Began} 1 1"));
        string[] words =
        [
            "/usr/bin/qemu-system-x86_64", "-name", Plan.IsLibvirts ? $"guest={Plan.Name},debug-threads=on" : Plan.Name, "-machine", "q35,accel=kvm",
            .. Plan.IsLibvirts ? (string[])["-object", "{\"qom-type\":\"secret\",\"id\":\"masterKey0\",\"format\":\"raw\",\"file\":\"/var/lib/libvirt/qemu/domain-1/master-key.aes\"}", "-chardev", "socket,id=charmonitor,fd=23,server=on,wait=off", "-mon", "chardev=charmonitor,id=monitor,mode=control"] : [],
            .. Plan.HasMonitor && !Plan.IsLibvirts ? (string[])["-qmp", $"unix:{Socket},server=on,wait=off"] : [],
        ];
        process.Set("cmdline", new SimAttribute(() => Encoding.UTF8.GetBytes(string.Join('\0', words) + '\0')));
        var open = process.Make("fd");
        open.Set("0", new SimLink("/dev/null"));
        foreach (var (number, group) in devices.Select(device => host.Find(device.Address)?.IommuGroup).Distinct().Index())
            open.Set($"{number + 10}", new SimLink($"/dev/vfio/{group}"));
    }
}
