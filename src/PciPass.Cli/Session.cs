using System.Collections.Immutable;
using PciPass.Core;
using PciPass.Core.Formats;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary>What every command works with: the host, its journal, and where to write.</summary>
sealed class Session(HostSystem host, Terminal terminal)
{
    PciIdsFile? names;

    public HostSystem Host { get; private set; } = host;
    public Terminal Terminal { get; } = terminal;
    public Journal Journal { get; private set; } = new(host);

    /// <summary>From here on, another host is meant than the one that this program runs on.</summary>
    public void Use(HostSystem other) => (Host, Journal) = (other, new Journal(other));

    /// <exception cref="UsageError">The host is a record, which cannot be changed.</exception>
    public void NeedsRealHost(string verb)
    {
        if (Host.IsRecorded)
            throw new UsageError($"a recorded host cannot be changed, so there is nothing to {verb}", "--host names a record of another host", "the same with --dry-run, check or list");
    }

    /// <summary>From here on, the system that is mounted there is meant, and not the running host.</summary>
    /// <exception cref="UsageError">Nothing is mounted there that looks like a system.</exception>
    public void UseRoot(string folder)
    {
        var root = Path.GetFullPath(folder).TrimEnd('/');
        if (root.Length == 0 || !Host.Files.Exists($"{root}/etc"))
            throw new UsageError($"\"{folder}\" is no system's root", root.Length == 0 ? "it is the running host's own" : $"{root}/etc does not exist", "mount the system, and name the folder that its /etc is in");
        Use(new ImageSystem(Host, root));
    }

    public HostSnapshot Read(Detail detail = Detail.All)
    {
        var snapshot = HostReader.Read(Host, Journal, detail);
        foreach (var sentence in snapshot.Unread)
            Terminal.Errors.WriteLine($"{Terminal.Yellow("note:")}  {sentence}");
        return snapshot;
    }

    /// <summary>An executor that tells its acts as they begin; with <paramref name="json"/> it is silent.</summary>
    public Executor Executor(bool json, RemoteHost? givenUp = null) => new(Host, Journal, (mark, step) =>
    {
        HasActed = true;
        if (!json)
            Terminal.Errors.WriteLine(mark == Mark.Undoing ? $"  undo: {step.Sentence}" : $"  {step.Sentence}");
    }, json ? null : sentence => Terminal.Errors.WriteLine($"{Terminal.Yellow("note:")}  {sentence}"), givenUp);

    /// <summary>Whether anything was done to the host.</summary>
    public bool HasActed { get; private set; }

    /// <summary>Vendor and device in words, from the list of ids that the distribution installs.</summary>
    public string NameOf(HostSnapshot snapshot, PciFunction function)
    {
        names ??= PciIdsReader.Read(Host.Files, snapshot.Functions.Values.Select(each => each.Ids)).Names;
        return names.Name(function.Ids);
    }

    /// <summary>Finds the functions that words on the command line mean: addresses, libvirt's node device names, the kernel's names.</summary>
    /// <exception cref="UsageError">A word means none.</exception>
    public static ImmutableArray<PciAddress> Find(HostSnapshot snapshot, IEnumerable<string> words)
    {
        var found = ImmutableArray.CreateBuilder<PciAddress>();
        foreach (var word in words)
        {
            if (word.StartsWith('-'))
                throw new UsageError($"\"{word}\" is no option of this command", "only what --help lists is one", "the same with --help");
            if (!PciAddress.TryParse(word, out var address) && !PciAddress.TryParseNodeDevice(word, out address) && !snapshot.Names.TryGetValue(word, out address))
                throw new UsageError($"\"{word}\" is no function of this host",
                    "it is neither an address like 0000:09:00.0 or 09:00.0, nor a name of the kernel's like eth1 or nvme0n1, nor one of libvirt's like pci_0000_09_00_0",
                    "pcipass list     shows every function with its names");
            if (!found.Contains(address))
                found.Add(address);
        }
        return found.ToImmutable();
    }

    /// <exception cref="UsageError">It cannot be a guest's name.</exception>
    public static GuestReference Guest(string word) => GuestReference.TryParse(word, out var guest)
        ? guest
        : throw new UsageError($"\"{word}\" cannot be a guest's name", "a name is no number or address, begins with no dash, and holds no slash or white space", "xl list     shows the guests");
}

/// <summary>The command line asks for something that cannot be meant.</summary>
sealed class UsageError(string what, string why, string remedy) : Exception(what)
{
    public string Why => why;
    public string Remedy => remedy;
}
