using System.Buffers.Binary;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using PciPass.Core;
using PciPass.Core.Formats;
using System.Text;

namespace PciPass.Host;

/// <summary>The running host.</summary>
public sealed class LinuxSystem : HostSystem, IDisposable
{
    readonly List<PosixSignalRegistration> signals = [];
    volatile bool interrupted;
    readonly AttributeProcess writer = new(AttributeProcess.ThisProgram);

    public LinuxSystem() => Files = new LinuxTree(writer);

    public override SysTree Files { get; }

    public override TimeProvider Clock => TimeProvider.System;

    public override Caller Caller => new(Libc.GetUserId(), NameOf(Libc.GetUserId()), Environment.GetEnvironmentVariable("SUDO_USER"), Environment.ProcessId);

    public override string? Variable(string name) => Environment.GetEnvironmentVariable(name);

    public override string ProgramPath => Environment.ProcessPath ?? base.ProgramPath;

    public override bool IsInterrupted
    {
        get
        {
            if (signals.Count == 0)
            {
                try
                {
                    foreach (var signal in (ReadOnlySpan<PosixSignal>)[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP])
                    {
                        signals.Add(PosixSignalRegistration.Create(signal, context =>
                        {
                            context.Cancel = true;
                            interrupted = true;
                        }));
                    }
                }
                catch (Exception error) when (error is OutOfMemoryException or IOException)
                {
                    // The first one starts a thread.
                    throw new HostFailure($"watch for signals: {error.Message}");
                }
            }
            return interrupted;
        }
    }

    /// <summary>
    /// The user's name from /etc/passwd, which an initramfs lacks. Asking the C library would load the host's name services into a
    /// static binary.
    /// </summary>
    string NameOf(int userId)
    {
        foreach (var line in (Files.ReadText("/etc/passwd") ?? "").Split('\n'))
        {
            if (line.Split(':') is [var name, _, var id, ..] && int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number == userId)
                return name;
        }
        return userId == 0 ? "root" : userId.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>
    /// A daemon that ignores or blocks SIGCHLD hands that down to what it starts (execve(2)): the kernel then keeps no exit code, or nobody hears
    /// of it, and every program that this one runs would count as one that does not answer. Before the first of them.
    /// </summary>
    public static void HearOfChildren()
    {
        Libc.Signal(Libc.SIGCHLD, Libc.SIG_DFL);
        Span<ulong> children = stackalloc ulong[16];
        children[0] = 1UL << (Libc.SIGCHLD - 1);
        Libc.SignalMask(Libc.SIG_UNBLOCK, children, 0);
    }

    static readonly string? SetSid = ((string[])["/usr/bin/setsid", "/bin/setsid"]).FirstOrDefault(File.Exists);

    public override Stream OpenInput() => Console.OpenStandardInput();

    public override ProgramResult Run(string program, IReadOnlyList<string> arguments, TimeSpan deadline) => Run(program, arguments, deadline, null);

    public override ProgramResult Run(string program, IReadOnlyList<string> arguments, TimeSpan deadline, string? input)
    {
        // Ctrl-C on the terminal is for this program alone, which then undoes: an xl that dies of it while it saves a guest leaves that suspended
        // for good (seen in the lab). A program without a session of its own gets the terminal's signals.
        if (program is "xl" or "ssh" && SetSid is string own)
            (program, arguments) = (own, [program, .. arguments]);
        var start = new ProcessStartInfo(program) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception error)
        {
            throw new HostFailure("start", program, error.NativeErrorCode);
        }
        catch (IOException error)
        {
            throw new HostFailure($"start {program}: {error.Message}");
        }
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        var feeding = Task.CompletedTask;
        if (input is null)
            process.StandardInput.Close();
        else
            feeding = Task.Run(() => Feed(process, input));
        try
        {
            if (!Task.WaitAll([output, errors, feeding], deadline) || !process.WaitForExit(TimeSpan.FromSeconds(5)))
                throw new DeadlinePassed($"{program} {string.Join(' ', arguments)}", deadline);
        }
        catch (AggregateException error)
        {
            throw new HostFailure($"{program} {string.Join(' ', arguments)}: what it says cannot be read: {error.InnerException?.Message}");
        }
        using (process)
            return new ProgramResult(process.ExitCode, output.Result, errors.Result);
    }

    ProgramResult? xenInfo;

    /// <summary>Asked once: nothing that is read from it changes while this Xen runs.</summary>
    public override ProgramResult XenInfo() => xenInfo is { ExitCode: 0 } ? xenInfo : xenInfo = base.XenInfo();

    /// <summary>Gives a program a file to read.</summary>
    static void Feed(Process process, string path)
    {
        using var into = process.StandardInput.BaseStream;
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        var block = new byte[1 << 20];
        for (var count = file.Read(block); count > 0; count = file.Read(block))
        {
            try
            {
                into.Write(block, 0, count);
            }
            catch (IOException)
            {
                // It reads no more, and says itself why.
                return;
            }
        }
    }

    public override void StartDetached(params IReadOnlyList<string> arguments) => DetachedProcess.Start(AttributeProcess.ThisProgram, arguments);

    public override void Wait(TimeSpan time) => Thread.Sleep(time);

    public override void Filter(string program, IReadOnlyList<string> arguments, Stream input, Action<Stream> read, TimeSpan deadline)
    {
        var start = new ProcessStartInfo(program) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception error)
        {
            throw new HostFailure("start", program, error.NativeErrorCode);
        }
        using (process)
        using (new Timer(_ => process.Kill(), null, deadline, Timeout.InfiniteTimeSpan))
        {
            var errors = process.StandardError.ReadToEndAsync();
            var feeding = Task.Run(() =>
            {
                try
                {
                    using var into = process.StandardInput.BaseStream;
                    input.CopyTo(into);
                }
                catch (IOException)
                {
                    // It ended, and says itself why.
                }
            });
            try
            {
                read(process.StandardOutput.BaseStream);
            }
            finally
            {
                if (!process.HasExited && !process.WaitForExit(TimeSpan.FromSeconds(5)))
                    process.Kill();
                process.WaitForExit();
                feeding.Wait();
            }
            if (process.ExitCode != 0)
                throw new HostFailure($"{program} ended with {process.ExitCode}: {errors.Result.Trim().Split('\n')[^1]}");
        }
    }

    public override string ReadKernelLog()
    {
        const int ReadAll = 3, SizeOfBuffer = 10;
        var size = Libc.KernelLog(SizeOfBuffer, [], 0);
        if (size <= 0)
            return "";
        var buffer = new byte[Math.Min(size, 64 * 1024 * 1024)];
        var length = Libc.KernelLog(ReadAll, buffer, buffer.Length);
        return length <= 0 ? "" : Encoding.UTF8.GetString(buffer, 0, length);
    }

    public override ByteChannel? ConnectXenstore() =>
        DescriptorChannel.ConnectSocket("/run/xenstored/socket")
        ?? DescriptorChannel.ConnectSocket("/var/run/xenstored/socket")
        ?? DescriptorChannel.OpenDevice("/dev/xen/xenbus")
        // Linux before 2.6.39, and what mounts xenfs only.
        ?? DescriptorChannel.OpenDevice("/proc/xen/xenbus");

    public override ByteChannel? ConnectSocket(string path) => DescriptorChannel.ConnectSocket(path);

    public override byte[] DumpAddresses() => Dump(22 /* RTM_GETADDR */);

    public override IReadOnlyList<ForeignLink> ForeignLinks(string space)
    {
        const int NetworkNamespace = 0x40000000; /* CLONE_NEWNET */
        byte[] dump = [];
        // A namespace is a thread's: this one enters it and never comes back.
        var visitor = new Thread(() =>
        {
            var descriptor = Libc.Open(space, Libc.O_RDONLY | Libc.O_CLOEXEC, 0);
            if (descriptor < 0)
                return;
            var result = Libc.EnterNamespace(descriptor, NetworkNamespace);
            _ = Libc.Close(descriptor);
            try
            {
                dump = result == 0 ? Dump(18 /* RTM_GETLINK */) : [];
            }
            catch (HostFailure)
            {
                // It ended meanwhile.
            }
        });
        visitor.Start();
        visitor.Join();
        return [.. NetworkTables.ParseForeignLinks(dump)];
    }

    /// <summary>Asks the kernel for one of its network tables, as it is in this thread's namespace (rtnetlink(7)).</summary>
    static byte[] Dump(ushort what)
    {
        const ushort RequestDump = 0x301 /* NLM_F_REQUEST | NLM_F_DUMP */, Done = 3, Error = 2;
        const string Name = "the kernel's network tables";
        var descriptor = Libc.Socket(Libc.AF_NETLINK, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, Libc.NETLINK_ROUTE);
        if (descriptor < 0)
            throw new HostFailure("open", Name, Libc.LastError);
        using var channel = new DescriptorChannel(descriptor, Name);
        // A header, and room for the longest of the messages' own, all zero: every family.
        Span<byte> request = stackalloc byte[32];
        request.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(request, request.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(request[4..], what);
        BinaryPrimitives.WriteUInt16LittleEndian(request[6..], RequestDump);
        channel.Write(request);

        using var dump = new MemoryStream();
        var part = new byte[64 * 1024];
        for (; ; )
        {
            var count = channel.Read(part, TimeSpan.FromSeconds(5));
            for (var at = 0; at + 16 <= count;)
            {
                var length = BinaryPrimitives.ReadInt32LittleEndian(part.AsSpan(at));
                var type = BinaryPrimitives.ReadUInt16LittleEndian(part.AsSpan(at + 4));
                if (type == Done)
                    return dump.ToArray();
                if (type == Error || length < 16 || length > count - at)
                    throw new HostFailure($"read {Name}: the kernel sent no table");
                var aligned = Math.Min((length + 3) & ~3, count - at);
                dump.Write(part, at, aligned);
                at += aligned;
            }
        }
    }

    public void Dispose()
    {
        writer.Dispose();
        signals.ForEach(signal => signal.Dispose());
    }
}
