namespace PciPass.Core;

/// <summary>
/// The name of a kernel driver as sysfs has it below <c>/sys/bus/pci/drivers</c>. It becomes part of paths and of what is
/// written to the kernel, so it can hold no slash and no control character, and is 1 to 64 characters long. Blanks within it are drivers'
/// ways ("HDA Intel", "i6300ESB timer").
/// </summary>
public readonly record struct DriverName
{
    readonly string? value;

    DriverName(string value) => this.value = value;

    /// <summary>The driver of Linux' xen-pciback module (drivers/xen/xen-pciback/pci_stub.c).</summary>
    public static DriverName Pciback { get; } = new("pciback");

    /// <summary>The driver that holds functions for guests under KVM (drivers/vfio/pci/vfio_pci.c).</summary>
    public static DriverName VfioPci { get; } = new("vfio-pci");

    /// <exception cref="FormatException">The text cannot be a driver's name; the message quotes it.</exception>
    public static DriverName Parse(string text) => TryParse(text, out var name)
        ? name
        : throw new FormatException($"\"{text}\" is no driver name: expected 1 to 64 characters without slashes, and without blanks around them");

    public static bool TryParse(string? text, out DriverName name)
    {
        name = default;
        if (string.IsNullOrEmpty(text) || text.Length > 64 || text is "." or ".." or "-" || text.AsSpan().ContainsAnyExceptInRange(' ', '~') || text[0] == ' ' || text[^1] == ' ' || text.Contains('/'))
            return false;
        name = new DriverName(text);
        return true;
    }

    public override string ToString() => value ?? throw new InvalidOperationException("a driver name that was never given");
}
