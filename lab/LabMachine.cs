using System.Collections.Immutable;
using System.Diagnostics;

namespace PciPass.Lab;

/// <summary>
/// A machine that has booted in QEMU's software emulation. Its members may be called by several threads; commands then run beside each other.
/// </summary>
public sealed class LabMachine : IDisposable
{
    static readonly TimeSpan BootDeadline = TimeSpan.FromSeconds(180);
    static readonly TimeSpan RunDeadline = TimeSpan.FromSeconds(120);

    // QEMU must not outlive this process, however that ends, nor may its disks: the shell's stdin is our pipe, and its end is our end. The
    // shell's $0 is the machine's folder. Ctrl-C on the terminal is for us alone.
    const string Keeper = """
        trap '' INT
        exec 3<&0 4>&2 2>/dev/null
        "$@" </dev/null 2>&4 3<&- 4>&- & qemu=$!
        { read -r _ <&3; kill -9 "$qemu"; } & keeper=$!
        wait "$qemu"
        kill "$keeper"
        rm -rf "$0"
        """;

    readonly string _name;
    readonly string _folder;
    readonly MachineConsole _console;
    readonly CommandChannel _channel;
    readonly Process _qemu;

    readonly Lock _stageGate = new();
    readonly ImmutableArray<Stage> _stages;
    Action<string>? _onStage;

    LabMachine(Machine machine, string name, Images images, Action<string>? onStage)
    {
        _name = name;
        _stages = BootStages(machine.Kind);
        _onStage = onStage;
        _onStage?.Invoke(_stages[0].Name);
        _folder = Directory.CreateTempSubdirectory("pcipass-lab-").FullName;
        _console = new MachineConsole(Path.Combine(images.Folder, "logs", $"{name}.log"), NextStage);
        var socket = Path.Combine(_folder, "agent");
        _channel = new CommandChannel(socket);
        _qemu = new Process { StartInfo = Start(machine, images, socket) };
        _qemu.Start();
        Thread[] readers = [_console.Follow(_qemu.StandardOutput.BaseStream), _console.Follow(_qemu.StandardError.BaseStream)];
        new Thread(() =>
        {
            // Its last words first, since they are the reason.
            Array.ForEach(readers, static reader => reader.Join());
            _channel.Close("QEMU ended");
        })
        {
            IsBackground = true,
        }.Start();
    }

    /// <summary>All that the machine's console showed so far, each line with the seconds since the start.</summary>
    public string ConsoleText => _console.Text;

    /// <summary>The stages that <see cref="Boot"/> goes through.</summary>
    public static ImmutableArray<Stage> BootStages(MachineKind kind) =>
        kind == MachineKind.Linux
            ? [new("kernel", 3), new("drivers", 1)]
            : [new("Xen starts", 4.5), new("dom0 kernel", 5.5), new("drivers", 0.7), new("xenstore", 0.7)];

    /// <summary>Boots a machine and returns when it can run commands.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="name">Names its log, artifacts/lab/logs/NAME.log.</param>
    /// <param name="onStage">Gets the name of each of the <see cref="BootStages"/> as it begins.</param>
    /// <param name="deadline">How long the boot may take; three minutes without it.</param>
    /// <exception cref="LabException">It did not boot; the message holds the end of its console.</exception>
    public static LabMachine Boot(Machine machine, string name, Action<string>? onStage = null, TimeSpan? deadline = null)
    {
        var images = Images.Ensure();
        var booted = new LabMachine(machine, name, images, onStage);
        try
        {
            var limit = deadline ?? BootDeadline;
            if (!booted._channel.Ready.Wait(limit))
            {
                throw new LabException($"not ready within {limit.TotalSeconds:0} s");
            }
            // What the console still has to say about the boot comes too late.
            lock (booted._stageGate)
            {
                booted._onStage = null;
            }
            return booted;
        }
        catch (Exception failure) when (failure is LabException or AggregateException)
        {
            var reason = (failure as AggregateException)?.InnerException?.Message ?? failure.Message;
            var message = $"machine {name} did not boot: {reason}; the end of its console:\n{booted._console.Tail(30)}";
            booted.Dispose();
            throw new LabException(message);
        }
    }

    /// <summary>Runs a shell script in dom0, or in Linux alone, as root in /root.</summary>
    /// <param name="shell">The script, for busybox's sh.</param>
    /// <param name="deadline">How long it may take; two minutes without it.</param>
    /// <exception cref="LabException">It did not end in time, or the machine is gone; the message holds the end of the console.</exception>
    public Result Run(string shell, TimeSpan? deadline = null)
    {
        try
        {
            return _channel.Run(shell, deadline ?? RunDeadline);
        }
        catch (Exception failure) when (failure is LabException or AggregateException)
        {
            var reason = (failure as AggregateException)?.InnerException?.Message ?? failure.Message;
            throw new LabException($"machine {_name}: {reason}; the end of its console:\n{_console.Tail(30)}");
        }
    }

    /// <summary>
    /// Runs a shell script in a running PV guest, through its console. The guest may still be booting: the script then waits for it.
    /// </summary>
    /// <param name="guest">The guest's name.</param>
    /// <param name="shell">The script, for busybox's sh. It may use text only, since it goes over a console.</param>
    /// <param name="deadline">How long it may take; two minutes without it.</param>
    /// <exception cref="LabException">There is no such guest, its console closed, or the script did not end in time.</exception>
    public Result RunIn(string guest, string shell, TimeSpan? deadline = null)
    {
        var result = Run($"lab-guest '{guest}' <<'LAB-SCRIPT-END'\n{shell}\nLAB-SCRIPT-END", deadline);
        return result.ExitCode == 125 && result.Stderr.StartsWith("lab-guest: ", StringComparison.Ordinal)
            ? throw new LabException($"machine {_name}: {result.Stderr.Trim()}")
            : result with
            {
                Command = shell,
            };
    }

    /// <summary>What the consoles of all guests of this name have shown, the latest last.</summary>
    /// <exception cref="LabException">No guest of this name was ever started.</exception>
    public string GuestConsole(string guest) => Run($"cat '/var/log/xen/guest-{guest}.log'").Ok().Stdout;

    /// <summary>Writes a file, in place of one that is there. Folders must be there. At 7 KB a second under Xen: large files belong into the machine's description.</summary>
    /// <exception cref="LabException">The machine refused it.</exception>
    public void Put(string path, ReadOnlySpan<byte> content, UnixFileMode mode)
    {
        const int Chunk = 30_000;
        Run($": >'{path}.part'").Ok();
        for (var start = 0; start < content.Length; start += Chunk)
        {
            var text = Convert.ToBase64String(content.Slice(start, Math.Min(Chunk, content.Length - start)));
            Run($"echo {text} | base64 -d >>'{path}.part'").Ok();
        }
        Run($"chmod {Convert.ToString((int)mode, 8)} '{path}.part' && mv '{path}.part' '{path}'").Ok();
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="LabException">The machine refused it.</exception>
    public byte[] Get(string path) => Run($"cat '{path}'").Ok().Output.ToArray();

    /// <summary>Switches the machine off, at once, and removes its disks. The log stays.</summary>
    public void Dispose()
    {
        _channel.Dispose();
        _qemu.StandardInput.Close();
        _qemu.WaitForExit();
        _qemu.Dispose();
        _console.Dispose();
    }

    ProcessStartInfo Start(Machine machine, Images images, string socket)
    {
        var start = new ProcessStartInfo("bash")
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        List<string> arguments =
        [
            "-c",
            Keeper,
            _folder,
            "qemu-system-x86_64",
            .. machine.Arguments,
            .. machine.BootArguments(images, Initrd(machine, images)),
        ];
        foreach (var (id, disk) in machine.Topology.Disks)
        {
            var file = Path.Combine(machine.DiskFolder ?? _folder, id);
            using (var stream = File.Open(file, FileMode.OpenOrCreate))
            {
                stream.SetLength(disk.Size);
            }
            arguments.AddRange(["-drive", $"if=none,id={id},format=raw,file={file}{(disk.WritesPerSecond > 0 ? $",throttling.bps-write={disk.WritesPerSecond}" : "")}"]);
        }
        // The first serial port is Xen's and dom0's console, the second the agent's.
        arguments.AddRange(["-chardev", "file,id=console,path=/dev/stdout", "-serial", "chardev:console"]);
        arguments.AddRange(["-chardev", $"socket,id=agent,path={socket}", "-serial", "chardev:agent"]);
        arguments.ForEach(start.ArgumentList.Add);
        return start;
    }

    string Initrd(Machine machine, Images images)
    {
        if (machine.Files.IsEmpty && machine.Initramfs is null && !machine.Overlays.Any())
        {
            return images.Dom0;
        }
        var initrd = Path.Combine(_folder, "initrd");
        File.Copy(machine.Initramfs is Initramfs kind ? images.InitramfsOf(kind) : images.Dom0, initrd);
        using var stream = new FileStream(initrd, FileMode.Append);
        foreach (var overlay in machine.Overlays)
        {
            Align(stream);
            using var archive = File.OpenRead(images.Overlay(overlay));
            archive.CopyTo(stream);
        }
        Align(stream);
        var files = machine.Files;
        if (machine.Initramfs is not null)
        {
            files = files.Add(new MachineFile("/lab/root.cpio", File.ReadAllBytes(images.Root), MachineFile.Plain));
        }
        CpioArchive.Append(stream, files);
        return initrd;
    }

    /// <summary>The kernel goes on to the next archive at a multiple of four bytes (init/initramfs.c).</summary>
    static void Align(FileStream stream) => stream.Write(new byte[(4 - (stream.Length % 4)) % 4]);

    void NextStage(string line)
    {
        var stage = line switch
        {
            _ when line.StartsWith("(XEN) Freed ", StringComparison.Ordinal) => "dom0 kernel",
            _ when line.Contains("lab: user space", StringComparison.Ordinal) => "drivers",
            _ when line.Contains("lab: drivers", StringComparison.Ordinal) => "xenstore",
            _ => null,
        };
        if (_stages.Any(planned => planned.Name == stage))
        {
            lock (_stageGate)
            {
                _onStage?.Invoke(stage!);
            }
        }
    }
}
