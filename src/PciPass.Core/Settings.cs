using System.Collections.Immutable;
using System.Globalization;

namespace PciPass.Core;

/// <summary>
/// What an administrator may set for this host: <c>/etc/pcipass/pcipass.conf</c>, one <c>name = value</c> a line, with comments behind #.
/// A line that cannot be understood is told and changes nothing: what it was to set stays as it is without it.
/// </summary>
public sealed record Settings
{
    public const string Path = "/etc/pcipass/pcipass.conf";

    /// <summary>The longest window: more than any host runs.</summary>
    const int MostDays = 3650;

    /// <summary>
    /// How many hot-plugs and hot-unplugs of one function "can cause a kernel error" when they come "in a brief period of time": Red Hat
    /// Enterprise Linux 5, Virtualization Guide, 15.5. The other two figures are kept below it.
    /// </summary>
    public const int HotplugLimit = 512;

    /// <summary>How far back hot-plugs are counted. The guide says "brief" and gives no figure, so it is taken widely: a day.</summary>
    public TimeSpan HotplugWindow { get; init; } = TimeSpan.FromDays(1);

    /// <summary>From so many on, each further one is warned of: three quarters of the limit.</summary>
    public int HotplugWarn { get; init; } = 384;

    /// <summary>What an attach may not lead past: 32 below the limit, for what others do meanwhile.</summary>
    public int HotplugRefuse { get; init; } = 480;

    /// <summary>What could not be understood, one sentence each.</summary>
    public ImmutableArray<string> Errors { get; init; } = [];

    /// <param name="text">The file's text; null when there is no file.</param>
    public static Settings Parse(string? text)
    {
        var settings = new Settings();
        var errors = ImmutableArray.CreateBuilder<string>();
        foreach (var (number, whole) in (text ?? "").Split('\n').Index())
        {
            var line = whole.Split('#')[0].Trim();
            if (line.Length == 0)
                continue;
            var (name, value) = line.Split('=', 2) is [var left, var right] ? (left.Trim(), right.Trim()) : (line, "");
            var read = name switch
            {
                "hotplug-window" => Window(value) is TimeSpan window ? settings with { HotplugWindow = window } : null,
                "hotplug-warn" => Count(value) is int warn ? settings with { HotplugWarn = warn } : null,
                "hotplug-refuse" => Count(value) is int refuse ? settings with { HotplugRefuse = refuse } : null,
                _ => null,
            };
            if (read is null)
                errors.Add($"{Path} line {number + 1}: \"{line}\" cannot be understood and is passed over; it takes hotplug-window = 24h (s, m, h or d), hotplug-warn = 384 and hotplug-refuse = 480");
            settings = read ?? settings;
        }
        return settings with { Errors = errors.ToImmutable() };
    }

    static int? Count(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > 0 ? count : null;

    static TimeSpan? Window(string text)
    {
        if (text.Length < 2 || Count(text[..^1]) is not int count)
            return null;
        var seconds = text[^1] switch { 's' => 1L, 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 0 } * count;
        return seconds is > 0 and <= MostDays * 86400L ? TimeSpan.FromSeconds(seconds) : null;
    }

    /// <summary>The window in words: <c>24 h</c>.</summary>
    public string WindowText => HotplugWindow switch
    {
        var time when time.TotalHours > 48 && time.Ticks % TimeSpan.TicksPerDay == 0 => $"{time.TotalDays} days",
        var time when time.Ticks % TimeSpan.TicksPerHour == 0 => $"{time.TotalHours} h",
        var time when time.Ticks % TimeSpan.TicksPerMinute == 0 => $"{time.TotalMinutes} min",
        var time => $"{time.TotalSeconds} s",
    };
}
