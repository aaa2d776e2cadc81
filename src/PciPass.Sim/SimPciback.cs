using System.Globalization;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>The module xen-pciback as a driver of functions (drivers/xen/xen-pciback/pci_stub.c): its slots, and which guest has what it holds.</summary>
public sealed class SimPciback
{
    readonly SimPci pci;
    readonly List<PciAddress> slots = [];
    readonly Dictionary<PciAddress, int> exported = [];
    bool unbound;

    internal SimPciback(SimPci pci)
    {
        this.pci = pci;
        Driver = new SimDriver("pciback", static _ => true);
        var directory = Driver.Directory;
        directory.Set("new_slot", new SimAttribute(null, value => ForSlots(value, Add)));
        directory.Set("remove_slot", new SimAttribute(null, value => ForSlots(value, at => slots.Remove(at) ? 0 : Errno.ENOENT)));
        directory.Set("slots", SimAttribute.Text(() => string.Concat(slots.Select(slot => $"{slot}\n"))));
        directory.Set("quirks", SimAttribute.Text(ReadQuirks, static _ => Errno.EINVAL));
        directory.Set("permissive", SimAttribute.Text(static () => "", static _ => Errno.EINVAL));
        directory.Set("irq_handlers", SimAttribute.Text(static () => ""));
        directory.Set("irq_handler_state", new SimAttribute(null, static _ => Errno.EINVAL));
        directory.Set("allow_interrupt_control", SimAttribute.Text(static () => "", static _ => Errno.EINVAL));
    }

    /// <summary>The functions that it may take, in the order they came.</summary>
    public IReadOnlyList<PciAddress> Slots => slots;

    internal SimDriver Driver { get; }

    /// <summary>The guest to which a function is exported; null when to none.</summary>
    internal int? ExportedTo(PciAddress address) => exported.TryGetValue(address, out var domain) ? domain : null;

    internal bool Export(PciAddress address, int domain)
    {
        if (pci.Find(address)?.Driver != Driver.Name || exported.ContainsKey(address))
            return false;
        exported[address] = domain;
        return true;
    }

    internal void Release(PciAddress address, int domain)
    {
        if (ExportedTo(address) == domain)
            exported.Remove(address);
    }

    /// <summary>The module's <c>hide=</c>: one entry that cannot be read makes the whole module fail.</summary>
    internal bool Hide(string list)
    {
        foreach (var entry in list.Split(')', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (entry[0] != '(' || ForSlots(entry[1..], Add) != 0)
            {
                slots.Clear();
                return false;
            }
        }
        return true;
    }

    internal int Probe(SimFunction function)
    {
        var hasSlot = false;
        for (var at = function; at is not null; at = at.Parent)
            hasSlot |= slots.Contains(at.Address);
        if ((!hasSlot && function.DriverOverride != Driver.Name) || function.HeaderType > 1)
            return Errno.ENODEV;
        if (!hasSlot)
            slots.Add(function.Address);
        return 0;
    }

    internal void Removed(SimFunction function)
    {
        unbound = true;
        exported.Remove(function.Address);
    }

    int Add(PciAddress slot)
    {
        if (!slots.Contains(slot))
            slots.Add(slot);
        return 0;
    }

    // Seen in the lab with Linux 6.1, twice: the entries of functions that were unbound are freed memory.
    string ReadQuirks() => unbound ? throw new SimKernelCrash("read of pciback/quirks after a function was unbound from pciback") : "";

    /// <summary>Reads <c>[SSSS:]BB:DD.F</c> with the wildcards <c>.*</c> and <c>:*.*</c>, as the module does.</summary>
    static int ForSlots(string value, Func<PciAddress, int> act)
    {
        var text = value.Trim();
        var parts = text.Split(':');
        var segment = 0;
        if (parts.Length == 3 && !Hex(parts[0], 0xffff, out segment))
            return Errno.EINVAL;
        if (parts.Length is not (2 or 3) || !Hex(parts[^2], 0xff, out var bus) || parts[^1].Split('.') is not [var device, var function])
            return Errno.EINVAL;
        int firstDevice = 0, lastDevice = 31, firstFunction = 0, lastFunction = 7;
        if (device != "*")
        {
            if (!Hex(device, 31, out firstDevice))
                return Errno.EINVAL;
            lastDevice = firstDevice;
        }
        if (function != "*")
        {
            if (device == "*" || !Hex(function, 7, out firstFunction))
                return Errno.EINVAL;
            lastFunction = firstFunction;
        }
        var result = Errno.ENOENT;
        for (var d = firstDevice; d <= lastDevice; d++)
        {
            for (var f = firstFunction; f <= lastFunction; f++)
            {
                if (act(new PciAddress(segment, bus, d, f)) == 0)
                    result = 0;
            }
        }
        return result;

        static bool Hex(string word, int most, out int number) =>
            int.TryParse(word, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number) && number >= 0 && number <= most;
    }
}
