using System.Collections.Immutable;
using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>Which configuration files of guests change, and how, so that a guest has functions at its next start, or no longer.</summary>
static class GuestFilePlanner
{
    /// <summary>The edits, or why a file cannot be changed.</summary>
    public static (ImmutableArray<Step> Steps, ImmutableArray<BootProblem> Problems) Plan(HostSnapshot host, Request request)
    {
        if (request is not { IsBoot: true, Verb: Verb.Attach or Verb.Detach, Guest: GuestReference guest })
            return ([], []);
        var files = host.FilesOf(guest).ToArray();
        if (files.Length > 0 && host.DefinitionsOf(guest).FirstOrDefault() is GuestDefinition other)
            return ([], [new BootProblem($"{files[0].Path} and {other.Source} are each a configuration of guest {guest}", $"say which is meant: xen:{guest.Name} or libvirt:{guest.Name}")]);
        // The one that names a function already is the one that counts.
        if (request.Verb == Verb.Attach && files.Length > 1)
            return ([], [new BootProblem($"{string.Join(" and ", files.Select(file => file.Path))} are each a configuration of guest {guest}", $"pcipass attach {string.Join(' ', request.Functions)} {guest} --guest-file {files[0].Path}     says which")]);
        var steps = ImmutableArray.CreateBuilder<Step>();
        var problems = ImmutableArray.CreateBuilder<BootProblem>();
        foreach (var file in files)
        {
            try
            {
                var text = request.Verb == Verb.Attach ? With(file, request.Functions) : file.Config.Without(request.Functions, address => host.Find(address) is not null);
                if (text == file.Content.Text)
                    continue;
                if (file.LinkTarget is string target)
                    problems.Add(new BootProblem($"{file.Path} is a symbolic link to {target}, and is not followed", $"--guest-file {target}     changes that file"));
                else if (file.Path.AsSpan().ContainsAnyExceptInRange('!', '~'))
                    problems.Add(new BootProblem($"the path \"{file.Path}\" holds blanks or other letters that no journal line can hold", "rename the file"));
                else
                    steps.Add(new EditFile(file.Path, file.Content, new FileContent(text)));
            }
            catch (FormatException error)
            {
                problems.Add(new BootProblem($"{file.Path}, {error.Message}", $"change the pci list in {file.Path} by hand; --live leaves the file alone"));
            }
        }
        foreach (var definition in host.DefinitionsOf(guest))
        {
            if (definition.Xml.Problem is string unclear)
                problems.Add(new BootProblem($"{definition.Source}, {unclear}", "virsh edit changes it by hand; --live leaves it alone"));
            else
                Configure(definition, request, steps, problems);
        }
        return (steps.ToImmutable(), problems.ToImmutable());
    }

    /// <summary>What pcipass defines libvirt neither takes nor gives back (<c>managed='no'</c>): the journal says whose it was.</summary>
    static void Configure(GuestDefinition definition, Request request, ImmutableArray<Step>.Builder steps, ImmutableArray<BootProblem>.Builder problems)
    {
        foreach (var function in request.Functions)
        {
            var there = definition.Xml.HostDevices.FirstOrDefault(device => device.Address == function);
            if (request.Verb == Verb.Attach && there is null)
                steps.Add(new Configure(function, definition.Name, null, Core.Configure.Content(DomainXml.Element(function, managed: false))));
            else if (request.Verb == Verb.Detach && there is { IsInterface: true })
                problems.Add(new BootProblem($"{definition.Source} gives {function} to it by an <interface type='hostdev'>, with settings of a network card", "virsh edit changes it by hand; --live leaves it alone"));
            else if (request.Verb == Verb.Detach && there is not null)
                steps.Add(new Configure(function, definition.Name, Core.Configure.Content(definition.Xml.TextOf(there)), null));
        }
    }

    static string With(GuestFile file, ImmutableArray<PciAddress> functions)
    {
        var config = file.Config;
        foreach (var function in functions.Where(function => !file.Config.Functions.Contains(function)))
            config = Formats.XlConfig.Parse(config.With(function));
        return config.Text;
    }
}
