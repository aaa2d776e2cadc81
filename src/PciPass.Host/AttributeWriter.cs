using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace PciPass.Host;

/// <summary>
/// Writes to the kernel's attributes from a child process. A write to <c>unbind</c> can wait in the kernel for ever, where no
/// signal reaches it; a thread that waits there would keep this whole process from ending. The child is left behind instead.
/// </summary>
/// <remarks>
/// The child is this same program, started once for all the writes of an operation. A request is two strings, each with its
/// length in four bytes; the answer is the error number in four bytes.
/// </remarks>
/// <param name="program">This program, and the arguments that come before <see cref="ChildArgument"/>.</param>
public sealed class AttributeWriter(params IReadOnlyList<string> program) : IDisposable
{
    /// <summary>The argument that makes this program the child.</summary>
    public const string ChildArgument = "--attribute-writer";

    Process? child;

    /// <exception cref="HostFailure">The kernel refused; with its error number.</exception>
    /// <exception cref="DeadlinePassed">The kernel has not answered.</exception>
    public void Write(string path, string value, TimeSpan deadline)
    {
        child ??= Start();
        var answer = new byte[4];
        int count;
        try
        {
            Send(child.StandardInput.BaseStream, path, value);
            var reading = child.StandardOutput.BaseStream.ReadAtLeastAsync(answer, answer.Length, throwOnEndOfStream: false).AsTask();
            if (!reading.Wait(deadline))
            {
                child = null;
                throw new DeadlinePassed($"write {value.TrimEnd('\n')} to {path}", deadline);
            }
            count = reading.Result;
        }
        catch (IOException error)
        {
            child = null;
            throw new HostFailure($"write {path}: the process that writes ended ({error.Message})");
        }
        if (count < answer.Length)
        {
            child = null;
            throw new HostFailure($"write {path}: the process that writes ended");
        }
        var errno = BinaryPrimitives.ReadInt32LittleEndian(answer);
        if (errno != 0)
            throw new HostFailure($"write {(value == "\n" ? "an empty line" : value)} to", path, errno);
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
        return Process.Start(start) ?? throw new HostFailure($"{program[0]} could not be started");
    }

    static void Send(Stream stream, string path, string value)
    {
        var pathBytes = Encoding.UTF8.GetBytes(path);
        var valueBytes = Encoding.UTF8.GetBytes(value);
        var request = new byte[8 + pathBytes.Length + valueBytes.Length];
        BinaryPrimitives.WriteInt32LittleEndian(request, pathBytes.Length);
        pathBytes.CopyTo(request, 4);
        BinaryPrimitives.WriteInt32LittleEndian(request.AsSpan(4 + pathBytes.Length), valueBytes.Length);
        valueBytes.CopyTo(request, 8 + pathBytes.Length);
        stream.Write(request);
        stream.Flush();
    }

    /// <summary>The child's whole life: one write(2) for each request, until the parent closes the pipe.</summary>
    public static int RunChild()
    {
        // Ctrl-C reaches every process of the terminal; the parent decides what becomes of the operation.
        using var kept = PosixSignalRegistration.Create(PosixSignal.SIGINT, static context => context.Cancel = true);
        using var input = Console.OpenStandardInput();
        using var output = Console.OpenStandardOutput();
        Span<byte> answer = stackalloc byte[4];
        while (Receive(input) is { } path && Receive(input) is { } value)
        {
            BinaryPrimitives.WriteInt32LittleEndian(answer, WriteOnce(Encoding.UTF8.GetString(path), value));
            output.Write(answer);
            output.Flush();
        }
        return 0;
    }

    static byte[]? Receive(Stream input)
    {
        Span<byte> length = stackalloc byte[4];
        if (input.ReadAtLeast(length, length.Length, throwOnEndOfStream: false) < length.Length)
            return null;
        var bytes = new byte[BinaryPrimitives.ReadInt32LittleEndian(length)];
        input.ReadExactly(bytes);
        return bytes;
    }

    static int WriteOnce(string path, byte[] value)
    {
        var descriptor = Libc.Open(path, Libc.O_WRONLY | Libc.O_CLOEXEC, 0);
        if (descriptor < 0)
            return Libc.LastError;
        var result = Libc.Write(descriptor, value, value.Length);
        var error = result < 0 ? Libc.LastError : 0;
        _ = Libc.Close(descriptor);
        return error;
    }

    public void Dispose()
    {
        child?.StandardInput.Close();
        child?.Dispose();
    }
}
