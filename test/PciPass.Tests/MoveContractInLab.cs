using PciPass.Host;
using Xunit;

namespace PciPass.Tests;

/// <summary>The contract between two real hosts, in the machines of <see cref="LabHvmMigrate"/>.</summary>
[Trait("Category", "Lab")]
[Trait("Category", "Nightly")]
public sealed class MoveContractInLab(MoveContractInLab.Guests hosts) : MoveContract, IClassFixture<MoveContractInLab.Guests>
{
    /// <summary>The two hosts, with their guests.</summary>
    public sealed class Guests : IDisposable
    {
        readonly LabHvmMigrate.Two two = new();

        public Guests()
        {
            foreach (var guest in (string[])["hvm1", "web1"])
            {
                two.First.Run($"sed -i 's/^memory = .*/memory = 128/' /etc/xen/{guest}.cfg && xl create /etc/xen/{guest}.cfg 2>/dev/null").Exits(0);
                two.First.RunIn(guest, "true").Exits(0);
            }
            (Here, There) = (two.First.System, two.Second.System);
        }

        public HostSystem Here { get; }
        public HostSystem There { get; }

        public void Dispose() => two.Dispose();
    }

    protected override HostSystem Here => hosts.Here;
    protected override HostSystem There => hosts.There;
}
