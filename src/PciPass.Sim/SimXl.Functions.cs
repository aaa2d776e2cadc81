using System.Globalization;
using System.Runtime.CompilerServices;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>Functions given to pciback and taken back, plugged into guests and out of them (tools/libs/light/libxl_pci.c).</summary>
sealed partial class SimXl
{
    // ---- sysfs ------------------------------------------------------------------------------------------------------------------------

    IEnumerable<TimeSpan> WriteBdf(string path, PciAddress address, StrongBox<int> result)
    {
        while (host.HangsBehind(path, $"{address}") is not null)
            yield return Poll;
        var errno = host.KernelWrite(path, $"{address}");
        if (errno == Errno.ENOENT && host.Pci.FindDriver(path.Split('/')[^2]) is null)
            Log("error", 371, $"Couldn't open {path}", errno, function: "sysfs_write_bdf");
        else if (errno != 0)
            Log("error", 380, $"write to {path} returned -1", errno, function: "sysfs_write_bdf");
        result.Value = errno;
    }

    IEnumerable<TimeSpan> Unbind(PciAddress address, StrongBox<int> result, StrongBox<string?> driverPath)
    {
        if (host.Find(address)?.Driver is not string driver)
            yield break;
        driverPath.Value = $"{Drivers}/{driver}";
        foreach (var wait in WriteBdf($"{driverPath.Value}/unbind", address, result))
            yield return wait;
        if (result.Value != 0)
            Log("error", 520, "Couldn't unbind device", result.Value, function: "sysfs_dev_unbind");
    }

    // ---- hide and give back -----------------------------------------------------------------------------------------------------------

    IEnumerable<TimeSpan> AssignableAdd(string bdf)
    {
        const string Self = "libxl__device_pci_assignable_add";
        if (!TryBdf(bdf, out var address))
        {
            process.Error($"pci-assignable-add: malformed BDF \"{bdf}\"");
            process.ExitCode = 2;
            yield break;
        }
        process.ExitCode = 1;
        if (!IsThere(address))
        {
            Log("error", 792, $"Couldn't lstat {Devices}/{address}", Errno.ENOENT, function: Self);
            yield break;
        }
        if (host.Pciback is null)
        {
            Log("error", 693, "Looks like pciback driver is not loaded", function: "pciback_dev_is_assigned");
            yield break;
        }
        if (IsOnPciback(address))
        {
            Log("warning", 802, $"{address} already assigned to pciback", function: Self);
        }
        else
        {
            var result = new StrongBox<int>();
            var driverPath = new StrongBox<string?>();
            foreach (var wait in Unbind(address, result, driverPath))
                yield return wait;
            if (result.Value != 0)
            {
                Log("error", 808, $"Couldn't unbind {address} from driver", function: Self);
                yield break;
            }
            if (driverPath.Value is string path)
                Store.Write(Info(address, "driver_path"), path);
            else if (Store.ReadText(Info(address, "driver_path")) is string old)
                Log("info", 819, $"{address} not bound to a driver, will be rebound to {old}", function: Self);
            else
                Log("warning", 822, $"{address} not bound to a driver, will not be rebound.", function: Self);

            if (!host.Pciback.Slots.Contains(address))
            {
                foreach (var wait in WriteBdf($"{Pciback}/new_slot", address, result))
                    yield return wait;
                if (result.Value != 0)
                {
                    Log("error", 723, "Couldn't bind device to pciback!", result.Value, function: "pciback_dev_assign");
                    Log("error", 830, "Couldn't bind device to pciback!", function: Self);
                    yield break;
                }
            }
            foreach (var wait in WriteBdf($"{Pciback}/bind", address, result))
                yield return wait;
            if (result.Value != 0)
            {
                Log("error", 729, "Couldn't bind device to pciback!", result.Value, function: "pciback_dev_assign");
                Log("error", 830, "Couldn't bind device to pciback!", function: Self);
                yield break;
            }
        }
        Store.Remove(Info(address, "name"));
        if (host.Iommu.Assign(SimIommu.DomIo, address, exists: true) != 0)
        {
            Log("error", 848, $"failed to quarantine {address}", function: Self);
            yield break;
        }
        process.ExitCode = 0;
    }

    IEnumerable<TimeSpan> AssignableRemove(string bdf, bool rebind)
    {
        const string Self = "libxl__device_pci_assignable_remove";
        if (!TryBdf(bdf, out var address))
        {
            process.Error($"pci-assignable-remove: malformed BDF '{bdf}'");
            process.ExitCode = 2;
            yield break;
        }
        process.ExitCode = 1;
        if (host.Iommu.Deassign(SimIommu.DomIo, address) != 0)
        {
            Log("error", 906, $"failed to de-quarantine {address}", function: Self);
            yield break;
        }
        if (host.Pciback is null)
        {
            Log("error", 693, "Looks like pciback driver is not loaded", function: "pciback_dev_is_assigned");
            yield break;
        }
        var result = new StrongBox<int>();
        if (IsOnPciback(address))
        {
            foreach (var wait in Unbind(address, result, new StrongBox<string?>()))
                yield return wait;
            if (result.Value != 0)
            {
                Log("error", 739, "Couldn't unbind device!", function: "pciback_dev_unassign");
            }
            else if (host.Pciback.Slots.Contains(address))
            {
                foreach (var wait in WriteBdf($"{Pciback}/remove_slot", address, result))
                    yield return wait;
                if (result.Value != 0)
                    Log("error", 747, "Couldn't remove pciback slot", result.Value, function: "pciback_dev_unassign");
            }
        }
        else
        {
            Log("warning", 917, "Not bound to pciback", function: Self);
        }
        if (Store.ReadText(Info(address, "driver_path")) is string path)
        {
            if (rebind)
            {
                Log("info", 925, $"Rebinding to driver at {path}", function: Self);
                foreach (var wait in WriteBdf($"{path}/bind", address, result))
                    yield return wait;
                if (result.Value != 0)
                {
                    Log("error", 930, $"Couldn't bind device to {path}", result.Value, function: Self);
                    yield break;
                }
                Store.Remove(Info(address, "driver_path"));
            }
        }
        else if (rebind)
        {
            Log("warning", 938, "Couldn't find path for original driver; not rebinding", function: Self);
        }
        Store.Remove(Info(address, "name"));
        process.ExitCode = 0;
    }

    // ---- in and out of a guest --------------------------------------------------------------------------------------------------------

    IEnumerable<TimeSpan> PciAttach(string name, string bdf)
    {
        if (FindDomain(name) is not int domain)
            yield break;
        if (!TrySpec(bdf, out var address))
        {
            process.Error($"pci-attach: malformed PCI_SPEC_STRING \"{bdf}\"");
            process.ExitCode = 2;
            yield break;
        }
        foreach (var wait in Add(domain, address, starting: false))
            yield return wait;
    }

    IEnumerable<TimeSpan> Add(int domain, PciAddress address, bool starting)
    {
        const string Self = "libxl__device_pci_add";
        var code = Fail;
        var hvm = host.FindDomain(domain)?.Plan.Type == GuestType.Hvm;
        if (hvm && host.Iommu.Owner(address) is not (0 or SimIommu.DomIo))
        {
            Log("error", 1658, $"Domain {domain}:PCI device {address.Segment:x4}:{address.Bus:x2}:{address.Device:x2}.{address.Function} already assigned to a different guest?", function: Self);
        }
        else if (hvm && !host.HasIommu)
        {
            Log("error", 1658, $"Domain {domain}:PCI device {address.Segment:x4}:{address.Bus:x2}:{address.Device:x2}.{address.Function} cannot be assigned - no IOMMU?", function: Self);
        }
        else if (Assignable() is not { } assignable || !assignable.Contains(address))
        {
            Log("error", 1677, $"Domain {domain}:PCI device {Short(address)} is not assignable", function: Self);
        }
        else
        {
            Store.Write(Info(address, "domid"), $"{domain}");
            Reset(domain, address);
            var result = new StrongBox<int>();
            foreach (var wait in AddToDomain(domain, address, starting, result))
                yield return wait;
            code = result.Value;
        }
        if (code != 0)
        {
            Log("error", 1809, $"Domain {domain}:libxl__device_pci_add failed for PCI device {Short(address)} (rc {code})", function: "device_pci_add_done");
            Log("error", 1486, "unable to add device", file: "libxl_device.c", function: "device_addrm_aocomplete");
            // Also when it is another guest's: the loser of two attaches removes the winner's mark (seen in the lab).
            Store.Remove(Info(address, "domid"));
            process.ExitCode = 1;
        }
    }

    void Reset(int domain, PciAddress address)
    {
        if (host.Find(address) is { ResetMethods: "" })
            Log("error", 1573, $"Domain {domain}:The kernel doesn't support reset from sysfs for PCI device {address}", function: "libxl__device_pci_reset");
    }

    IEnumerable<TimeSpan> AddToDomain(int domain, PciAddress address, bool starting, StrongBox<int> result)
    {
        result.Value = Fail;
        if (host.FindDomain(domain) is not SimGuest guest)
        {
            Log("error", 37, $"unable to get domain type for domid={domain}", file: "libxl_dom.c", function: "libxl__domain_type");
            yield break;
        }
        if (host.Iommu.Assign(domain, address, IsThere(address)) is > 0 and var errno)
        {
            Log("error", 1529, $"Domain {domain}:xc_assign_device failed", errno, function: "pci_add_dm_done");
            yield break;
        }

        var backend = BackendOf(domain);
        var isNew = !Store.Exists($"{backend}/num_devs");
        if (!isNew && !starting && guest.Plan.Type == GuestType.Pv)
        {
            var ready = new StrongBox<bool>();
            foreach (var wait in WaitForBackend(backend, ready))
                yield return wait;
            if (!ready.Value)
                yield break;
        }
        var n = Store.ReadNumber($"{backend}/num_devs", 0);
        if (isNew)
        {
            var frontend = $"/local/domain/{domain}/device/pci/0";
            // One transaction: watchers see all of it at once, and only after it.
            Store.Write($"{frontend}/backend", backend);
            Store.Write($"{frontend}/backend-id", "0");
            Store.Write($"{frontend}/state", "1");
            Store.SetPermissions(frontend, $"n{domain},r0");
            Store.Write($"{backend}/frontend", frontend);
            Store.Write($"{backend}/frontend-id", $"{domain}");
            Store.Write($"{backend}/online", "1");
            Store.Write($"{backend}/state", "1");
            Store.Write($"{backend}/domain", guest.Name);
            Store.SetPermissions(backend, $"n0,r{domain}");
        }
        Store.Write($"{backend}/key-{n}", $"{address}");
        Store.Write($"{backend}/dev-{n}", $"{address}");
        // QEMU takes the first free device of its bus.
        if (guest.Plan.Type == GuestType.Hvm)
            Store.Write($"{backend}/vdevfn-{n}", Enumerable.Range(4, 28).Select(static device => $"{device << 3:x}").First(place => Enumerable.Range(0, n).All(other => Store.ReadText($"{backend}/vdevfn-{other}") != place)));
        Store.Write($"{backend}/opts-{n}", "msitranslate=0,power_mgmt=0,permissive=0,rdm_policy=strict");
        Store.Write($"{backend}/state-{n}", "1");
        Store.Write($"{backend}/num_devs", $"{n + 1}");
        if (n > 0 && !starting)
            Store.Write($"{backend}/state", "7");
        if (guest.Plan.Type == GuestType.Hvm)
            guest.PlugHvm(int.Parse(Store.ReadText($"{backend}/vdevfn-{n}")!, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture), host.Find(address)!);
        host.WriteDomainConfig(guest);
        result.Value = 0;
    }

    /// <summary>libxl__wait_for_backend: looks every tenth of a second, a hundred times.</summary>
    IEnumerable<TimeSpan> WaitForBackend(string backend, StrongBox<bool> ready)
    {
        for (var watchdog = 100; watchdog > 0; watchdog--)
        {
            if (Store.ReadText($"{backend}/state") is not string state)
            {
                Log("error", 1460, $"Backend {backend} does not exist", file: "libxl_device.c", function: "libxl__wait_for_backend");
                yield break;
            }
            if (state == "4")
            {
                ready.Value = true;
                yield break;
            }
            yield return Poll;
        }
        Log("error", 1470, $"Backend {backend} not ready", file: "libxl_device.c", function: "libxl__wait_for_backend");
    }

    IEnumerable<TimeSpan> PciDetach(string name, string bdf, bool force)
    {
        if (FindDomain(name) is not int domain)
            yield break;
        if (!TrySpec(bdf, out var address))
        {
            process.Error($"pci-detach: malformed PCI_SPEC_STRING \"{bdf}\"");
            process.ExitCode = 2;
            yield break;
        }
        var attached = Attached(domain);
        var isAttached = attached?.Contains(address) == true;
        if (attached is not null && !isAttached)
            Log("error", 1969, $"Domain {domain}:PCI device not attached to this domain", function: "do_pci_remove");
        if (!isAttached && !force)
        {
            Log("error", 1486, "unable to remove device", file: "libxl_device.c", function: "device_addrm_aocomplete");
            process.ExitCode = 1;
            yield break;
        }

        if (host.FindDomain(domain) is { Plan.Type: GuestType.Hvm } guest)
        {
            var left = new StrongBox<bool>();
            foreach (var wait in RemoveFromDeviceModel(guest, address, left))
                yield return wait;
            if (!left.Value && !force)
            {
                Log("error", 1486, "unable to remove device", file: "libxl_device.c", function: "device_addrm_aocomplete");
                process.ExitCode = 1;
                yield break;
            }
        }

        // The order is libxl's: the function is taken from the guest in the IOMMU before the guest is asked to let go.
        if (host.Iommu.Owner(address) != domain && host.Find(address) is { Irq: > 0 and var irq })
            Log("error", 2044, $"Domain {domain}:xc_physdev_unmap_pirq irq={irq}", Errno.EINVAL, function: "do_pci_remove");
        Reset(domain, address);
        if (host.Iommu.Deassign(domain, address) is > 0 and var errno)
            Log("error", 2258, $"Domain {domain}:xc_deassign_device failed", errno, function: "pci_remove_detached");
        foreach (var wait in RemoveFromXenstore(domain, address))
            yield return wait;
        // Whatever came of the request to the guest, libxl calls it a success.
        Store.Remove(Info(address, "domid"));
    }

    /// <summary>The device model asks the guest; libxl looks once a second, ten times (pci_remove_qmp_retry_timer_cb).</summary>
    IEnumerable<TimeSpan> RemoveFromDeviceModel(SimGuest guest, PciAddress address, StrongBox<bool> left)
    {
        var id = $"pci-pt-{address.Bus:x2}_{address.Device:x2}.{address.Function:x1}";
        if (!guest.HasInDeviceModel(address))
        {
            Log("error", 1837, $"Domain {guest.DomId}:Device '{id}' not found", file: "libxl_qmp.c", function: "qmp_ev_parse_error_messages");
            yield break;
        }
        guest.UnplugHvm(address);
        for (var watchdog = 10; watchdog > 0 && guest.HasInDeviceModel(address); watchdog--)
            yield return TimeSpan.FromSeconds(1);
        left.Value = !guest.HasInDeviceModel(address);
        if (!left.Value)
            Log("warning", 2218, $"Domain {guest.DomId}:timed out waiting for DM to remove {id}", function: "pci_remove_timeout");
    }

    IEnumerable<TimeSpan> RemoveFromXenstore(int domain, PciAddress address)
    {
        var backend = BackendOf(domain);
        if (host.FindDomain(domain) is not SimGuest guest)
            yield break;
        var waits = guest.Plan.Type == GuestType.Pv;
        var ready = new StrongBox<bool>();
        foreach (var wait in waits ? WaitForBackend(backend, ready) : [])
            yield return wait;
        if ((waits && !ready.Value) || Attached(domain) is not { } attached || attached.IndexOf(address) is not (>= 0 and var n))
            yield break;
        Store.Write($"{backend}/state-{n}", "5");
        Store.Write($"{backend}/state", "7");
        ready.Value = false;
        // Between the first look and the guest's answer the state is not yet 4 again: the watchers have not run.
        yield return TimeSpan.FromMilliseconds(1);
        foreach (var wait in waits ? WaitForBackend(backend, ready) : [])
            yield return wait;
        if (waits && !ready.Value)
            yield break;
        foreach (var key in (string[])["state", "key", "dev", "vdev", "opts", "vdevfn", "name"])
            Store.Remove($"{backend}/{key}-{n}");
        Store.Write($"{backend}/num_devs", $"{attached.Count - 1}");
        for (var higher = n + 1; higher < attached.Count; higher++)
        {
            foreach (var key in (string[])["state", "dev", "key", "vdev", "opts", "vdevfn", "name"])
            {
                if (Store.Read($"{backend}/{key}-{higher}") is not byte[] value)
                    continue;
                Store.Write($"{backend}/{key}-{higher - 1}", value);
                Store.Remove($"{backend}/{key}-{higher}");
            }
        }
        if (attached.Count == 1)
        {
            Store.RemoveWithEmptyParents($"/local/domain/{domain}/device/pci/0");
            Store.RemoveWithEmptyParents(backend);
        }
        host.WriteDomainConfig(guest);
    }
}
