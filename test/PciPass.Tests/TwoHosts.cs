using PciPass.Lab;

namespace PciPass.Tests;

/// <summary>Two machines of one kind, joined by a cable, whose roots reach each other by ssh under the names NAME1 and NAME2.</summary>
/// <param name="machine">What both are, apart from the cable.</param>
/// <param name="port">Where on the root bus the cable's root port is.</param>
/// <param name="name">Their name, without the number.</param>
public abstract class TwoHosts(Machine machine, string port, string name) : IDisposable
{
    readonly string folder = Directory.CreateTempSubdirectory("pcipass-cable-").FullName;
    (LabHost First, LabHost Second)? hosts;

    /// <summary>What each runs once it has booted.</summary>
    protected virtual string Start => ":";

    public LabHost First => Hosts.First;
    public LabHost Second => Hosts.Second;

    (LabHost First, LabHost Second) Hosts
    {
        get
        {
            if (hosts is null)
            {
                // Known before they boot: what fails on the way is switched off too.
                hosts = (New(1), New(2));
                Join(hosts.Value.First, hosts.Value.Second);
            }
            return hosts.Value;
        }
    }

    Host New(int number) => new(machine, port, name, number, $"{folder}/cable", Start);

    void Join(LabHost first, LabHost second)
    {
        var keys = ((LabHost[])[first, second]).Select((host, number) => host.Run($"lab-ssh 192.168.99.{number + 1}").Exits(0).Stdout.Trim()).ToArray();
        first.Run($"lab-ssh-allow {name}2 192.168.99.2 {keys[1]}").Exits(0);
        second.Run($"lab-ssh-allow {name}1 192.168.99.1 {keys[0]}").Exits(0);
        // The cable's ends take some seconds to find each other.
        first.Run($"n=0; until ssh -o BatchMode=yes -- {name}2 hostname; do n=$((n + 1)); [ $n -lt 30 ] || exit 1; sleep 1; done").Exits(0);
    }

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        hosts?.First.Dispose();
        hosts?.Second.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    sealed class Host(Machine machine, string port, string name, int number, string cable, string start) : LabHost(machine with
    {
        HasSsh = true,
        Topology = machine.Topology.RootPort("cable", port).CableTo("cable", "0", $"52:54:00:ff:00:0{number}", cable, listens: number == 1),
    }, $"test-{name}{number}")
    {
        protected override string Start => start;
    }
}
