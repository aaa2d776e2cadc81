using PciPass.Core;

namespace PciPass.Host;

/// <summary>Takes down what is configured on an interface, and sets it up again, by the program <c>ip</c> (iproute2, or busybox's).</summary>
sealed class NetworkRunner(HostSystem host)
{
    static readonly TimeSpan IpDeadline = TimeSpan.FromSeconds(10), Look = TimeSpan.FromMilliseconds(100);

    /// <summary>How long an interface may take to come back with its driver; udev renames it a little later.</summary>
    static readonly TimeSpan NameDeadline = TimeSpan.FromSeconds(5), InterfaceDeadline = TimeSpan.FromSeconds(15);

    public Observation Observe(SetNetwork step)
    {
        var settings = step.From ?? step.To!;
        var (bare, whole) = step.From is null ? (Position.From, Position.To) : (Position.To, Position.From);
        if (NameOf(step) is not string name)
            return new Observation(bare, $"no interface {step.Name}");
        var seen = Read(step.Address, name);
        return seen.IsEmpty ? new Observation(bare, $"nothing configured on {name}")
            : settings.MissingIn(seen).IsEmpty ? new Observation(whole, $"the former settings on {name}")
            : new Observation(Position.HalfWay, $"other settings on {name}: {string.Join(", ", seen.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries))}");
    }

    public void Act(SetNetwork step)
    {
        if (step.To is NetworkSettings wanted)
            SetUp(AwaitName(step), step, wanted);
        else if (NameOf(step) is string name)
            TakeDown(name, Read(step.Address, name));
    }

    void TakeDown(string name, NetworkSettings seen)
    {
        if (seen.Master is not null)
            Ip("link", "set", "dev", name, "nomaster");
        if (!seen.Addresses.IsEmpty)
            Ip("address", "flush", "dev", name);
        // The routes go along.
        Ip("link", "set", "dev", name, "down");
    }

    void SetUp(string name, SetNetwork step, NetworkSettings wanted)
    {
        var missing = wanted.MissingIn(Read(step.Address, name));
        if (missing.Mtu is int mtu)
            Ip("link", "set", "dev", name, "mtu", $"{mtu}");
        // A bond takes only ports that are switched off.
        if (missing.Master is string master)
            Ip("link", "set", "dev", name, "master", master);
        if (missing.IsUp)
            Ip("link", "set", "dev", name, "up");
        foreach (var address in missing.Addresses)
            Ip(["address", "add", .. address.Split(' '), "dev", name]);
        foreach (var route in missing.Routes)
        {
            var words = route.Split(' ');
            Ip([.. route.Contains(':') ? (string[])["-6"] : [], "route", "add", .. words, "dev", name]);
        }
    }

    NetworkSettings Read(PciAddress address, string name) => NetworkSettingsReader.Read(host, new Dictionary<string, PciAddress> { [name] = address })[0].Settings;

    string? NameOf(SetNetwork step)
    {
        var names = host.Files.List($"/sys/bus/pci/devices/{step.Address}/net");
        return names.Contains(step.Name) ? step.Name : names is [var only] ? only : null;
    }

    string AwaitName(SetNetwork step)
    {
        for (var start = host.Clock.GetTimestamp(); ; host.Wait(Look))
        {
            var (name, waited) = (NameOf(step), host.Clock.GetElapsedTime(start));
            if (name == step.Name || (name is not null && waited > NameDeadline))
                return name;
            if (waited > InterfaceDeadline)
                throw new HostFailure($"{step.Address} has no interface {step.Name}");
        }
    }

    void Ip(params string[] arguments)
    {
        var result = host.Run("ip", arguments, IpDeadline);
        if (result.ExitCode != 0)
            throw new HostFailure($"ip {string.Join(' ', arguments)} ended with {result.ExitCode}: {result.Errors.Trim()}");
    }
}
