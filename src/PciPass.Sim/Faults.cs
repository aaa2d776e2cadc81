using PciPass.Host;

namespace PciPass.Sim;

/// <summary>What goes wrong on a simulated host, and when. Nothing does until it is told so here.</summary>
/// <remarks>
/// A target is a path (<c>/sys/bus/pci/drivers/e1000e/bind</c>), a program with the beginning of its arguments
/// (<c>xl pci-attach</c>), or <c>xenstore</c>; a star at the end stands for anything.
/// </remarks>
public sealed class Faults
{
    readonly List<Fault> faults = [];

    /// <summary>Refuses a target with an error number of the kernel, also when a program is what uses it.</summary>
    /// <param name="target">What.</param>
    /// <param name="errno">See <see cref="Errno"/>.</param>
    /// <param name="times">How often; then it works again.</param>
    /// <param name="value">Only when this is written.</param>
    public void Fail(string target, int errno, int times = int.MaxValue, string? value = null) =>
        faults.Add(new Fault(target) { Errno = errno, Times = times, Value = value });

    /// <summary>Lets a program end at once, without doing anything, with an exit code and a text on standard error.</summary>
    public void FailProgram(string commandLine, int exitCode, string errors, int times = int.MaxValue) =>
        faults.Add(new Fault(commandLine) { Result = new ProgramResult(exitCode, "", errors), Times = times });

    /// <summary>Lets writes to a path, a program, or xenstore's answers hang until <see cref="Release"/>. What was asked for then happens.</summary>
    public void Hang(string target) => faults.Add(new Fault(target) { Hangs = true, Times = int.MaxValue });

    /// <summary>Ends a hang.</summary>
    public void Release(string target) => faults.RemoveAll(fault => fault.Hangs && fault.Target == target);

    /// <summary>Forgets all faults.</summary>
    public void Clear() => faults.Clear();

    internal bool IsHung(string target) => faults.Exists(fault => fault.Hangs && fault.Concerns(target));

    /// <summary>The error number with which to refuse this use, or 0.</summary>
    internal int Check(string target, string? value = null) =>
        Take(fault => fault.Errno != 0 && fault.Concerns(target) && (fault.Value is null || fault.Value == value?.Trim()))?.Errno ?? 0;

    internal ProgramResult? CheckProgram(string commandLine) => Take(fault => fault.Result is not null && fault.Concerns(commandLine))?.Result;

    Fault? Take(Predicate<Fault> which)
    {
        if (faults.Count == 0 || faults.Find(which) is not Fault fault)
            return null;
        if (--fault.Times == 0)
            faults.Remove(fault);
        return fault;
    }

    sealed class Fault(string target)
    {
        public string Target => target;
        public int Errno { get; init; }
        public string? Value { get; init; }
        public ProgramResult? Result { get; init; }
        public bool Hangs { get; init; }
        public int Times { get; set; }

        // A program's arguments may go on behind the target's.
        public bool Concerns(string what) => target.EndsWith('*')
            ? what.StartsWith(target[..^1], StringComparison.Ordinal)
            : what == target || (target[0] != '/' && what.StartsWith(target, StringComparison.Ordinal) && what[target.Length] == ' ');
    }
}
