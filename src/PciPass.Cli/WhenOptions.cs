using System.CommandLine;
using PciPass.Core;

namespace PciPass.Cli;

/// <summary>The options of hide and unhide that say when, and by whom from the next start on.</summary>
sealed class WhenOptions
{
    readonly Option<bool> now = new("--now") { Description = "Only now, on the running host; the next start is as it would have been." };
    readonly Option<bool> boot = new("--boot") { Description = "Only from the next start on; the running host stays as it is." };
    readonly Option<string> ifMoved = new("--if-moved") { Description = "When bus numbers have moved: refuse (the default) hides nothing, follow hides the function where it is then.", HelpName = "POLICY" };
    readonly Option<string> method = new("--method") { Description = "By whom from the next start on: initramfs (the default: by identity), or the kernel by address: modprobe (its configuration), cmdline (its command line).", HelpName = "METHOD" };
    bool hasPolicy;

    public static WhenOptions AddTo(Command command, Verb verb)
    {
        var options = new WhenOptions { hasPolicy = verb == Verb.Hide };
        command.Options.Add(options.now);
        command.Options.Add(options.boot);
        options.ifMoved.AcceptOnlyFromAmong("refuse", "follow");
        options.method.AcceptOnlyFromAmong("initramfs", "modprobe", "cmdline");
        if (options.hasPolicy)
        {
            command.Options.Add(options.ifMoved);
            command.Options.Add(options.method);
        }
        return options;
    }

    public Request Apply(ParseResult parsed, Request request)
    {
        var (onlyNow, onlyBoot) = (parsed.GetValue(now), parsed.GetValue(boot));
        return request with
        {
            Scope = onlyNow == onlyBoot ? Scope.Now | Scope.Boot : onlyNow ? Scope.Now : Scope.Boot,
            IfMoved = hasPolicy && parsed.GetValue(ifMoved) == "follow" ? MovePolicy.Follow : MovePolicy.Refuse,
            Method = !hasPolicy ? HideMethod.Initramfs : parsed.GetValue(method) switch { "modprobe" => HideMethod.Modprobe, "cmdline" => HideMethod.Cmdline, _ => HideMethod.Initramfs },
        };
    }
}
