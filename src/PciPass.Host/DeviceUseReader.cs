using System.Collections.Immutable;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>Reads what people and the kernel use beside network and disks: consoles, keyboards, displays, watchdogs.</summary>
static class DeviceUseReader
{
    public static void Read(SysTree files, ImmutableSortedDictionary<PciAddress, PciFunction> functions, ImmutableArray<HostUse>.Builder uses)
    {
        ReadConsoles(files, uses);
        ReadKeyboards(files, uses);
        foreach (var function in functions.Values.Where(function => function.Class.Base == 0x03))
        {
            if (files.ReadText($"/sys/bus/pci/devices/{function.Address}/boot_vga") == "1")
                uses.Add(new HostUse(function.Address, HostUseKind.BootDisplay, "boot_vga", ""));
        }
        foreach (var name in files.List("/sys/class/watchdog"))
        {
            if (files.ReadText($"/sys/class/watchdog/{name}/state") != "active")
                continue;
            var identity = files.ReadText($"/sys/class/watchdog/{name}/identity") ?? name;
            // Some drivers do not say what their watchdog hangs on, and give it their own name (i6300esb, seen in the lab).
            var behind = KernelNames.FunctionBehind(files.ReadLink($"/sys/class/watchdog/{name}")) is PciAddress own ? [own] : functions.Values.Where(function => function.Driver?.ToString() == identity).Select(function => function.Address);
            uses.AddRange(behind.Select(function => new HostUse(function, HostUseKind.Watchdog, name, identity)));
        }
    }

    /// <summary>The kernel's consoles (Documentation/filesystems/proc.rst), and the framebuffers that the virtual terminals are drawn on.</summary>
    static void ReadConsoles(SysTree files, ImmutableArray<HostUse>.Builder uses)
    {
        foreach (var line in (files.ReadText("/proc/consoles") ?? "").Split('\n'))
        {
            var name = line.Split(' ')[0];
            if (name.Length > 0 && KernelNames.FunctionBehind(files.ReadLink($"/sys/class/tty/{name}")) is PciAddress function)
                uses.Add(new HostUse(function, HostUseKind.Console, name, "serial line"));
        }
        foreach (var name in files.List("/sys/class/graphics"))
        {
            if (name.StartsWith("fb", StringComparison.Ordinal) && KernelNames.FunctionBehind(files.ReadLink($"/sys/class/graphics/{name}")) is PciAddress function)
                uses.Add(new HostUse(function, HostUseKind.Console, name, "virtual terminals"));
        }
    }

    /// <summary>
    /// Input devices in paragraphs (drivers/input/input.c): S: the place in sysfs, N: the name, H: who handles it. SysRq is handled
    /// for what has an Alt key: keyboards, and no mice with buttons.
    /// </summary>
    static void ReadKeyboards(SysTree files, ImmutableArray<HostUse>.Builder uses)
    {
        foreach (var paragraph in (files.ReadText("/proc/bus/input/devices") ?? "").Split("\n\n", StringSplitOptions.RemoveEmptyEntries))
        {
            var lines = paragraph.Split('\n');
            var isKeyboard = lines.Any(line => line.StartsWith("H: Handlers=", StringComparison.Ordinal) && line["H: Handlers=".Length..].Split(' ').Contains("sysrq"));
            if (isKeyboard && KernelNames.FunctionBehind(lines.FirstOrDefault(line => line.StartsWith("S: Sysfs=", StringComparison.Ordinal))) is PciAddress function)
                uses.Add(new HostUse(function, HostUseKind.Keyboard, "input", lines.FirstOrDefault(line => line.StartsWith("N: Name=", StringComparison.Ordinal))?["N: Name=".Length..].Trim('"') ?? "without a name"));
        }
    }
}
