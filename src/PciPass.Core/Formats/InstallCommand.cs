using System.Collections.Immutable;

namespace PciPass.Core.Formats;

/// <summary>
/// The shell command of an <c>install</c> line, as far as it is a row of calls of modprobe: which modules it loads, in which order. What
/// else a shell would make of it is not worked out.
/// </summary>
/// <param name="Loads">Each call: the module with underscores, and whether <c>--ignore-install</c> keeps it from coming back to this line.</param>
/// <param name="IsNothing">Whether it is /bin/true, /bin/false or the like: the module is never loaded then.</param>
/// <param name="IsPlain">Whether all of it is understood.</param>
public sealed record InstallCommand(ImmutableArray<(string Module, bool IgnoresInstall, bool IfBefore)> Loads, bool IsNothing, bool IsPlain)
{
    public static InstallCommand Parse(string text)
    {
        var loads = ImmutableArray.CreateBuilder<(string, bool, bool)>();
        var (isNothing, isPlain, ifBefore) = (true, true, false);
        // The shell's marks stand by themselves or at a word's end; within braces and quotes nothing is looked into.
        var words = text.Replace("&&", " && ", StringComparison.Ordinal).Replace("||", " || ", StringComparison.Ordinal).Replace(";", " ; ", StringComparison.Ordinal)
            .Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
        for (var at = 0; at < words.Length; at++)
        {
            var end = at;
            while (end < words.Length && words[end] is not (";" or "&&" or "||" or "&"))
                end++;
            Call(words[at..end]);
            ifBefore = end < words.Length && words[end] == "&&";
            at = end;
        }
        return new InstallCommand(loads.ToImmutable(), isNothing && loads.Count == 0, isPlain);

        void Call(string[] call)
        {
            if (call.Length == 0)
                return;
            var program = call[0][(call[0].LastIndexOf('/') + 1)..];
            if (program is "true" or "false" or ":" or "exit" or "echo" or "logger")
                return;
            isNothing = false;
            if (program != "modprobe")
            {
                isPlain &= program is "insmod" or "sleep" or "udevadm";
                return;
            }
            var options = call.Skip(1).Where(word => word.StartsWith('-')).ToArray();
            var module = call.Skip(1).FirstOrDefault(word => !word.StartsWith('-') && !word.StartsWith('$') && !word.Contains('>', StringComparison.Ordinal));
            if (options.Any(option => option is "-r" or "--remove"))
                return;
            if (module is null)
                isPlain = false;
            else
                loads.Add((ModprobeFile.Normal(module), options.Any(option => option == "--ignore-install" || (option is not ['-', '-', ..] && option.Contains('i'))), ifBefore));
        }
    }

    /// <summary>Whether it loads one module before another.</summary>
    public bool LoadsBefore(string first, string second)
    {
        var (one, other) = (IndexOf(first), IndexOf(second));
        return one >= 0 && (other < 0 || one < other);
    }

    public int IndexOf(string module)
    {
        for (var at = 0; at < Loads.Length; at++)
        {
            if (Loads[at].Module == module)
                return at;
        }
        return -1;
    }
}
