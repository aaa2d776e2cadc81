using System.CommandLine;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary><c>pcipass guest</c>: runs inside a guest, and sees to it that functions can come and go there.</summary>
static class GuestCommand
{
    public static Command Create(Session session) => new("guest", "Inside a guest: what it needs for functions to come and go while it runs.")
    {
        CreateCheck(session),
        CreateChange(session, Verb.Setup, "Load what this guest needs for hot-plug, now and at each start, in this system's own way."),
        CreateChange(session, Verb.Undo, "Take out of this system's files what setup has put there. Modules that are loaded stay until the next start."),
        CreateScript(session),
        CreateAgent(session),
    };

    static Command CreateAgent(Session session)
    {
        var command = new Command("agent", "In a Xen PV guest: run until asked to end, and have a function's driver unbound before the host takes the function away.");
        command.SetAction(_ =>
        {
            NeedsGuest(session);
            if (session.Host.Caller.UserId != 0)
            {
                Messages.Write(session.Terminal, "only root can be the guest's agent", "not-root", $"this is user {session.Host.Caller.UserName}", "the same with sudo");
                return ExitCode.Refused;
            }
            using var channel = session.Host.ConnectXenstore() ?? throw new HostFailure("there is no xenstore here (/dev/xen/xenbus): the agent is for Xen's guests");
            using var store = new Xenstore(channel, session.Host.Clock);
            var agent = new GuestAgent(session.Host, store);
            agent.Begin();
            while (!session.Host.IsInterrupted)
            {
                if (agent.Turn(TimeSpan.FromSeconds(2)) is string done)
                    session.Terminal.Output.WriteLine(done);
            }
            agent.End();
            return ExitCode.Done;
        });
        return command;
    }

    static Command CreateCheck(Session session)
    {
        var command = new Command("check", "Tell what this guest needs for hot-plug, and whether it has it. Changes nothing; exit code 1 when hot-plug does not work.");
        command.SetAction(_ =>
        {
            NeedsGuest(session);
            var kernel = GuestKernelReader.Read(session.Host);
            Write(session, kernel);
            return kernel.IsReady ? ExitCode.Done : ExitCode.Refused;
        });
        return command;
    }

    static Command CreateChange(Session session, Verb verb, string description)
    {
        var dryRun = Options.DryRun();
        var command = new Command(verb == Verb.Setup ? "setup" : "undo", description) { dryRun };
        command.SetAction(parsed => Change(session, verb, parsed.GetValue(dryRun)));
        return command;
    }

    static Command CreateScript(Session session)
    {
        var system = new Option<string>("--for") { Description = "The guest's system; rhel5 serves others of its time as well.", HelpName = "rhel5", Required = true };
        system.AcceptOnlyFromAmong("rhel5");
        var command = new Command("script", "Write a shell script that does check, setup and undo in a guest in which this program does not run.") { system };
        command.SetAction(_ =>
        {
            session.Terminal.Output.Write(GuestScript.Text);
            return ExitCode.Done;
        });
        return command;
    }

    static int Change(Session session, Verb verb, bool dryRun)
    {
        NeedsGuest(session);
        var request = new Request(verb, [], null, []);
        if (dryRun)
        {
            var would = GuestKernelReader.Read(session.Host);
            return Refuses(session, verb, would) ? ExitCode.Refused : ChangeCommand.WritePlan(session, new Plan(request, StepsOf(verb, would), []), json: false);
        }
        session.NeedsRealHost(request.VerbName);
        if (session.Host.Caller.UserId != 0)
        {
            Messages.Write(session.Terminal, $"only root can {request.VerbName} hot-plug in a guest", "not-root", $"this is user {session.Host.Caller.UserName}", "the same with sudo; --dry-run needs no root");
            return ExitCode.Refused;
        }
        using var held = session.Journal.Lock(TimeSpan.FromSeconds(120));
        RecoverCommand.RecoverInterrupted(session);
        var kernel = GuestKernelReader.Read(session.Host);
        if (Refuses(session, verb, kernel))
            return ExitCode.Refused;
        var steps = StepsOf(verb, kernel);
        if (steps.IsEmpty)
        {
            session.Terminal.Output.WriteLine("nothing to do: everything is as wished");
        }
        else
        {
            var outcome = session.Executor(json: false).Run(session.Read(), new Plan(request, steps, []));
            if (ChangeCommand.WriteOutcome(session, outcome, json: false) is var code and not ExitCode.Done)
                return code;
        }
        var after = GuestKernelReader.Read(session.Host);
        Write(session, after);
        return verb == Verb.Undo || after.IsReady ? ExitCode.Done : ExitCode.Failed;
    }

    static System.Collections.Immutable.ImmutableArray<Step> StepsOf(Verb verb, GuestKernel kernel) => verb == Verb.Setup ? kernel.Setup() : kernel.Undo();

    static bool Refuses(Session session, Verb verb, GuestKernel kernel)
    {
        if (verb == Verb.Undo || kernel.Obstacle is not string obstacle)
            return false;
        Messages.Write(session.Terminal, "this guest cannot be set up for hot-plug", "guest-module", obstacle, kernel.Platform == GuestPlatform.XenPvh ? "start it as PV or HVM guest" : "install the package that has the module, or another kernel");
        return true;
    }

    /// <exception cref="UsageError">This is Xen's control domain.</exception>
    static void NeedsGuest(Session session)
    {
        if (session.Host.Files.ReadText("/proc/xen/capabilities")?.Contains("control_d", StringComparison.Ordinal) == true)
            throw new UsageError("this is a Xen host, and guest commands run inside a guest", "/proc/xen/capabilities says control_d", "copy this program into the guest, or write a script for it: pcipass guest script --for rhel5");
    }

    static void Write(Session session, GuestKernel kernel)
    {
        var output = session.Terminal.Output;
        output.WriteLine($"this is {kernel.Platform switch { GuestPlatform.XenPv => "a Xen PV guest", GuestPlatform.XenHvm => "a Xen HVM guest", GuestPlatform.XenPvh => "a Xen PVH guest", _ => "a machine with ACPI" }}, kernel {kernel.Release}");
        if (!kernel.Modules.IsEmpty)
        {
            var table = new TextTable("MODULE", "NEEDED", "STATE", "AT EACH START", "WHY");
            foreach (var module in kernel.Modules)
            {
                table.Add(module.Name, module.IsRequired ? "yes" : "perhaps", module.State switch { ModuleState.BuiltIn => "built in", var state => state.ToString().ToLowerInvariant() },
                    module.State == ModuleState.BuiltIn ? "built in" : kernel.KeptBy(module.Name) ?? (kernel.Way == KeepWay.None ? "no: this system has no way that pcipass knows" : "no"), module.Why);
            }
            table.WriteTo(output);
        }
        output.WriteLine(kernel.IsReady ? "hot-plug: ready" : $"hot-plug: does not work: {kernel.Obstacle ?? $"{string.Join(", ", kernel.Modules.Where(module => module is { IsRequired: true, State: ModuleState.Loadable }).Select(module => module.Name))} not loaded; pcipass guest setup     loads it"}");
    }
}
