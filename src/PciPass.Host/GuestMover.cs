using System.Collections.Immutable;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>
/// The way of a guest to another host, over ssh: that host's own pcipass takes the copy, starts it, or drops it ("pcipass receive"). What ssh
/// runs there goes through a shell, so nothing is sent but fixed words, numbers, and <see cref="MovedGuest.Word"/>s.
/// </summary>
/// <param name="host">This host.</param>
/// <param name="note">Gets what the other host says, in words.</param>
/// <param name="givenUp">A host that is gone for good, of which somebody says that it has started nothing.</param>
public sealed class GuestMover(HostSystem host, Action<string>? note = null, RemoteHost? givenUp = null)
{
    /// <summary>What the answers of the other pcipass begin with; a login script may say other things before.</summary>
    public const string Answer = "pcipass-receive: ";

    /// <summary>The answers about a guest that may have come.</summary>
    public const string Yes = "yes", No = "no";

    /// <summary>ssh asks nobody anything, and notices when the other host is gone.</summary>
    public static readonly ImmutableArray<string> SshOptions = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15"];

    readonly HashSet<Equip> equipped = [];

    /// <summary>ssh(1): an error of its own, such as a host that does not answer.</summary>
    const int SshFailed = 255, NotFound = 127, Usage = 2;

    /// <summary>The other host may be waiting for an operation of its own.</summary>
    static readonly TimeSpan AskDeadline = TimeSpan.FromMinutes(5);

    static readonly TimeSpan LibvirtDeadline = TimeSpan.FromSeconds(60);

    /// <summary>A large guest over a slow line; ssh itself notices when the other host is gone.</summary>
    static readonly TimeSpan CopyDeadline = TimeSpan.FromHours(24);

    /// <summary>There, reading the image may take an hour, and each function a minute.</summary>
    static readonly TimeSpan StartDeadline = TimeSpan.FromHours(2);

    /// <summary>Asks whether the other host would take the guest.</summary>
    /// <param name="to">The host.</param>
    /// <param name="version">This program's version: the other's must be the same.</param>
    /// <param name="image">Where the image would lie, and how large it may be.</param>
    /// <param name="record">What the guest has here.</param>
    /// <param name="toolstack">What runs it.</param>
    public Destination Ask(RemoteHost to, string version, GuestImage image, SavedGuest record, Toolstack toolstack)
    {
        ProgramResult result;
        try
        {
            result = Run(to, AskDeadline, null, "ask", MovedGuest.Word(version), MovedGuest.Word(image.Path), MovedGuest.Word(record.ToText()), GuestReference.PrefixOf(toolstack), $"{image.Size ?? 0}");
        }
        catch (HostFailure failure)
        {
            return Fault(failure.Message, $"ssh {to} pcipass --version     must work without a question");
        }
        var lines = Answers(result);
        if (result.ExitCode == 0 && lines is ["ready"])
            return new Destination(to, []);
        var refusals = lines.Select(line => line.Split('\t')).Where(words => words is ["refused", _, _, _, _]).Select(words => (words[1], words[2], words[3], words[4])).ToArray();
        return refusals.Length > 0 ? new Destination(to, [.. refusals])
            : result.ExitCode == NotFound ? Fault($"it has no pcipass: {Said(result)}", $"install there the pcipass of this host ({version})")
            : result.ExitCode == Usage ? Fault($"its pcipass does not know \"receive ask\": {Said(result)}", $"install there the pcipass of this host ({version})")
            : Fault($"its pcipass ended with {result.ExitCode}: {Said(result)}", $"ssh {to} pcipass status     tells more");

        Destination Fault(string why, string remedy) => new(to, [("", $"{to} cannot be asked", why, remedy)]);
    }

    public Observation Observe(SendGuest step)
    {
        CopyState state;
        try
        {
            state = StateAt(step.Host, step.Path);
        }
        catch (HostFailure failure) when (!step.Sent)
        {
            // Nothing starts a copy but this host, which will not: it may lie there.
            note?.Invoke($"{failure.Message}; there, {step.Path} may be left, and can be removed");
            return new Observation(Position.To, "no copy that would be started");
        }
        return state switch
        {
            CopyState.Nothing => new Observation(step.Sent ? Position.From : Position.To, $"no copy on {step.Host}"),
            CopyState.Part => new Observation(Position.HalfWay, $"a part of a copy on {step.Host}"),
            CopyState.Whole => new Observation(step.Sent ? Position.To : Position.From, $"a copy on {step.Host}"),
            _ => new Observation(Position.Elsewhere, Unclear(step.Host)),
        };
    }

    public Observation Observe(HandOver step) => StateAt(step.Host, step.Path) switch
    {
        CopyState.Started => new Observation(step.Handed ? Position.To : Position.From, $"been started on {step.Host}"),
        CopyState.Unknown => new Observation(Position.Elsewhere, Unclear(step.Host)),
        CopyState.Nothing => new Observation(step.Handed ? Position.From : Position.To, $"no copy on {step.Host}"),
        _ => new Observation(step.Handed ? Position.From : Position.HalfWay, $"a copy on {step.Host}, not started"),
    };

    /// <summary>Whether the other host has been told, and has answered: what it gives is to be seen there alone. One that has died since is told again.</summary>
    public Observation Observe(Equip step) => equipped.Contains(step) ? new Observation(Position.To, "been told") : new Observation(Position.From, "not been told yet");

    /// <summary>Whether a guest that moves while it runs has come to the other host.</summary>
    public bool Runs(RemoteHost to, GuestName guest, Toolstack toolstack)
    {
        if (to == givenUp)
            return false;
        var result = Run(to, AskDeadline, null, "runs", MovedGuest.Word($"{guest}"), GuestReference.PrefixOf(toolstack));
        return result.ExitCode == 0 && Answers(result) is [(Yes or No) and var word] ? word == Yes
            : throw new HostFailure($"{to} does not say whether {guest} runs there: pcipass ended there with {result.ExitCode}: {Said(result)}");
    }

    /// <summary>Whether a guest that comes here while it runs is here, and no longer waits for its last pages.</summary>
    /// <exception cref="HostFailure">Its toolstack does not run, or it is on its way.</exception>
    public static bool RunsHere(HostSystem host, GuestName guest, Toolstack toolstack) => toolstack == Toolstack.Xen ? XenMove.RunsHere(host, guest)
        : HasComeByLibvirt(host, guest) ?? throw new HostFailure("no libvirt listens here");

    /// <summary>The same of one of libvirt's; null where no libvirt listens.</summary>
    public static bool? HasComeByLibvirt(HostSystem host, GuestName guest)
    {
        using var libvirt = Libvirt.Connect(host, LibvirtDeadline);
        return libvirt is null ? null : libvirt.Find($"{guest}") is { Id: >= 0 } domain && !LibvirtMove.IsOnItsWay(libvirt.StateOf(domain));
    }

    static string Unclear(RemoteHost to) => $"been about to start on {to} when that host was restarted: whether it ran there, and wrote to its disks, is not known";

    public void Act(SendGuest step)
    {
        if (step.Sent)
        {
            var record = host.Files.ReadText($"{step.Path}.pcipass") ?? throw new HostFailure($"{step.Path}.pcipass is not there");
            Expect(step.Host, Run(step.Host, CopyDeadline, step.Path, "copy", MovedGuest.Word(step.Path), MovedGuest.Word($"{record}\n"), $"{LengthOf(step.Path)}"));
        }
        else
        {
            Drop(step.Host, step.Path);
        }
    }

    public void Act(HandOver step)
    {
        if (!step.Handed)
        {
            Drop(step.Host, step.Path);
            return;
        }
        var result = Run(step.Host, StartDeadline, null, "start", MovedGuest.Word(step.Path));
        PassOn(step.Host, result);
        // It may have been started, and one of its functions not have gone in: that is for there to be mended, and the guest runs.
        if (result.ExitCode != 0 && StateAt(step.Host, step.Path) != CopyState.Started)
            Expect(step.Host, result);
    }

    public void Act(Equip step)
    {
        if (step.Host != givenUp)
            PassOn(step.Host, Run(step.Host, StartDeadline, null, "equip", MovedGuest.Word(step.Record.Text)));
        equipped.Add(step);
    }

    /// <summary>What the other pcipass says to people.</summary>
    void PassOn(RemoteHost to, ProgramResult result)
    {
        foreach (var line in Lines(result.Output).Concat(Lines(result.Errors)).Where(line => !line.StartsWith(Answer, StringComparison.Ordinal)))
            note?.Invoke($"{to}: {line}");
    }

    void Drop(RemoteHost to, string path)
    {
        if (to != givenUp)
            Expect(to, Run(to, AskDeadline, null, "drop", MovedGuest.Word(path)));
    }

    CopyState StateAt(RemoteHost to, string path)
    {
        if (to == givenUp)
            return CopyState.Nothing;
        var result = Run(to, AskDeadline, null, "state", MovedGuest.Word(path));
        return result.ExitCode == 0 && Answers(result) is [var word] && Enum.TryParse<CopyState>(word, ignoreCase: true, out var state) ? state
            : throw new HostFailure($"{to} does not say what became of {path}: pcipass ended there with {result.ExitCode}: {Said(result)}");
    }

    static void Expect(RemoteHost to, ProgramResult result)
    {
        if (result.ExitCode != 0)
            throw new HostFailure($"pcipass on {to} ended with {result.ExitCode}: {Said(result)}");
    }

    ProgramResult Run(RemoteHost to, TimeSpan deadline, string? input, params ReadOnlySpan<string> words)
    {
        string[] arguments = [.. SshOptions, "--", $"{to}", "pcipass", "receive", .. words];
        var result = host.Run("ssh", arguments, deadline, input);
        return result.ExitCode == SshFailed ? throw new HostFailure($"{to} does not answer: {Said(result)}") : result;
    }

    long LengthOf(string path)
    {
        using var image = host.Files.OpenFile(path) ?? throw new HostFailure($"{path} is not there");
        return image.Length;
    }

    static string[] Answers(ProgramResult result) => [.. Lines(result.Output).Where(line => line.StartsWith(Answer, StringComparison.Ordinal)).Select(line => line[Answer.Length..])];

    static IEnumerable<string> Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.TrimEnd('\r'));

    static string Said(ProgramResult result) => string.Join("; ", Lines(result.Errors).Select(line => line.Trim())) is { Length: > 0 } said ? said : "it gave no reason";
}
