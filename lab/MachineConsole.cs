using System.Diagnostics;
using System.Text;

namespace PciPass.Lab;

/// <summary>A machine's console: every line with the seconds since its start, in memory and in a log file.</summary>
sealed class MachineConsole : IDisposable
{
    readonly Lock _gate = new();
    readonly List<string> _lines = [];
    readonly Stopwatch _clock = Stopwatch.StartNew();
    readonly StreamWriter _log;
    readonly Action<string> _onLine;
    bool _closed;

    /// <summary>Opens the log, in place of an earlier one.</summary>
    /// <param name="logPath">The log file.</param>
    /// <param name="onLine">Gets each line as it comes, on the reading thread.</param>
    public MachineConsole(string logPath, Action<string> onLine)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(logPath)!);
        _log = new StreamWriter(logPath) { AutoFlush = true };
        _onLine = onLine;
    }

    /// <summary>All lines so far.</summary>
    public string Text
    {
        get
        {
            lock (_gate)
            {
                return string.Join('\n', _lines) + '\n';
            }
        }
    }

    /// <summary>The last lines, of those that are not empty.</summary>
    public string Tail(int count)
    {
        lock (_gate)
        {
            return string.Join('\n', _lines.TakeLast(count));
        }
    }

    /// <summary>Reads a stream to its end, on a thread of its own.</summary>
    public Thread Follow(Stream stream)
    {
        var thread = new Thread(() =>
        {
            using var reader = new StreamReader(stream, Encoding.UTF8);
            while (reader.ReadLine() is { } line)
            {
                Add(line);
            }
        })
        {
            IsBackground = true,
            Name = "console",
        };
        thread.Start();
        return thread;
    }

    /// <summary>Closes the log; what still comes is dropped.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _closed = true;
            _log.Dispose();
        }
    }

    void Add(string line)
    {
        if (string.IsNullOrWhiteSpace(line))
        {
            return;
        }
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }
            var stamped = $"[{_clock.Elapsed.TotalSeconds, 7:0.00}] {line.TrimEnd('\r')}";
            _lines.Add(stamped);
            _log.WriteLine(stamped);
        }
        _onLine(line);
    }
}
