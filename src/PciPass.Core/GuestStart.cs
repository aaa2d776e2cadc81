using System.Globalization;

namespace PciPass.Core;

/// <summary>
/// One start of a guest, which can be mistaken for no other: a guest that is started again never had what this start of it has. For Xen
/// the domid, which is not used again before 32,752 others; for QEMU the process and the moment it began, since a process's number alone
/// comes back.
/// </summary>
public readonly record struct GuestStart
{
    GuestStart(Toolstack toolstack, int number, ulong began) => (Toolstack, Number, Began) = (toolstack, number, began);

    /// <summary>What runs it.</summary>
    public Toolstack Toolstack { get; }

    /// <summary>The domid, or the process's number.</summary>
    public int Number { get; }

    /// <summary>For a process: when it began, in clock ticks since the host's start (field 22 of /proc/PID/stat); else 0.</summary>
    public ulong Began { get; }

    /// <summary>A Xen domain.</summary>
    public static GuestStart Domain(int domId) => new(Toolstack.Xen, domId, 0);

    /// <summary>A QEMU process.</summary>
    public static GuestStart Process(Toolstack toolstack, int processId, ulong began) => new(toolstack, processId, began);

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    public static bool TryParse(Toolstack toolstack, ReadOnlySpan<char> text, out GuestStart start)
    {
        start = default;
        var dot = text.IndexOf('.');
        ulong began = 0;
        if ((toolstack == Toolstack.Xen) != (dot < 0) || !int.TryParse(dot < 0 ? text : text[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number == 0
            || (dot >= 0 && !ulong.TryParse(text[(dot + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out began)))
            return false;
        start = new GuestStart(toolstack, number, began);
        return true;
    }

    /// <summary>For people: <c>domain 3</c>, <c>process 4711</c>.</summary>
    public string Words => Toolstack == Toolstack.Xen ? $"domain {Number}" : $"process {Number}";

    /// <summary><c>3</c>, or <c>4711.88123</c>.</summary>
    public override string ToString() => Toolstack == Toolstack.Xen ? $"{Number}" : $"{Number}.{Began}";
}
