using System.CommandLine;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary><c>pcipass boot verify</c>: what the next start does with each function, and what contradicts what was wished.</summary>
static class BootVerifyCommand
{
    public static Command Create(Session session)
    {
        var words = new Argument<string[]>("DEV") { Description = "Only these functions; all that could be passed without it.", Arity = ArgumentArity.ZeroOrMore };
        var json = Options.Json();
        var command = new Command("verify", "Tell which driver each function will have after the next start, and why: from the boot menu, the kernel's modules, the initramfs (which is opened and read), modprobe's configuration and "
            + "pcipass' own list. Exit code 1 when something contradicts what is wished.") { words, json };
        command.SetAction(parsed => Run(session, parsed.GetValue(words) ?? [], parsed.GetValue(json)));
        return command;
    }

    static int Run(Session session, string[] words, bool json)
    {
        var snapshot = session.Read();
        var meant = Session.Find(snapshot, words);
        var setup = BootSetupReader.Read(session.Host);
        var forecast = BootForecast.Of(snapshot, setup);
        var functions = forecast.Functions.Where(each => meant.IsEmpty || meant.Contains(each.Address)).ToArray();
        var lines = BootLines.Explain(snapshot, setup.Files);
        var code = forecast.Findings.Any(finding => finding.Severity == Severity.Refuse) ? ExitCode.Refused : ExitCode.Done;
        if (json)
        {
            Json.Write(session, new JsonVerify(
                setup.Entry is { } entry ? new JsonEntry(entry.Title, entry.Place, entry.How, entry.Version, entry.IsXen, entry.Line) : null,
                setup.Image is { } image ? new JsonImage(image.Path, image.Generator, image.Compression, image.IsRead, image.HasPart) : null,
                [.. functions.Select(each => new JsonForecast($"{each.Address}", each.Now, each.Next, each.IsHidden, each.IsCertain, each.Why))],
                [.. lines.Select(line => new JsonBootLine(line.Place, line.Text, line.Does))],
                [.. forecast.Findings.Select(JsonFinding.Of)]));
            return code;
        }
        WriteStart(session.Terminal.Output, setup, forecast);
        WriteFunctions(session.Terminal.Output, snapshot, functions);
        if (!lines.IsEmpty)
        {
            session.Terminal.Output.WriteLine();
            foreach (var (place, text, does) in lines)
                session.Terminal.Output.WriteLine($"{place}: {text}\n    {does}");
        }
        foreach (var finding in forecast.Findings.OrderBy(finding => finding.Severity != Severity.Refuse))
            Write(session.Terminal, finding);
        return code;
    }

    static void WriteStart(TextWriter output, BootSetup setup, BootForecast forecast)
    {
        output.WriteLine(setup.Entry is { } entry
            ? $"next start: {entry.Title} ({entry.How}: {entry.Place}){(entry.Version.Length > 0 ? $", Linux {entry.Version}" : "")}{(entry.IsXen is bool isXen ? isXen ? ", with Xen" : ", without Xen" : "")}"
            : "next start: neither a boot menu nor a kernel's modules were found");
        output.WriteLine(setup.Image is { } image
            ? $"initramfs:  {image.Path} ({image.Generator}, {image.Compression}), {(image.IsRead ? image.HasPart ? "holds pcipass" : "does not hold pcipass" : "not read")}"
            : $"initramfs:  none was found{(forecast.IsKnown ? "" : "; what is told rests on the root file system alone")}");
    }

    static void WriteFunctions(TextWriter output, HostSnapshot snapshot, FunctionForecast[] functions)
    {
        output.WriteLine();
        var table = new TextTable("FUNCTION", "KNOWN AS", "NOW", "NEXT START", "WHY");
        foreach (var each in functions)
        {
            var names = snapshot.Find(each.Address)?.KernelNames ?? [];
            table.Add($"{each.Address}", names.IsEmpty ? "-" : string.Join(",", names), each.Now ?? "-", $"{each.Next ?? "-"}{(each.IsCertain ? "" : "?")}", each.Why);
        }
        table.WriteTo(output);
    }

    static void Write(Terminal terminal, Finding finding)
    {
        if (finding.Severity == Severity.Refuse)
        {
            Messages.Write(terminal, finding);
            return;
        }
        terminal.Errors.WriteLine($"{terminal.Yellow(finding.Severity == Severity.Warn ? "warning:" : "note:")} {finding.What}: {finding.Why}     [{finding.Code}]");
        if (finding.Remedy.Length > 0)
            terminal.Errors.WriteLine($"do:    {finding.Remedy}");
    }
}
