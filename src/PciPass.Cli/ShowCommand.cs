using System.CommandLine;
using System.Text;
using PciPass.Core;
using PciPass.Core.Rules;

namespace PciPass.Cli;

/// <summary><c>pcipass show DEV...</c>: all that is known of functions.</summary>
static class ShowCommand
{
    public static Command Create(Session session)
    {
        var devices = Options.Devices();
        devices.Arity = ArgumentArity.ZeroOrMore;
        var all = new Option<bool>("--all") { Description = "Every function of the host." };
        var json = Options.Json();
        var command = new Command("show", "Show all that is known of functions.") { devices, all, json };
        command.SetAction(parsed => Run(session, parsed.GetValue(devices) ?? [], parsed.GetValue(all), parsed.GetValue(json)));
        return command;
    }

    /// <summary>The nodes through which a program gets it: its own (iommufd, Linux 6.6), and its group's.</summary>
    static IEnumerable<string> Nodes(Session session, PciFunction function) =>
        session.Host.Files.List($"/sys/bus/pci/devices/{function.Address}/vfio-dev").Select(name => $"/dev/vfio/devices/{name}").Append($"/dev/vfio/{function.IommuGroup}");

    static int Run(Session session, string[] words, bool all, bool json)
    {
        if (all == words.Length > 0)
            throw new UsageError(all ? "show takes functions or --all" : "show needs a function", all ? "--all is every one of them" : "none was named", "pcipass show 09:00.0; pcipass show --all");
        var snapshot = session.Read();
        var addresses = all ? [.. snapshot.Functions.Keys] : Session.Find(snapshot, words);
        foreach (var address in addresses.Where(address => snapshot.Find(address) is null))
        {
            Messages.Write(session.Terminal, Catalogue.Check(snapshot, new Request(Verb.Hide, [address], null, [])).First(finding => finding.Subject == address.ToString()));
            return ExitCode.Refused;
        }
        var functions = addresses.Select(snapshot.Find).OfType<PciFunction>().Select(function => (Function: function, State: FunctionState.Of(snapshot, function)));
        if (json && words.Length == 1)
        {
            var (function, state) = functions.First();
            Json.Write(session, JsonFunction.Of(session, snapshot, function, state));
        }
        else if (json)
        {
            Json.Write(session, new JsonList(functions.Select(each => JsonFunction.Of(session, snapshot, each.Function, each.State)), [.. FunctionState.AboutTheHost(snapshot).Select(JsonFinding.Of)]));
        }
        else
        {
            Write(session, snapshot, functions);
        }
        return ExitCode.Done;
    }

    /// <summary>A block for each function, with an empty line between; written in pieces, since a host may have thousands.</summary>
    static void Write(Session session, HostSnapshot snapshot, IEnumerable<(PciFunction Function, FunctionState State)> functions)
    {
        const int Piece = 1 << 15;
        var text = new StringBuilder();
        foreach (var (number, (function, state)) in functions.Index())
        {
            if (number > 0)
                text.Append('\n');
            Write(text, session, snapshot, function, state);
            if (text.Length < Piece)
                continue;
            session.Terminal.Output.Write(text);
            text.Clear();
        }
        session.Terminal.Output.Write(text);
    }

    static void Write(StringBuilder text, Session session, HostSnapshot snapshot, PciFunction function, FunctionState state)
    {
        var address = function.Address;
        Row("function", function.Address.ToString());
        Row("name", session.NameOf(snapshot, function));
        Row("class", $"{function.Class.Name} ({function.Class})");
        Row("ids", $"{function.Ids}, board {function.Ids.SubVendor:x4}:{function.Ids.SubDevice:x4}");
        Row("serial number", function.Identity.SerialNumber is ulong serial ? $"{serial:x16}" : "none");
        Row("place", $"{function.Identity.Path}{(function.Parent is PciAddress parent ? $" (below bridge {parent})" : " (on a root bus)")}");
        Row("driver", function.Driver?.ToString() ?? "none");
        Row("driver_override", snapshot.Unfinished.Any(open => open.Address == address) ? "not read while an operation is under way" : function.DriverOverride?.ToString() ?? "none");
        Row("known as", function.KernelNames.IsEmpty ? "nothing" : string.Join(", ", function.KernelNames));
        Row("interrupt pin", function.InterruptPin is 0 or > 4 ? "none" : $"INT{(char)('A' + function.InterruptPin - 1)}");
        if (NotPassable.ReasonAgainst(function) is null)
        {
            var (grade, reason) = snapshot.Isolation.GradeOf(function);
            Row("DMA", $"{grade.ToString().ToLowerInvariant()}{(reason.Length > 0 ? $": {reason}" : "")}");
            Row("resets", function.Resets?.Text() ?? "not known");
        }
        if (function.AccessControl is AccessControl control)
            Row("ACS", control.ToString());
        if (function.NumaNode is int node and >= 0)
            Row("memory node", $"{node}");
        if (function.IommuGroup is int group)
            Row("IOMMU group", $"{group}");
        if (snapshot.Hypervisor == Hypervisor.None && snapshot.IsHeld(function))
            Row("VFIO", string.Join(", ", Nodes(session, function)));
        if (function.PhysicalFunction is PciAddress physical)
            Row("virtual function of", $"{physical}");
        foreach (var use in snapshot.UsesOf(address))
            Row("used by the host", $"{use.Name}: {use.Text}");
        foreach (var claim in snapshot.Claims.Where(claim => claim.Address == address))
            Row("claimed", $"by guest {claim.Guest} in {claim.Source}");
        foreach (var taken in snapshot.Taken.Where(taken => taken.Address == address))
            Row("taken", $"by operation {taken.Operation}; before: driver {taken.Driver?.ToString() ?? "none"}, driver_override {taken.DriverOverride?.ToString() ?? "none"}");
        Row("state", $"{state.Word}{(state.Reason.Length > 0 ? $": {state.Reason}" : "")}{(state.Code.Length > 0 ? $"     [{state.Code}]" : "")}");

        void Row(string name, string value) => text.Append($"{name + ":",-20} {value}\n");
    }
}
