using PciPass.Core;

namespace PciPass.Sim;

/// <summary>Guests started, ended, paused, written into images and started from these.</summary>
sealed partial class SimXl
{
    IEnumerable<TimeSpan> Create(string file)
    {
        var name = Path.GetFileNameWithoutExtension(file);
        if (host.Plan(name) is not GuestPlan plan)
        {
            process.Error($"Failed to read config file: {file}: No such file or directory");
            process.ExitCode = 1;
            yield break;
        }
        process.Error($"Parsing config from {file}");
        if (host.FindGuest(name) is SimGuest running)
        {
            process.Error($"libxl: error: libxl_domain.c:154:libxl__domain_rename: Domain {running.DomId + 1}:Domain with name \"{name}\" already exists.");
            process.ExitCode = 3;
            yield break;
        }
        if (!host.HasIommu && (plan.Passthrough || plan.Functions.Count > 0))
        {
            process.Error("libxl: error: libxl_create.c:1105:libxl__domain_config_setdefault: passthrough not supported on this platform");
            process.ExitCode = 6;
            yield break;
        }
        yield return TimeSpan.FromSeconds(1);
        host.Launch(plan);
    }

    IEnumerable<TimeSpan> Destroy(string name)
    {
        if (FindDomain(name) is not int domain)
            yield break;
        if (host.FindDomain(domain) is not SimGuest guest)
        {
            process.ExitCode = 1;
            yield break;
        }
        yield return TimeSpan.FromSeconds(1);
        // A guest whose frontend does not answer leaves its backend's nodes behind for ever (seen in the lab).
        host.End(guest, leavesNodes: guest.Habit.LetsGo is null);
    }

    /// <summary>
    /// The guest is suspended while it is written. Then it is ended, or, as if it had never been suspended, goes on (<c>-c</c>) or waits paused
    /// (<c>-p</c>). xl writes over what is there, flushes nothing, and refuses nothing for the sake of functions.
    /// </summary>
    IEnumerable<TimeSpan> Save(string name, string file, bool leavesPaused, bool goesOn)
    {
        if (FindDomain(name) is not int domain || host.FindDomain(domain) is not SimGuest guest)
            yield break;
        if (!host.WriteImage(file, []))
        {
            process.Error($"Failed to open temp file {file} for writing: No such file or directory");
            process.ExitCode = 2;
            yield break;
        }
        process.Error($"Saving to {file} new xl format (info 0x3/0x0/{host.DomainConfig(guest).Length + 6})");
        guest.IsSuspended = true;
        yield return TimeSpan.FromSeconds(3);
        // An HVM guest's kernel says that it cannot have its interrupt again, and goes on (seen in the lab).
        host.WriteImage(file, SimImage.Write(host.DomainConfig(guest), guest is { HasHadPin: true, Plan.Type: GuestType.Pv }));
        (guest.IsPaused, guest.IsSuspended) = (leavesPaused, false);
        if (!goesOn)
            host.End(guest, leavesNodes: guest.Functions.Count > 0);
    }

    IEnumerable<TimeSpan> Restore(string file)
    {
        process.ExitCode = 1;
        if (host.ReadImage(file) is not byte[] bytes)
        {
            process.Error($"Can't open restore file: {file}: No such file or directory");
            yield break;
        }
        if (SimImage.Read(bytes) is not { } image || host.Plan(image.Name) is not GuestPlan plan)
        {
            process.Error($"libxl: error: libxl_utils.c:505:libxl_read_exactly: file/stream truncated reading header from {file}");
            yield break;
        }
        process.Error($"Loading new save file {file} (new xl fmt info 0x3/0x0/{bytes.Length})");
        if (host.FindGuest(image.Name) is SimGuest running)
        {
            process.Error($"libxl: error: libxl_domain.c:154:libxl__domain_rename: Domain {running.DomId + 1}:Domain with name \"{image.Name}\" already exists.");
            yield break;
        }
        yield return TimeSpan.FromSeconds(3);
        if (!image.IsWhole)
        {
            process.Error("xc: error: Restore failed (0 = Success): Internal error");
            yield break;
        }
        // The kernel of a guest that once had a function with an interrupt pin dies as it resumes (seen in the lab); Xen does not see that.
        host.Launch(plan with { Functions = [], Habit = image.HasHadPin ? FrontendHabit.NeverAnswers : plan.Habit }, image.Uuid);
        process.ExitCode = 0;
    }

    IEnumerable<TimeSpan> Pause(string name, bool paused)
    {
        if (FindDomain(name) is not int domain || host.FindDomain(domain) is not SimGuest guest)
            yield break;
        // Telling it to a guest that is not paused is an error that leaves the exit code alone (seen in the lab).
        if (!paused && !guest.IsPaused)
            Log("error", 688, $"Domain {domain}:Unpausing domain: Invalid argument", file: "libxl_domain.c", function: "domain_unpause_done");
        guest.IsPaused = paused;
    }
}
