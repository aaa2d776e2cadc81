using System.Collections.Immutable;

namespace PciPass.Core.Formats;

/// <summary>What a QEMU's command line says of its guest's name and of how it can be spoken to (qemu(1); util/qemu-option.c for the commas).</summary>
/// <param name="Name">The guest's name (<c>-name</c>); null without one.</param>
/// <param name="MonitorPath">The Unix socket of its first QMP monitor, as it stands there; null without one.</param>
/// <param name="IsLibvirts">Whether libvirt started it: its monitor is libvirt's own.</param>
public sealed record QemuCommandLine(string? Name, string? MonitorPath, bool IsLibvirts)
{
    /// <param name="words">The arguments, the program first.</param>
    public static QemuCommandLine Parse(IReadOnlyList<string> words)
    {
        string? name = null, monitor = null;
        var isLibvirts = false;
        // The sockets of -chardev, by id; and the ids of monitors that speak QMP.
        Dictionary<string, string> sockets = new(StringComparer.Ordinal);
        List<string> monitors = [];
        for (var at = 1; at + 1 < words.Count; at++)
        {
            var (option, value) = (words[at].StartsWith("--", StringComparison.Ordinal) ? words[at][1..] : words[at], words[at + 1]);
            switch (option)
            {
                case "-name":
                    var named = Parts(value);
                    name = Value(named, "guest") ?? (named[0].Contains('=') ? name : named[0]);
                    break;
                case "-qmp" or "-qmp-pretty" when value.StartsWith("unix:", StringComparison.Ordinal):
                    monitor ??= Parts(value["unix:".Length..])[0];
                    break;
                case "-qmp" or "-qmp-pretty" when value.StartsWith("chardev:", StringComparison.Ordinal):
                    monitors.Add(value["chardev:".Length..]);
                    break;
                case "-chardev" when Parts(value) is ["socket", ..] parts && Value(parts, "id") is string id && Value(parts, "path") is string path:
                    sockets[id] = path;
                    break;
                case "-mon" when Parts(value) is var parts && Value(parts, "mode") == "control" && (Value(parts, "chardev") ?? (parts[0].Contains('=') ? null : parts[0])) is string chardev:
                    monitors.Add(chardev);
                    break;
                // libvirt hands the key of each start's secrets over like this (qemu_command.c).
                case "-object" when value.Contains("masterKey0", StringComparison.Ordinal):
                    isLibvirts = true;
                    break;
                default:
                    continue;
            }
            at++;
        }
        return new QemuCommandLine(name, monitor ?? monitors.Select(id => sockets.GetValueOrDefault(id)).FirstOrDefault(path => path is not null), isLibvirts);
    }

    /// <summary>What of a command line is looked at here; disks, passwords and all else are left out.</summary>
    /// <param name="text">The arguments, each with a NUL behind it.</param>
    public static string Excerpt(string text)
    {
        var words = text.Split('\0');
        List<string> kept = [words[0]];
        for (var at = 1; at + 1 < words.Length; at++)
        {
            if (words[at].TrimStart('-') is "name" or "qmp" or "qmp-pretty" or "chardev" or "mon" || (words[at].TrimStart('-') == "object" && words[at + 1].Contains("masterKey0", StringComparison.Ordinal)))
                kept.AddRange([words[at], words[++at]]);
        }
        return string.Join('\0', kept) + '\0';
    }

    /// <summary>The parts between commas; two commas are one that belongs to the value.</summary>
    static ImmutableArray<string> Parts(string text)
    {
        var parts = ImmutableArray.CreateBuilder<string>();
        var part = new System.Text.StringBuilder();
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] != ',')
                part.Append(text[at]);
            else if (at + 1 < text.Length && text[at + 1] == ',')
                part.Append(text[at++]);
            else
            {
                parts.Add(part.ToString());
                part.Clear();
            }
        }
        parts.Add(part.ToString());
        return parts.ToImmutable();
    }

    static string? Value(ImmutableArray<string> parts, string key)
    {
        var found = parts.FirstOrDefault(part => part.StartsWith(key, StringComparison.Ordinal) && part.Length > key.Length && part[key.Length] == '=');
        return found?[(key.Length + 1)..];
    }
}
