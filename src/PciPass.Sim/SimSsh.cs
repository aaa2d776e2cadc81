using System.Buffers;
using PciPass.Host;

namespace PciPass.Sim;

/// <summary>
/// <c>ssh</c> as it is started without a terminal and without asking anybody: what is behind the host's name is joined by blanks and given
/// to a shell there (ssh(1)). The shell here is one that knows words only: whatever else it was given, it ends with 2 and says so.
/// </summary>
static class SimSsh
{
    static readonly SearchValues<char> NotJustWords = SearchValues.Create("'\"\\$`;&|<>()*?[]#~=%!{}^\n\t");

    static readonly TimeSpan Way = TimeSpan.FromMilliseconds(300);

    public static SimProcess Start(SimHost host, IReadOnlyList<string> arguments, byte[] input)
    {
        var options = arguments.TakeWhile(static word => word != "--").Count();
        var (name, words) = (arguments[options + 1], string.Join(' ', arguments.Skip(options + 2)).Split(' '));
        return new SimProcess(process => Run(process), changesSomething: true);

        IEnumerable<TimeSpan> Run(SimProcess process)
        {
            yield return Way;
            if (host.Peer(name) is not { } peer)
            {
                process.Error($"ssh: Could not resolve hostname {name}: Name or service not known");
                process.ExitCode = 255;
                yield break;
            }
            if (words.Any(static word => word.AsSpan().ContainsAny(NotJustWords)))
            {
                process.Error($"sh: not just words: {string.Join(' ', words)}");
                process.ExitCode = 2;
                yield break;
            }
            var result = peer(words, input);
            process.ExitCode = result.ExitCode;
            foreach (var line in Lines(result.Output))
                process.Out(line);
            foreach (var line in Lines(result.Errors))
                process.Error(line);
        }
    }
    static string[] Lines(string text) => text.Length == 0 ? [] : text[..^(text[^1] == '\n' ? 1 : 0)].Split('\n');
}
