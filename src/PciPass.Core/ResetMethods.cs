namespace PciPass.Core;

/// <summary>The ways to reset one function alone, in the words of <c>reset_method</c> (Linux: Documentation/ABI/testing/sysfs-bus-pci).</summary>
[Flags]
public enum ResetMethods
{
    None = 0,

    /// <summary>A way that the kernel knows for this device only.</summary>
    DeviceSpecific = 1,

    /// <summary>The firmware's <c>_RST</c>.</summary>
    Acpi = 2,

    /// <summary>Function level reset of PCI Express.</summary>
    FunctionLevel = 4,

    /// <summary>Function level reset of conventional PCI (Advanced Features).</summary>
    AdvancedFeatures = 8,

    /// <summary>By switching it to D3hot and back.</summary>
    Power = 16,

    /// <summary>Of the bus or slot that it has for itself.</summary>
    Bus = 32,

    /// <summary>Of the link below a CXL bus.</summary>
    CxlBus = 64,
}

/// <summary>The text form of <see cref="ResetMethods"/>.</summary>
public static class ResetMethodNames
{
    static readonly (ResetMethods Method, string Name)[] Names =
    [
        (ResetMethods.DeviceSpecific, "device_specific"), (ResetMethods.Acpi, "acpi"), (ResetMethods.FunctionLevel, "flr"), (ResetMethods.AdvancedFeatures, "af_flr"),
        (ResetMethods.Power, "pm"), (ResetMethods.Bus, "bus"), (ResetMethods.CxlBus, "cxl_bus"),
    ];

    /// <summary>Reads <c>flr bus</c>; words of newer kernels are passed over.</summary>
    public static ResetMethods Parse(string text)
    {
        var words = text.Split((char[])[' ', '\n', ','], StringSplitOptions.RemoveEmptyEntries);
        return Names.Where(name => words.Contains(name.Name)).Aggregate(ResetMethods.None, (all, name) => all | name.Method);
    }

    /// <summary>In the kernel's words, separated by commas; <c>none</c> for none.</summary>
    public static string Text(this ResetMethods methods) =>
        methods == ResetMethods.None ? "none" : string.Join(", ", Names.Where(name => methods.HasFlag(name.Method)).Select(name => name.Name));
}
