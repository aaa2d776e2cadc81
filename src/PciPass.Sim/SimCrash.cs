namespace PciPass.Sim;

/// <summary>
/// The process that uses the host has died here (kill -9): no code of its own runs any more. Every further call of this process
/// throws it again, so that an error handler cannot tidy up; <see cref="SimHost.StartProcess"/> is the next process.
/// </summary>
public sealed class SimCrash(string message) : Exception(message);

/// <summary>The simulated kernel has crashed: the caller did what is known to kill a real one.</summary>
public sealed class SimKernelCrash(string message) : Exception(message);
