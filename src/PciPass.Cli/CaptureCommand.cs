using System.CommandLine;
using PciPass.Host;

namespace PciPass.Cli;

/// <summary><c>pcipass capture FILE</c>: takes along what a look at this host reads, for <c>--host</c> elsewhere.</summary>
static class CaptureCommand
{
    public static Command Create(Session session)
    {
        var file = new Argument<string>("FILE") { Description = "Where the tar goes; it must not exist." };
        var withSerials = new Option<bool>("--with-serials") { Description = "Leave serial numbers, MAC addresses and passwords in." };
        var command = new Command("capture", "Write what list, show and check read of this host into a file, so that --host FILE answers elsewhere. Serial numbers, MAC addresses and passwords are masked.") { file, withSerials };
        command.SetAction(parsed => Run(session, parsed.GetValue(file)!, parsed.GetValue(withSerials)));
        return command;
    }

    static int Run(Session session, string path, bool withSerials)
    {
        int count;
        try
        {
            // What a host reveals of itself is its administrator's to give away.
            using var output = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
            count = HostCapture.Write(session.Host, output, withSerials);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UsageError($"\"{path}\" cannot be written", error.Message, "name a file that does not exist, in a folder that does");
        }
        session.Terminal.Output.WriteLine($"{path}: {count} files of this host{(withSerials ? ", serial numbers included" : "")}; pcipass list --host {path}     looks at it elsewhere");
        return ExitCode.Done;
    }
}
