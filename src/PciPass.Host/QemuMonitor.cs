using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>A function that a QEMU has.</summary>
/// <param name="Address">On the host.</param>
/// <param name="Path">Its place in QEMU's tree of objects: <c>/machine/peripheral/ID</c>, which also names it where it has no id.</param>
/// <param name="VirtualSlot">Where the guest sees it; null before its firmware has numbered the buses.</param>
sealed record QemuFunction(PciAddress Address, string Path, string? VirtualSlot);

/// <summary>What pcipass asks a QEMU over its monitor, and tells it (qapi/qdev.json, qapi/qom.json, qapi/pci.json).</summary>
sealed class QemuMonitor(QmpClient qmp) : IDisposable
{
    /// <summary>Before QEMU answers, the function was reset and all of the guest's memory was pinned and mapped for it: minutes where that is much.</summary>
    static readonly TimeSpan AddDeadline = TimeSpan.FromMinutes(5);

    const string Named = "/machine/peripheral", Unnamed = "/machine/peripheral-anon";

    /// <summary>The functions of the host that the guest has, whoever gave them: the command line, this program, or somebody by hand.</summary>
    public ImmutableArray<QemuFunction> Functions()
    {
        var devices = Devices().ToArray();
        var functions = ImmutableArray.CreateBuilder<QemuFunction>();
        foreach (var (folder, name) in Children().Where(child => child.Type == "vfio-pci").Select(child => (child.Folder, child.Name)))
        {
            if (HostAddress($"{folder}/{name}") is PciAddress address)
                functions.Add(new QemuFunction(address, $"{folder}/{name}", devices.FirstOrDefault(device => folder == Named && device.Id == name)?.Slot));
        }
        return functions.ToImmutable();
    }

    /// <summary>
    /// The buses that take one more function while the guest runs: empty root ports and switch ports with an id; the root bus of the old
    /// PC (i440fx), once for each free slot. The root bus of q35 takes none (docs/pcie.txt).
    /// </summary>
    public ImmutableArray<string> FreePorts()
    {
        var devices = Devices().ToArray();
        var ports = ImmutableArray.CreateBuilder<string>();
        var bridges = Children().Where(child => child.Folder == Named && child.Type is "pcie-root-port" or "ioh3420" or "xio3130-downstream").Select(child => child.Name).ToHashSet(StringComparer.Ordinal);
        // In the order of the bus: that of the objects is none (seen in the lab).
        foreach (var port in devices.Where(device => device.IsEmptyBridge && bridges.Contains(device.Id)).Select(device => device.Id))
        {
            if (Get($"{Named}/{port}", "hotplug") is not { ValueKind: JsonValueKind.False })
                ports.Add(port);
        }
        if (devices.Any(device => device.IsOldHostBridge))
            ports.AddRange(Enumerable.Repeat("pci.0", 32).Skip(devices.Where(device => device.Bus == 0 && device.Slot is not null).Select(device => device.Slot!.Split('.')[0]).Distinct().Count()));
        return ports.ToImmutable();
    }

    /// <summary>Plugs a function in.</summary>
    /// <exception cref="QmpRefusal">QEMU's reason.</exception>
    public void Add(PciAddress address, string bus) => qmp.ExecuteWithin(AddDeadline, "device_add", ("driver", "vfio-pci"), ("host", $"{address}"), ("id", IdOf(address)), ("bus", bus));

    /// <summary>Asks the guest to let go of a function, and waits until it has.</summary>
    /// <exception cref="GuestHolds">It has not, in this time.</exception>
    /// <exception cref="HostFailure">It will not, and said so.</exception>
    public void Remove(QemuFunction function, TimeSpan deadline)
    {
        try
        {
            qmp.Execute("device_del", ("id", function.Path));
        }
        catch (QmpRefusal refusal) when (refusal.Kind == "DeviceNotFound")
        {
            return;
        }
        catch (QmpRefusal refusal) when (refusal.Words.Contains("already in the process of unplug", StringComparison.Ordinal))
        {
            // Asked before; the answer is still to come.
        }
        try
        {
            var happened = qmp.WaitFor(happened => happened.Name is "DEVICE_DELETED" or "DEVICE_UNPLUG_GUEST_ERROR" && happened.Text("path") == function.Path, deadline);
            if (happened.Name == "DEVICE_UNPLUG_GUEST_ERROR")
                throw new HostFailure("the guest refused to let go of it");
        }
        catch (DeadlinePassed)
        {
            // The event may have gone to somebody else's connection before this one was made.
            if (Functions().Any(still => still.Path == function.Path))
                throw new GuestHolds($"the guest has not let go of {function.Address} within {deadline.TotalSeconds:0} s");
        }
    }

    public void Dispose() => qmp.Dispose();

    static string IdOf(PciAddress address) => $"pcipass-{address}".Replace(':', '-').Replace('.', '-');

    /// <summary>A device on a PCI bus of the guest.</summary>
    sealed record Device(string Id, int Bus, string? Slot, bool IsEmptyBridge, bool IsOldHostBridge);

    IEnumerable<Device> Devices()
    {
        var found = new List<Device>();
        foreach (var bus in Items(qmp.Execute("query-pci")))
            Collect(Member(bus, "devices"), isNumbered: true);
        return found;

        void Collect(JsonElement devices, bool isNumbered)
        {
            foreach (var device in Items(devices))
            {
                var (number, slot, function) = (Number(device, "bus"), Number(device, "slot"), Number(device, "function"));
                var bridge = Member(device, "pci_bridge");
                var below = Member(bridge, "devices");
                var ids = Member(device, "id");
                var id = Member(device, "qdev_id") is { ValueKind: JsonValueKind.String } text ? text.GetString()! : "";
                found.Add(new Device(id, number, isNumbered ? string.Create(CultureInfo.InvariantCulture, $"0000:{number:x2}:{slot:x2}.{function}") : null,
                    bridge.ValueKind == JsonValueKind.Object && !Items(below).Any(), Number(ids, "vendor") == 0x8086 && Number(ids, "device") == 0x1237));
                // Before the guest's firmware has run, every bridge says that bus 0 is below it.
                Collect(below, Number(Member(bridge, "bus"), "secondary") != 0);
            }
        }
    }

    IEnumerable<(string Folder, string Name, string Type)> Children()
    {
        foreach (var folder in (string[])[Named, Unnamed])
        {
            foreach (var item in Items(qmp.Execute("qom-list", ("path", folder))))
            {
                if (Member(item, "name") is { ValueKind: JsonValueKind.String } name && Member(item, "type") is { ValueKind: JsonValueKind.String } type && type.GetString() is ['c', 'h', 'i', 'l', 'd', '<', .. var kind, '>'])
                    yield return (folder, name.GetString()!, kind);
            }
        }
    }

    /// <summary><c>host</c>, or the end of <c>sysfsdev</c> where it was given that way.</summary>
    PciAddress? HostAddress(string path)
    {
        foreach (var property in (string[])["host", "sysfsdev"])
        {
            if (Get(path, property) is { ValueKind: JsonValueKind.String } value && value.GetString() is string text && PciAddress.TryParse(text.AsSpan(text.LastIndexOf('/') + 1), out var address))
                return address;
        }
        return null;
    }

    JsonElement? Get(string path, string property)
    {
        try
        {
            return qmp.Execute("qom-get", ("path", path), ("property", property));
        }
        catch (QmpRefusal)
        {
            // It has gone meanwhile, or has no such property.
            return null;
        }
    }

    static IEnumerable<JsonElement> Items(JsonElement array) => array.ValueKind == JsonValueKind.Array ? array.EnumerateArray() : [];

    static JsonElement Member(JsonElement element, string name) => element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var member) ? member : default;

    static int Number(JsonElement element, string name) => Member(element, name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt32(out var value) ? value : 0;
}
