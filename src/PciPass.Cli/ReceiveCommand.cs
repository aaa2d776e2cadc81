using System.CommandLine;
using System.Globalization;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary>
/// <c>pcipass receive</c>: the other end of "pcipass migrate", which starts it over ssh. It answers in lines that begin with
/// <see cref="GuestMover.Answer"/>. Starting the guest and dropping its copy go under the one lock and by the journal here, so that of the two
/// only one can ever come about.
/// </summary>
static class ReceiveCommand
{
    public static Command Create(Session session)
    {
        var command = new Command("receive", "The other end of \"pcipass migrate\", which runs it here over ssh. Not meant for people; \"pcipass history\" tells what it did.");
        Argument<string> version = new("VERSION"), path = new("IMAGE"), record = new("RECORD");
        Argument<string> length = new("LENGTH"), toolstack = new("TOOLSTACK"), guest = new("GUEST");
        toolstack.AcceptOnlyFromAmong("xen", "libvirt");
        command.Subcommands.Add(Sub("ask", "Tell whether a guest could be taken.", [version, path, record, toolstack, length], parsed => Ask(session, MovedGuest.ReadWord(parsed.GetValue(version)!), Path(parsed), Record(parsed), Stack(parsed), Length(parsed))));
        command.Subcommands.Add(Sub("copy", "Take its image from the input.", [path, record, length], parsed => Copy(session, Path(parsed), Record(parsed), Length(parsed))));
        command.Subcommands.Add(Sub("start", "Start it, and give it its functions.", [path], parsed => Start(session, Path(parsed))));
        command.Subcommands.Add(Sub("state", "Tell what there is of it.", [path], parsed => State(session, Path(parsed))));
        command.Subcommands.Add(Sub("drop", "Remove its image, unless it was started.", [path], parsed => Drop(session, Path(parsed))));
        command.Subcommands.Add(Sub("runs", "Tell whether a guest that moves while it runs has come.", [guest, toolstack], parsed => Runs(session, GuestName.Parse(MovedGuest.ReadWord(parsed.GetValue(guest)!)), Stack(parsed))));
        command.Subcommands.Add(Sub("equip", "Give a guest that has come while it ran its functions.", [record], parsed => Equip(session, Record(parsed))));
        return command;

        Toolstack Stack(ParseResult parsed) => parsed.GetValue(toolstack) == "xen" ? Toolstack.Xen : Toolstack.Libvirt;
        string Path(ParseResult parsed) => MovedGuest.ReadPath(parsed.GetValue(path)!);
        long Length(ParseResult parsed) => long.TryParse(parsed.GetValue(length), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : throw new FormatException($"\"{parsed.GetValue(length)}\" is no length");
        SavedGuest Record(ParseResult parsed) => SavedGuest.Parse(MovedGuest.ReadWord(parsed.GetValue(record)!));

        Command Sub(string name, string description, Argument<string>[] arguments, Func<ParseResult, int> act)
        {
            var sub = new Command(name, description);
            foreach (var argument in arguments)
                sub.Arguments.Add(argument);
            sub.SetAction(parsed =>
            {
                session.NeedsRealHost("receive");
                if (RestoreCommand.RefusesUser(session, "receive guests"))
                    return ExitCode.Refused;
                try
                {
                    return act(parsed);
                }
                catch (FormatException error)
                {
                    throw new UsageError("this is not what another pcipass says", error.Message, "pcipass migrate GUEST HOST     on the host that has the guest");
                }
            });
            return sub;
        }
    }

    static int Ask(Session session, string version, string path, SavedGuest record, Toolstack toolstack, long size)
    {
        if (version != CommandLine.Version)
        {
            Answer(session, $"refused\tother-version\tguest {record.Guest} cannot be taken\tpcipass here is {CommandLine.Version}, and there {version}\tinstall the same pcipass on both hosts");
            return ExitCode.Refused;
        }
        var image = new GuestImage(path) { HasFolder = true, Record = record, Toolstack = toolstack, Size = size, Room = session.Host.Files.Room(path) };
        if (toolstack == Toolstack.Libvirt && GuestMover.HasComeByLibvirt(session.Host, record.Guest) is null)
        {
            Answer(session, $"refused\tno-libvirt\tguest {record.Guest} cannot be taken\tno libvirt listens here\tstart libvirtd, or virtqemud");
            return ExitCode.Refused;
        }
        var (start, _, _) = RestoreCommand.Ask(session.Read(), Wish, image);
        foreach (var finding in start.Refusals)
            Answer(session, string.Join('\t', ((string[])["refused", finding.Code, finding.What, finding.Why, finding.Remedy]).Select(text => text.Replace('\t', ' ').Replace('\n', ' '))));
        var state = StateOf(session, path);
        if (state != CopyState.Nothing)
            Answer(session, $"refused\timage-place\tguest {record.Guest} cannot be taken\t{path} is {Word(state)} here\tpcipass history");
        if (start.IsRefused || state != CopyState.Nothing)
            return ExitCode.Refused;
        Answer(session, "ready");
        return ExitCode.Done;
    }

    /// <summary>The lock is not held meanwhile: it takes long, and nobody starts what has no record yet.</summary>
    static int Copy(Session session, string path, SavedGuest record, long length)
    {
        var files = session.Host.Files;
        files.MakeDirectory(MovedGuest.Folder);
        if (files.Look(MovedGuest.Folder)?.Foreign is string foreign)
            throw new HostFailure($"{MovedGuest.Folder} {foreign}");
        files.CreateFile(path, []);
        var got = Fill(session, path);
        if (got != length)
        {
            files.RemoveFile(path);
            throw new HostFailure($"{got} bytes came of {length}: the connection was cut off");
        }
        files.CreateFile($"{path}.pcipass", System.Text.Encoding.UTF8.GetBytes(record.ToText()));
        return State(session, path);
    }

    static long Fill(Session session, string path)
    {
        var (files, got) = (session.Host.Files, 0L);
        try
        {
            using var input = session.Host.OpenInput();
            var block = new byte[1 << 20];
            for (int count; (count = input.ReadAtLeast(block, block.Length, throwOnEndOfStream: false)) > 0; got += count)
                files.Append(path, block.AsSpan(0, count), flush: false);
            files.Append(path, [], flush: true);
            return got;
        }
        catch (Exception failure) when (failure is HostFailure or IOException)
        {
            files.RemoveFile(path);
            throw;
        }
    }

    static int Start(Session session, string path)
    {
        using var held = session.Journal.Lock(ChangeCommand.LockDeadline);
        RecoverCommand.RecoverInterrupted(session);
        if (StateOf(session, path) == CopyState.Started)
            return ExitCode.Done;
        var code = RestoreCommand.Start(session, Wish, path, dryRun: false, json: false, isMove: true);
        // Where a function did not go in, the same can be tried again by hand, and for that they are needed.
        if (code == ExitCode.Done)
            Remove(session, path);
        return code;
    }

    static int Runs(Session session, GuestName guest, Toolstack toolstack)
    {
        Answer(session, GuestMover.RunsHere(session.Host, guest, toolstack) ? GuestMover.Yes : GuestMover.No);
        return ExitCode.Done;
    }

    static int Equip(Session session, SavedGuest record)
    {
        using var held = session.Journal.Lock(ChangeCommand.LockDeadline);
        RecoverCommand.RecoverInterrupted(session);
        var snapshot = session.Read();
        var guest = snapshot.Guests.FirstOrDefault(guest => guest.Name == record.Guest && guest.Uuid == record.Uuid);
        var image = new GuestImage(MovedGuest.PathOf(record.Guest, session.Host.Clock.GetUtcNow())) { HasFolder = true, Record = record, Toolstack = guest?.Start.Toolstack ?? default };
        return guest is not null
            ? RestoreCommand.Start(session, snapshot, Wish, image, dryRun: false, json: false, isMove: true)
            : throw new HostFailure($"guest {record.Guest} does not run here");
    }

    /// <summary>Asked under the lock: whoever is about to start it has either not begun, and will find what this answer leads to, or has come to an end.</summary>
    static int State(Session session, string path)
    {
        using var held = session.Journal.Lock(ChangeCommand.LockDeadline);
        RecoverCommand.RecoverInterrupted(session);
        var state = StateOf(session, path);
        // Once a started guest has all its functions, its image goes; without its record it is of use to nobody.
        if (state == CopyState.Started && !session.Host.Files.Exists($"{path}.pcipass"))
            Remove(session, path);
        Answer(session, Word(state));
        return ExitCode.Done;
    }

    static int Drop(Session session, string path)
    {
        using var held = session.Journal.Lock(ChangeCommand.LockDeadline);
        RecoverCommand.RecoverInterrupted(session);
        var state = StateOf(session, path);
        if (state is CopyState.Started or CopyState.Unknown)
        {
            Messages.Write(session.Terminal, $"{path} cannot be dropped", "started-already", state == CopyState.Started ? "the guest was started from it" : "the guest was about to be started from it when this host was restarted", "pcipass history     tells how far that came");
            return ExitCode.Refused;
        }
        Remove(session, path);
        Answer(session, Word(CopyState.Nothing));
        return ExitCode.Done;
    }

    /// <summary>The record first: without it, an image is none.</summary>
    static void Remove(Session session, string path)
    {
        foreach (var each in (string[])[$"{path}.pcipass", path])
        {
            if (session.Host.Files.Exists(each))
                session.Host.Files.RemoveFile(each);
        }
    }

    static Request Wish => new(Verb.Restore, [], null, []) { Homecoming = Homecoming.Equivalent };

    static CopyState StateOf(Session session, string path) => MovedGuest.StateOf(session.Journal.ReadAll(), GuestImageReader.Read(session.Host.Files, path));

    static string Word(CopyState state) => state.ToString().ToLowerInvariant();

    static void Answer(Session session, string line) => session.Terminal.Output.WriteLine($"{GuestMover.Answer}{line}");
}
