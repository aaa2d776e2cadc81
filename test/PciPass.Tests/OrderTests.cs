using System.Collections.Immutable;
using System.Text;
using PciPass.Cli;
using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;
using Xunit.Abstractions;

namespace PciPass.Tests;

/// <summary>
/// Random sequences of commands, failures, crashes, restarts and guests that come and go, against a small model. At any time each function
/// has one owner, and none is without a driver that had one; undoing everything brings back the first state.
/// </summary>
/// <remarks>
/// <c>PCIPASS_RUNS</c> says how many sequences are tried, <c>PCIPASS_FIRST_SEED</c> from which seed on (so that several processes share a
/// long run), and <c>PCIPASS_SEED</c> tries one again: all tell what failed, in the fewest actions that still fail.
/// <c>PCIPASS_SEED=7 ./build test Any_order</c> is the whole command.
/// </remarks>
public class OrderTests(ITestOutputHelper output)
{
    const int Runs = 150, Length = 30;

    static readonly int FirstSeed = int.TryParse(Environment.GetEnvironmentVariable("PCIPASS_FIRST_SEED"), out var wished) ? wished : 1;

    static readonly string[] Functions = ["07:00.0", "08:00.0", "09:00.0", "00:1f.2"], Guests = ["web1", "db1"];

    [Fact]
    public void Any_order_of_anything_keeps_one_owner_and_can_be_undone() =>
        Try(int.TryParse(Environment.GetEnvironmentVariable("PCIPASS_RUNS"), out var wished) ? wished : Runs);

    [Fact]
    [Trait("Category", "Nightly")]
    public void A_million_actions_in_any_order_keep_one_owner_and_can_be_undone() => Try((1_000_000 / Length) + 1);

    void Try(int runs)
    {
        var only = Environment.GetEnvironmentVariable("PCIPASS_SEED");
        int[] seeds = only is null ? [.. Enumerable.Range(FirstSeed, runs)] : [int.Parse(only)];
        var told = new SortedDictionary<string, int>(StringComparer.Ordinal);
        var actions = 0;
        foreach (var seed in seeds)
        {
            var sequence = Sequence(new Random(seed));
            if (Failure(sequence, told) is not null)
            {
                var fewest = Shrink(sequence);
                Assert.Fail($"PCIPASS_SEED={seed} ./build test Any_order     shows it again: {Failure(fewest, [])}\nafter\n    {string.Join("\n    ", fewest)}");
            }
            actions += sequence.Length;
        }
        output.WriteLine($"{actions} cases: {string.Join(", ", told.Select(each => $"{each.Key} {each.Value}"))}");
        if (only is not null)
            return;
        // What never happens is not tested.
        Assert.True(actions >= 30 * runs);
        Assert.All((string[])["exit 0", "exit 1", "exit 3", "exit 4", "exit 5", "crash", "crash in recovery", "restart"], what => Assert.True(told.GetValueOrDefault(what) >= runs / 30, $"{what}: {told.GetValueOrDefault(what)}"));
    }

    /// <summary>A model that is wrong on purpose is found out, in few actions: else the test above could not fail.</summary>
    [Fact]
    public void A_wrong_expectation_is_found_and_shrunk()
    {
        var sequence = Sequence(new Random(1));
        bool Wrong(IEnumerable<Action> actions) => actions.Any(action => action is Command { Verb: Verb.Attach }) && actions.Any(action => action is Restart);
        sequence = [.. sequence, new Command(Verb.Attach, [0], 0), new Restart(-1)];
        Assert.Equal(2, Shrink(sequence, Wrong).Length);
    }

    // ---- actions -------------------------------------------------------------------------------------------------------------------------

    abstract record Action;

    /// <summary>A command of pcipass, and what goes wrong with it.</summary>
    sealed record Command(Verb Verb, ImmutableArray<int> Functions, int Guest) : Action
    {
        /// <summary>After how many changes it dies; -1 for never.</summary>
        public int Crash { get; init; } = -1;

        /// <summary>After how many changes the recovery dies as well.</summary>
        public int SecondCrash { get; init; } = -1;

        /// <summary>Whether the next command is the one that recovers, not recover.</summary>
        public bool LeftToTheNext { get; init; }

        /// <summary>What fails: paths, with a value where only that fails, and programs.</summary>
        public ImmutableArray<string> Faults { get; init; } = [];
        public int Errno { get; init; }
        public int Times { get; init; }

        /// <summary>Whether the guest does not let go for now, and dies in the end instead.</summary>
        public bool GuestHolds { get; init; }
        public bool GuestDies { get; init; }

        public string Text => $"{Verb.ToString().ToLowerInvariant()} {string.Join(' ', Functions.Select(function => OrderTests.Functions[function]))}{(Verb is Verb.Attach or Verb.Detach ? $" {Guests[Guest]} --live" : "")}";

        public override string ToString() => Text
            + (Crash >= 0 ? $"; dies after {Crash}{(SecondCrash >= 0 ? $", then after {SecondCrash}" : "")}{(LeftToTheNext ? "; left to the next" : "")}" : "")
            + string.Concat(Faults.Select(fault => $"; {fault} fails with {Errno}, {Times} times"))
            + (GuestHolds ? GuestDies ? "; the guest holds on, and dies" : "; the guest holds on for a while" : "");
    }

    sealed record Destroy(int Guest, bool LeavesNodes) : Action
    {
        public override string ToString() => $"{Guests[Guest]} dies{(LeavesNodes ? " and leaves nodes" : "")}";
    }

    sealed record Start(int Guest) : Action
    {
        public override string ToString() => $"{Guests[Guest]} starts";
    }

    /// <summary>The machine restarts; with <c>Torn</c> from 0 on, by a loss of power.</summary>
    sealed record Restart(int Torn) : Action;

    /// <summary>The administrator hides a function with xl alone.</summary>
    sealed record HideByHand(int Function) : Action;

    static ImmutableArray<Action> Sequence(Random random)
    {
        string[] faults =
        [
            "/sys/bus/pci/drivers/e1000e/bind", "/sys/bus/pci/drivers/e1000e/unbind", "/sys/bus/pci/drivers/nvme/bind", "/sys/bus/pci/drivers/pciback/new_slot",
            "/sys/bus/pci/drivers/pciback/bind", "/sys/bus/pci/drivers/pciback/unbind", "/sys/bus/pci/drivers/pciback/remove_slot", "/sys/bus/pci/devices/0000:09:00.0/driver_override pciback",
            "/sys/bus/pci/drivers_probe", "xl pci-assignable-add", "xl pci-assignable-remove", "xl pci-attach", "xl pci-detach",
        ];
        var actions = ImmutableArray.CreateBuilder<Action>();
        for (var n = 0; n < Length; n++)
        {
            var function = random.Next(Functions.Length);
            var command = new Command((Verb)random.Next(4), [.. Enumerable.Range(0, Functions.Length).OrderBy(_ => random.Next()).Take(random.Next(3) == 0 ? random.Next(1, 4) : 1)], random.Next(Guests.Length));
            actions.Add(random.Next(20) switch
            {
                0 => new Destroy(random.Next(Guests.Length), random.Next(2) == 0),
                1 => new Start(random.Next(Guests.Length)),
                2 => random.Next(4) == 0 ? new Restart(random.Next(-1, 6)) : new HideByHand(random.Next(3)),
                <= 6 => command with { Crash = random.Next(45), SecondCrash = random.Next(2) == 0 ? random.Next(20) : -1, LeftToTheNext = random.Next(2) == 0 },
                <= 10 => command with { Faults = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => faults[random.Next(faults.Length)])], Errno = random.Next(2) == 0 ? Host.Errno.EIO : Host.Errno.ENODEV, Times = random.Next(3) == 0 ? 1000 : random.Next(1, 3) },
                11 or 12 => command with { Verb = Verb.Detach, GuestHolds = true, GuestDies = random.Next(2) == 0 },
                _ => command,
            });
        }
        return actions.ToImmutable();
    }

    /// <summary>Takes out what is not needed for the failure, one action at a time.</summary>
    static ImmutableArray<Action> Shrink(ImmutableArray<Action> sequence) => Shrink(sequence, actions => Failure([.. actions], []) is not null);

    static ImmutableArray<Action> Shrink(ImmutableArray<Action> sequence, Func<IEnumerable<Action>, bool> fails)
    {
        for (var again = true; again;)
        {
            again = false;
            for (var at = sequence.Length - 1; at >= 0; at--)
            {
                var without = sequence.RemoveAt(at);
                if (fails(without))
                    (sequence, again) = (without, true);
            }
        }
        return sequence;
    }

    // ---- the model -------------------------------------------------------------------------------------------------------------------------

    /// <summary>Who has a function, and for which guest an attach took it; as the model has it.</summary>
    /// <param name="Owner"><c>host</c>, <c>hidden</c>, or a guest.</param>
    /// <param name="For">Empty when it was hidden by itself.</param>
    /// <param name="Kept">Whether it stays hidden over restarts (on a machine without an initramfs part, whose starts hide nothing).</param>
    readonly record struct Holding(string Owner, string For, bool Kept = false)
    {
        public bool IsAttached => Owner is not ("host" or "hidden");
    }

    sealed class Model
    {
        public Holding[] Holdings { get; set; } = [.. Functions.Select(_ => new Holding("host", ""))];
        public HashSet<string> Running { get; } = [.. Guests];

        /// <summary>What a command leads to when nothing goes wrong; null when it is refused.</summary>
        public Holding[]? After(Command command)
        {
            var guest = Guests[command.Guest];
            var after = Holdings.ToArray();
            var here = command.Functions.Select(function => Holdings[function]).ToArray();
            switch (command.Verb)
            {
                case Verb.Hide when here.Any(holding => holding.IsAttached):
                case Verb.Unhide when here.Any(holding => holding.IsAttached || (holding.Owner == "host" && !holding.Kept)):
                case Verb.Attach when !Running.Contains(guest) || here.Any(holding => holding.IsAttached):
                case Verb.Detach when here.Any(holding => holding.Owner != guest && (holding.Owner != "hidden" || holding.For != guest)):
                    return null;
            }
            foreach (var function in command.Functions)
            {
                after[function] = (command.Verb, Holdings[function]) switch
                {
                    (Verb.Hide, { Owner: "host" }) => new Holding("hidden", "", Kept: true),
                    (Verb.Hide, var holding) => holding with { Kept = true },
                    (Verb.Unhide, _) => new Holding("host", ""),
                    (Verb.Attach, { Owner: "host" } holding) => new Holding(guest, guest, holding.Kept),
                    (Verb.Attach, var holding) => holding with { Owner = guest },
                    (Verb.Detach, { For.Length: > 0 } holding) => new Holding("host", "", holding.Kept),
                    (Verb.Detach, var holding) => new Holding("hidden", "", holding.Kept),
                    var (_, holding) => holding,
                };
            }
            return after;
        }

        public void Die(string guest)
        {
            Running.Remove(guest);
            Holdings = [.. Holdings.Select(holding => holding.Owner == guest ? holding with { Owner = "hidden" } : holding)];
        }
    }

    // ---- a run -----------------------------------------------------------------------------------------------------------------------------

    sealed class Wrong(string message) : Exception(message);

    /// <summary>Runs a sequence.</summary>
    /// <returns>What went wrong; null when nothing did.</returns>
    static string? Failure(ImmutableArray<Action> sequence, SortedDictionary<string, int> told)
    {
        var host = Machines.Make("");
        var model = new Model();
        var first = Comparable(host);
        try
        {
            foreach (var action in sequence)
            {
                try
                {
                    Play(host, model, action, told);
                    CheckAgainst(host, model);
                }
                catch (Wrong wrong)
                {
                    return $"{action}: {wrong.Message}";
                }
            }
            UndoAll(host, model);
            var last = Comparable(host);
            return last == first ? null : $"undoing everything does not bring back the first state:\n{Difference.Of(first, last)}";
        }
        catch (Exception error) when (error is not Wrong)
        {
            return $"{error}";
        }
        catch (Wrong wrong)
        {
            return $"undoing everything: {wrong.Message}";
        }
    }

    static void Play(SimHost host, Model model, Action action, SortedDictionary<string, int> told)
    {
        switch (action)
        {
            case Command command:
                Play(host, model, command, told);
                break;
            case Destroy(var guest, var leavesNodes) when model.Running.Contains(Guests[guest]):
                host.DestroyGuest(Guests[guest], leavesNodes);
                model.Die(Guests[guest]);
                break;
            case Start(var guest) when !model.Running.Contains(Guests[guest]):
                host.StartGuest(Guests[guest]);
                model.Running.Add(Guests[guest]);
                break;
            case Restart(var torn):
                Count(told, "restart");
                if (torn < 0)
                    host.Reboot();
                else
                    host.PowerLoss(torn);
                model.Holdings = [.. model.Holdings.Select((holding, number) => new Holding("host", "", IsKept(host, number, holding.Kept)))];
                model.Running.UnionWith(Guests);
                break;
            case HideByHand(var function) when model.Holdings[function].Owner == "host":
                host.StartProcess();
                host.Run("xl", ["pci-assignable-add", Functions[function]], TimeSpan.FromSeconds(60));
                model.Holdings[function] = new Holding("hidden", "", model.Holdings[function].Kept);
                break;
        }
    }

    /// <summary>A power loss may take an end back that nobody was told of; recovery has put the files back then, and that is as good.</summary>
    static bool IsKept(SimHost host, int function, bool expected)
    {
        if (Told.By(host, "recover") is { ExitCode: not ExitCode.Done } recovered)
            throw new Wrong($"recover: {recovered}");
        return new Journal(host).ReadAll() is [.., { Ending: Ending.Void }]
            ? (host.Files.ReadText("/etc/pcipass/devices") ?? "").Contains($"\n0000:{Functions[function]}  ", StringComparison.Ordinal)
            : expected;
    }

    static void Play(SimHost host, Model model, Command command, SortedDictionary<string, int> told)
    {
        var after = model.After(command);
        if (command.Crash >= 0)
        {
            var operations = new Journal(host).ReadAll().Count;
            if (Told.Dies(host, command.Text, command.Crash))
            {
                Count(told, "crash");
                if (command.SecondCrash >= 0 && Told.Dies(host, "recover", command.SecondCrash))
                    Count(told, "crash in recovery");
                // A command that is refused recovers as well.
                var recovered = Told.By(host, command.LeftToTheNext ? "hide 0a:00.0" : "recover");
                if (recovered.ExitCode != (command.LeftToTheNext ? ExitCode.Refused : ExitCode.Done))
                    throw new Wrong($"recover: {recovered}");
            }
            // Which of both it came to is what the journal says.
            if (after is not null && new Journal(host).ReadAll().Skip(operations).Any(operation => operation.Ending == Ending.Done))
                model.Holdings = after;
            return;
        }
        foreach (var fault in command.Faults)
        {
            if (fault.StartsWith('/'))
                host.Faults.Fail(fault.Split(' ')[0], command.Errno, command.Times, fault.Split(' ').ElementAtOrDefault(1));
            else
                host.Faults.FailProgram(fault, 1, "libxl: error: libxl_pci.c:1:f: it does not want to\n", command.Times);
        }
        var guest = host.FindGuest(Guests[command.Guest]);
        if (command.GuestHolds && guest is not null)
            guest.Habit = FrontendHabit.NeverLetsGo;
        var said = Told.By(host, command.Text);
        host.Faults.Clear();
        Count(told, $"exit {said.ExitCode}");
        if (command.GuestHolds && guest is not null)
        {
            if (command.GuestDies)
            {
                host.DestroyGuest(guest.Name);
                model.Die(guest.Name);
            }
            else
            {
                guest.Habit = FrontendHabit.Prompt;
            }
        }
        switch (said.ExitCode)
        {
            case ExitCode.Refused when after is null:
                return;
            case ExitCode.Done when after is not null:
                break;
            case ExitCode.Pending when after is not null && command.GuestHolds:
                Recover();
                break;
            case ExitCode.Failed when after is not null && command.Faults.Length > 0:
                return;
            case ExitCode.Stuck when after is not null && command.Faults.Length > 0:
                Recover();
                return;
            default:
                throw new Wrong($"expected {(after is null ? "a refusal" : "success")}: {said}");
        }
        model.Holdings = [.. after.Select(holding => holding.IsAttached && !model.Running.Contains(holding.Owner) ? holding with { Owner = "hidden" } : holding)];

        void Recover()
        {
            var recovered = Told.By(host, "recover");
            if (recovered.ExitCode != ExitCode.Done)
                throw new Wrong($"{said}\nrecover: {recovered}");
        }
    }

    /// <summary>Each function's owner as the host shows it.</summary>
    static string[] Observed(SimHost host) =>
        [.. Functions.Select(function => host.Guests.FirstOrDefault(guest => guest.Functions.Values.Any(has => has == host.Function(function)))?.Name ?? (host.Function(function).Driver == "pciback" ? "hidden" : "host"))];

    static void CheckAgainst(SimHost host, Model model)
    {
        var kept = host.Files.ReadText("/etc/pcipass/devices") ?? "";
        if (Functions.Index().FirstOrDefault(each => kept.Contains($"\n0000:{each.Item}  ", StringComparison.Ordinal) != model.Holdings[each.Index].Kept) is { Item: string wrong })
            throw new Wrong($"{wrong} is kept hidden or not otherwise than expected:\n{kept}");
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        var expected = model.Holdings.Select(holding => holding.Owner).ToArray();
        if (!Observed(host).SequenceEqual(expected))
            throw new Wrong($"owners are {string.Join(' ', Observed(host))}, expected {string.Join(' ', expected)}");
        string?[] drivers = ["nvme", "e1000e", "e1000e", null];
        foreach (var (number, name) in Functions.Index())
        {
            var function = host.Function(name);
            var owners = host.Guests.Where(guest => guest.Functions.Values.Contains(function)).ToArray();
            if (owners.Length > 1)
                throw new Wrong($"{name} has {owners.Length} owners");
            var confined = host.OwnerOf(function.Address);
            if (expected[number] == "host" && (function.Driver != drivers[number] || function.DriverOverride is not null || confined != "dom0"))
                throw new Wrong($"the host has {name} with driver {function.Driver ?? "none"}, override {function.DriverOverride ?? "none"}, and its DMA goes to {confined}");
            if (expected[number] == "hidden" && (function.Driver != "pciback" || confined != "d[IO]"))
                throw new Wrong($"{name} is hidden with driver {function.Driver ?? "none"}, and its DMA goes to {confined}");
            if (model.Holdings[number].IsAttached && (function.Driver != "pciback" || confined != $"domid {owners[0].DomId}"))
                throw new Wrong($"{expected[number]} has {name} with driver {function.Driver ?? "none"}, and its DMA goes to {confined}");
        }
    }

    static void UndoAll(SimHost host, Model model)
    {
        foreach (var guest in Guests.Where(guest => !model.Running.Contains(guest)))
        {
            host.StartGuest(guest);
            model.Running.Add(guest);
        }
        foreach (var (number, function) in Functions.Index())
        {
            if (model.Holdings[number].IsAttached)
                Play(host, model, new Command(Verb.Detach, [number], Array.IndexOf(Guests, model.Holdings[number].Owner)), []);
            if (model.Holdings[number] is { Owner: "hidden" } or { Kept: true })
                Play(host, model, new Command(Verb.Unhide, [number], 0), []);
        }
        CheckAgainst(host, model);
        // A power loss may take an end back that nobody was told of; the restart has made it void.
        if (Told.By(host, "recover") is { ExitCode: not ExitCode.Done } recovered)
            throw new Wrong($"recover: {recovered}");
        if (new Journal(host).ReadAll().FirstOrDefault(operation => operation.Ending == Ending.None) is Operation open)
            throw new Wrong($"operation {open.Number} is {open.State}");
    }

    static void Count(SortedDictionary<string, int> told, string what) => told[what] = told.GetValueOrDefault(what) + 1;

    /// <summary>
    /// The host without what mere use leaves: the domids count up, xl keeps the former driver's path, dead guests' nodes
    /// stay, and the kernel numbers network interfaces in the order in which they come.
    /// </summary>
    static string Comparable(SimHost host)
    {
        var text = new StringBuilder();
        foreach (var line in host.ToText().Split('\n'))
        {
            if (line.StartsWith("xenstore ", StringComparison.Ordinal))
                continue;
            text.Append(line.StartsWith("guest ", StringComparison.Ordinal) ? line[..line.IndexOf(" domid=", StringComparison.Ordinal)] : line.Split(" name=eth")[0]).Append('\n');
        }
        return text.ToString();
    }
}
