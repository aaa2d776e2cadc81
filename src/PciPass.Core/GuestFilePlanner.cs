using System.Collections.Immutable;

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
        return (steps.ToImmutable(), problems.ToImmutable());
    }

    static string With(GuestFile file, ImmutableArray<PciAddress> functions)
    {
        var config = file.Config;
        foreach (var function in functions.Where(function => !file.Config.Functions.Contains(function)))
            config = Formats.XlConfig.Parse(config.With(function));
        return config.Text;
    }
}
