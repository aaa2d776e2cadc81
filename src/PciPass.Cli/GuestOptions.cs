using System.CommandLine;
using PciPass.Core;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary>The options of attach and detach that say which half is meant: the running guest, or its configuration.</summary>
sealed class GuestOptions
{
    readonly Option<bool> live = new("--live") { Description = "Only the running guest; its configuration file stays as it is." };
    readonly Option<bool> config = new("--config") { Description = "Only the guest's configuration file, from its next start on; a running guest stays as it is." };
    readonly Option<string> file = new("--guest-file") { Description = "The guest's configuration file, where it is not in /etc/xen or /etc/xen/auto.", HelpName = "FILE" };

    public static GuestOptions AddTo(Command command)
    {
        var options = new GuestOptions();
        command.Options.Add(options.live);
        command.Options.Add(options.config);
        command.Options.Add(options.file);
        return options;
    }

    public Request Apply(ParseResult parsed, Request request)
    {
        var (onlyLive, onlyConfig) = (parsed.GetValue(live), parsed.GetValue(config));
        return request with
        {
            Scope = onlyLive == onlyConfig ? Scope.Now | Scope.Boot : onlyLive ? Scope.Now : Scope.Boot,
            GuestFile = parsed.GetValue(file) is string path ? Path.GetFullPath(path) : null,
        };
    }

    /// <summary>The host with the file that was named as the guest's own.</summary>
    /// <exception cref="UsageError">It is no configuration of that guest.</exception>
    public static HostSnapshot WithFile(Session session, Request request, HostSnapshot host)
    {
        if (request.GuestFile is not string path)
            return host;
        if (GuestFileReader.ReadFile(session.Host.Files, path, host.NamesForGuests) is not GuestFile file)
            throw new UsageError($"\"{path}\" is no guest's configuration file", "it is not there, is no file, or is longer than 1 MiB", "--guest-file FILE names an existing file");
        return file.Guest == $"{request.Guest!.Value.Name}" ? HostReader.WithGuestFile(host, file)
            : throw new UsageError($"\"{path}\" is no configuration of {request.Guest}", $"it is one of \"{file.Guest}\"", "name the guest that the file is for");
    }
}
