using System.Globalization;
using System.Text;
using PciPass.Host;
using PciPass.Lab;

namespace PciPass.Tests;

/// <summary>
/// A machine of the lab seen as a <see cref="HostSystem"/>: files and programs by shell commands that run in its dom0. The error numbers are
/// read from the shell's error texts.
/// </summary>
public sealed class LabSystem(LabMachine machine) : HostSystem
{
    public override SysTree Files { get; } = new LabTree(machine);

    public override TimeProvider Clock => TimeProvider.System;

    public override Caller Caller { get; } = new(0, "root", null, 1);

    public override ProgramResult Run(string program, IReadOnlyList<string> arguments, TimeSpan deadline) => Run(program, arguments, deadline, null);

    public override ProgramResult Run(string program, IReadOnlyList<string> arguments, TimeSpan deadline, string? input)
    {
        // As execvp(3) finds it: this shell would rather take its own modprobe than the one on the path.
        var result = machine.Run($"for d in /sbin /usr/sbin /bin /usr/bin; do [ ! -x $d/{program} ] || exec $d/{string.Join(' ', arguments.Select(Quoted).Prepend(program))} <{Quoted(input ?? "/dev/null")}; done; exit 127", deadline);
        return new ProgramResult(result.ExitCode, result.Stdout, result.Stderr);
    }

    public override string ReadKernelLog() => machine.Run("dmesg").Stdout;

    public override ByteChannel ConnectXenstore() => throw new NotSupportedException("no channel leads from here to the machine's xenstored");

    public override byte[] DumpAddresses() => throw new NotSupportedException("no netlink socket leads from here to the machine");

    static string Quoted(string word) => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    sealed class LabTree(LabMachine machine) : SysTree
    {
        const int Absent = 66;

        public override int Read(string path, Span<byte> buffer)
        {
            var result = machine.Run($"[ -e {Quoted(path)} ] || exit {Absent}; head -c {buffer.Length} {Quoted(path)}");
            if (result.ExitCode == Absent)
                return -1;
            if (result.ExitCode != 0)
                throw Failure("read", path, result.Stderr);
            result.Output.Span.CopyTo(buffer);
            return result.Output.Length;
        }

        public override string? ReadLink(string path) => machine.Run($"readlink {Quoted(path)}") is { ExitCode: 0 } link ? link.Stdout.TrimEnd('\n') : null;

        public override IReadOnlyList<string> List(string path) =>
            [.. machine.Run($"ls -1A {Quoted(path)} 2>/dev/null").Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];

        public override bool Exists(string path) => machine.Run($"[ -e {Quoted(path)} ] || [ -L {Quoted(path)} ]").ExitCode == 0;

        public override void WriteAttribute(string path, string value, TimeSpan deadline)
        {
            // dd writes all of it by one write(2), and says why it could not; the shell's own printf says nothing.
            var text = string.Concat(Encoding.UTF8.GetBytes(value).Select(static b => "\\0" + Convert.ToString(b, 8).PadLeft(3, '0')));
            var result = machine.Run($"[ -e {Quoted(path)} ] || exit {Absent}; printf %b {Quoted(text)} | dd of={Quoted(path)} bs=64k conv=notrunc status=none", deadline);
            if (result.ExitCode == Absent)
                throw new HostFailure("open", path, Errno.ENOENT);
            if (result.ExitCode != 0)
                throw Failure("write to", path, result.Stderr);
        }

        public override string? ReadAttribute(string path, TimeSpan deadline) => ReadText(path);

        public override void MakeDirectory(string path) => throw new NotSupportedException();

        public override void CreateFile(string path, ReadOnlySpan<byte> content) => throw new NotSupportedException();

        public override void Append(string path, ReadOnlySpan<byte> content, bool flush) => throw new NotSupportedException();

        public override void ReplaceFile(string path, ReadOnlySpan<byte> content) => throw new NotSupportedException();

        public override void RemoveFile(string path)
        {
            var result = machine.Run($"rm -f {Quoted(path)}");
            if (result.ExitCode != 0)
                throw Failure("remove", path, result.Stderr);
        }

        public override IDisposable? Lock(string path, TimeSpan deadline) => throw new NotSupportedException();

        static HostFailure Failure(string operation, string path, string errors)
        {
            var text = errors.TrimEnd('\n');
            var errno = text[(text.LastIndexOf(": ", StringComparison.Ordinal) is >= 0 and var colon ? colon + 2 : 0)..].ToLower(CultureInfo.InvariantCulture) switch
            {
                "no such file or directory" or "nonexistent directory" => Errno.ENOENT,
                "no such device" => Errno.ENODEV,
                "no such device or address" => Errno.ENXIO,
                "permission denied" => Errno.EACCES,
                "operation not permitted" => Errno.EPERM,
                "device or resource busy" or "resource busy" => Errno.EBUSY,
                "invalid argument" => Errno.EINVAL,
                "file exists" => Errno.EEXIST,
                "i/o error" or "input/output error" => Errno.EIO,
                "is a directory" => Errno.EISDIR,
                "numerical result out of range" => Errno.ERANGE,
                _ => 0,
            };
            return errno == 0 ? new HostFailure($"{operation} {path}: {text}") : new HostFailure(operation, path, errno);
        }
    }
}
