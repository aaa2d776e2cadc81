using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using PciPass.Core;

namespace PciPass.Host;

/// <summary>
/// The operations on disk, one file each below <c>/var/lib/pcipass/journal</c>, and the lock that lets one writer at a time plan
/// and act. Readers take no lock and never wait: files appear whole, and then are only added to.
/// </summary>
public sealed class Journal(HostSystem host)
{
    const string Folder = "/var/lib/pcipass/journal";
    const string StateFolder = "/var/lib/pcipass";
    const string RunFolder = "/run/pcipass";

    /// <summary>All operations, the oldest first.</summary>
    /// <exception cref="HostFailure">A file cannot be read, or is damaged; the message names it.</exception>
    public IReadOnlyList<Operation> ReadAll()
    {
        List<Operation> operations = [];
        RefuseForeign(StateFolder);
        RefuseForeign(Folder);
        foreach (var name in host.Files.List(Folder))
        {
            if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out _))
                continue;
            try
            {
                // What it says is done to the host, as root. A link would be read, but never written to.
                RefuseForeign($"{Folder}/{name}");
                if (host.Files.ReadAll($"{Folder}/{name}") is not byte[] bytes)
                    continue;
                if (Operation.Parse(Encoding.UTF8.GetString(bytes)) is Operation operation)
                    operations.Add(operation);
            }
            catch (FormatException error)
            {
                throw new HostFailure($"the journal {Folder}/{name} cannot be read: {error.Message}. Nothing is done before it is mended or moved away.");
            }
        }
        return operations;
    }

    /// <summary>Takes the lock that planning and acting need.</summary>
    /// <exception cref="HostFailure">Another pcipass holds it past the deadline.</exception>
    public IDisposable Lock(TimeSpan deadline)
    {
        RefuseForeign(RunFolder);
        RefuseForeign($"{RunFolder}/lock");
        RefuseForeign(StateFolder);
        RefuseForeign(Folder);
        host.Files.MakeDirectory(RunFolder);
        var held = host.Files.Lock($"{RunFolder}/lock", deadline)
            ?? throw new HostFailure($"another pcipass is at work and holds {RunFolder}/lock for more than {deadline.TotalSeconds:0} s");
        try
        {
            FlushNewest();
            return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <summary>
    /// What others can write says nothing that may be done as root: somebody could have anything undone by it, or keep everybody waiting
    /// behind his lock.
    /// </summary>
    void RefuseForeign(string path)
    {
        if (host.Files.Look(path)?.Foreign is string foreign)
            throw new HostFailure($"{path} {foreign}. Nothing is done before it is mended or moved away.");
    }

    /// <summary>
    /// A process that died may have left its last line in memory alone. What is built upon it must not outlive it: files that the next
    /// operation changes would then be neither as the former one found them nor as it left them.
    /// </summary>
    void FlushNewest()
    {
        var newest = host.Files.List(Folder).Where(name => int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out _)).LastOrDefault();
        if (newest is not null && host.Files.Look($"{Folder}/{newest}")?.Foreign is null)
            host.Files.Append($"{Folder}/{newest}", [], flush: true);
    }

    /// <summary>Writes a plan down, whole and flushed, before anything is done.</summary>
    public OpenOperation Begin(HostSnapshot snapshot, Plan plan)
    {
        var number = 1;
        foreach (var name in host.Files.List(Folder))
        {
            // A torn file keeps its number: it may be the trace of something.
            if (int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var used) && used >= number)
                number = used + 1;
        }
        var caller = host.Caller;
        var operation = new Operation
        {
            Number = number,
            Request = plan.Request,
            BootId = snapshot.BootId,
            Began = host.Clock.GetUtcNow(),
            User = caller.SudoUser is string user ? $"{caller.UserName} (for {user})" : caller.UserName,
            Steps = plan.Steps,
            Identities = plan.Request.Functions.ToImmutableSortedDictionary(function => function, function => (snapshot.Find(function)?.Identity ?? snapshot.Devices.Find(function)?.Identity)!),
            Names = snapshot.Names.Where(name => plan.Request.Functions.Contains(name.Value)).ToImmutableSortedDictionary(StringComparer.Ordinal),
        };
        host.Files.MakeDirectory(Folder);
        host.Files.CreateFile(PathOf(number), Encoding.UTF8.GetBytes(operation.Head()));
        return new OpenOperation(this, operation);
    }

    /// <summary>Takes up an operation that has not ended. A torn last line is closed first, so that what follows stands on its own.</summary>
    public OpenOperation Reopen(Operation operation)
    {
        var path = PathOf(operation.Number);
        if (host.Files.ReadAll(path) is { Length: > 0 } bytes && bytes[^1] != (byte)'\n')
            Append(operation.Number, $"{Operation.TornLineEnd}\n", flush: false);
        return new OpenOperation(this, operation);
    }

    internal void Append(int number, string line, bool flush) => host.Files.Append(PathOf(number), Encoding.UTF8.GetBytes(line), flush);

    internal DateTimeOffset Now => host.Clock.GetUtcNow();

    static string PathOf(int number) => $"{Folder}/{number:d8}";
}
