using System.Buffers.Binary;
using System.ComponentModel;
using System.Diagnostics;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using System.Text;

namespace PciPass.Host;

/// <summary>
/// Writes and reads the kernel's attributes from a child process. A write to <c>unbind</c> can wait in the kernel for ever, where no
/// signal reaches it, and so can a read of <c>driver_override</c> behind it; a thread that waits there would keep this whole process from
/// ending. The child is left behind instead; it does not outlive its parent by anything but the call that it is in.
/// </summary>
/// <remarks>
/// The child is this same program, started once for all that an operation asks of it. A request is a path and a value to write, each with
/// its length in four bytes; without a value (length -1) it asks to read, and with length -2 to open for itself alone. The answer is the error number in four bytes, and the content
/// with its length.
/// </remarks>
/// <param name="program">This program, and the arguments that come before <see cref="ChildArgument"/>.</param>
public sealed class AttributeProcess(params IReadOnlyList<string> program) : IDisposable
{
    /// <summary>The argument that makes this program the child.</summary>
    public const string ChildArgument = "--attributes";

    /// <summary>What an attribute holds at most (a page; fs/sysfs/file.c).</summary>
    const int Page = 4096;

    Process? child;
    ChannelBuffer? answers;

    /// <exception cref="HostFailure">The kernel refused; with its error number.</exception>
    /// <exception cref="DeadlinePassed">The kernel has not answered.</exception>
    public void Write(string path, string value, TimeSpan deadline)
    {
        var what = $"write {(value == "\n" ? "an empty line" : value.TrimEnd('\n'))} to";
        var (errno, _) = Ask(what, path, Encoding.UTF8.GetBytes(value), deadline);
        if (errno != 0)
            throw new HostFailure(what, path, errno);
    }

    /// <returns>The content without its last line's end; null when there is no such attribute.</returns>
    /// <exception cref="HostFailure">The kernel refused; with its error number.</exception>
    /// <exception cref="DeadlinePassed">The kernel has not answered.</exception>
    public string? Read(string path, TimeSpan deadline)
    {
        var (errno, content) = Ask("read", path, null, deadline);
        return errno switch
        {
            0 => Encoding.UTF8.GetString(content).TrimEnd('\n'),
            Errno.ENOENT => null,
            _ => throw new HostFailure("read", path, errno),
        };
    }

    /// <summary>
    /// Which block devices something holds for itself alone (open(2), O_EXCL: EBUSY); not those that cannot be asked, and not one whose answer
    /// does not come until the deadline.
    /// </summary>
    public IReadOnlyList<string> Held(IReadOnlyList<string> paths, TimeSpan deadline)
    {
        // So many questions, and their answers, fit into a pipe (16 pages): neither side ever waits for the other with both of them full.
        const int AtOnce = 256;
        List<string> held = [];
        for (var (next, asked) = (0, 0); next < paths.Count; next++)
        {
            try
            {
                child ??= Start();
                for (; asked == next || (asked < paths.Count && next % AtOnce == 0 && asked < next + AtOnce); asked++)
                    Send(child.StandardInput.BaseStream, paths[asked], null, NoValue.Hold);
                if (ReadAnswer($"look at {paths[next]}", deadline).Errno == Errno.EBUSY)
                    held.Add(paths[next]);
            }
            catch (Exception error) when (error is HostFailure or IOException)
            {
                (child, asked) = (null, next + 1);
            }
        }
        return held;
    }

    (int Errno, byte[] Content) Ask(string what, string path, byte[]? value, TimeSpan deadline)
    {
        child ??= Start();
        try
        {
            Send(child.StandardInput.BaseStream, path, value, NoValue.Read);
            return ReadAnswer($"{what} {path}", deadline);
        }
        catch (IOException error)
        {
            child = null;
            throw Ended($"{what} {path}", error.Message);
        }
    }

    static HostFailure Ended(string what, string why) => new($"{what}: the process that does it ended ({why})");

    (int Errno, byte[] Content) ReadAnswer(string what, TimeSpan deadline)
    {
        // Read as it comes, by poll(2): the streams of .NET wait with a deadline by threads alone, which take longer to start than all of this.
        try
        {
            var errno = BinaryPrimitives.ReadInt32LittleEndian(Take(4));
            return (errno, Take(BinaryPrimitives.ReadInt32LittleEndian(Take(4))).ToArray());
        }
        catch (HostFailure failure)
        {
            child = null;
            throw failure is DeadlinePassed ? new DeadlinePassed(what, deadline) : failure;
        }

        ReadOnlySpan<byte> Take(int count) => answers!.TryTake(count, deadline, out var bytes) ? bytes : throw Ended(what, "its answer did not come");
    }

    /// <summary>The command that started this process; under "dotnet pcipass.dll" the program is dotnet, and its first argument is ours.</summary>
    public static IReadOnlyList<string> ThisProgram
    {
        get
        {
            var program = Environment.ProcessPath ?? throw new HostFailure("the path of this program is unknown");
            return Path.GetFileName(program) == "dotnet" ? [program, Environment.GetCommandLineArgs()[0]] : [program];
        }
    }

    Process Start()
    {
        var start = new ProcessStartInfo(program[0]) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var argument in program.Skip(1))
            start.ArgumentList.Add(argument);
        start.ArgumentList.Add(ChildArgument);
        try
        {
            var started = Process.Start(start)!;
            var output = (int)((PipeStream)started.StandardOutput.BaseStream).SafePipeHandle.DangerousGetHandle();
            answers = new ChannelBuffer(new DescriptorChannel(output, "an answer"), TimeProvider.System, 8 + Page);
            return started;
        }
        catch (Exception error) when (error is Win32Exception or IOException)
        {
            throw new HostFailure($"{program[0]} could not be started: {error.Message}");
        }
    }

    /// <summary>What is asked for without a value to write: what stands in place of its length.</summary>
    enum NoValue
    {
        Read = -1,
        Hold = -2,
    }

    static void Send(Stream stream, string path, byte[]? value, NoValue without)
    {
        var pathBytes = Encoding.UTF8.GetBytes(path);
        var request = new byte[8 + pathBytes.Length + (value?.Length ?? 0)];
        BinaryPrimitives.WriteInt32LittleEndian(request, pathBytes.Length);
        pathBytes.CopyTo(request, 4);
        BinaryPrimitives.WriteInt32LittleEndian(request.AsSpan(4 + pathBytes.Length), value?.Length ?? (int)without);
        value?.CopyTo(request, 8 + pathBytes.Length);
        stream.Write(request);
        stream.Flush();
    }

    /// <summary>The child's whole life: one write(2) or read(2) for each request, until the parent closes the pipe.</summary>
    public static int RunChild()
    {
        // What it was asked for and has not begun must not come after the parent's death: recovery would not know of it.
        const int PR_SET_PDEATHSIG = 1, SIGKILL = 9;
        var parent = Libc.GetParentProcessId();
        if (Libc.ProcessControl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || Libc.GetParentProcessId() != parent)
            return 1;
        // Ctrl-C reaches every process of the terminal; the parent decides what becomes of the operation.
        using var kept = PosixSignalRegistration.Create(PosixSignal.SIGINT, static context => context.Cancel = true);
        using var input = new BufferedStream(Console.OpenStandardInput(), Page);
        using var output = Console.OpenStandardOutput();
        while (Receive(input, out var path, out _) && path is not null && Receive(input, out var value, out var length))
        {
            var name = Encoding.UTF8.GetString(path);
            var (errno, content) = length == (int)NoValue.Hold ? (Hold(name), []) : Access(name, value);
            var answer = new byte[8 + content.Length];
            BinaryPrimitives.WriteInt32LittleEndian(answer, errno);
            BinaryPrimitives.WriteInt32LittleEndian(answer.AsSpan(4), content.Length);
            content.CopyTo(answer, 8);
            output.Write(answer);
            output.Flush();
        }
        return 0;
    }

    /// <returns>False at the end of the input.</returns>
    static bool Receive(Stream input, out byte[]? bytes, out int length)
    {
        Span<byte> head = stackalloc byte[4];
        (bytes, length) = (null, 0);
        if (input.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) < head.Length)
            return false;
        length = BinaryPrimitives.ReadInt32LittleEndian(head);
        if (length >= 0)
        {
            bytes = new byte[length];
            input.ReadExactly(bytes);
        }
        return true;
    }

    /// <summary>Without O_NONBLOCK a drive with media would look whether there is one.</summary>
    static int Hold(string path)
    {
        var descriptor = Libc.Open(path, Libc.O_RDONLY | Libc.O_EXCL | Libc.O_NONBLOCK | Libc.O_CLOEXEC, 0);
        if (descriptor < 0)
            return Libc.LastError;
        _ = Libc.Close(descriptor);
        return 0;
    }

    static (int Errno, byte[] Content) Access(string path, byte[]? value)
    {
        var descriptor = Libc.Open(path, (value is null ? Libc.O_RDONLY : Libc.O_WRONLY) | Libc.O_CLOEXEC, 0);
        if (descriptor < 0)
            return (Libc.LastError, []);
        var page = new byte[value is null ? Page : 0];
        var result = value is null ? Libc.Read(descriptor, page, page.Length) : Libc.Write(descriptor, value, value.Length);
        var errno = result < 0 ? Libc.LastError : 0;
        _ = Libc.Close(descriptor);
        return (errno, errno == 0 && value is null ? page[..(int)result] : []);
    }

    public void Dispose()
    {
        child?.StandardInput.Close();
        child?.Dispose();
    }
}
