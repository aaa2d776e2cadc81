using Xunit;

namespace PciPass.Tests;

/// <summary>What would cut off whoever asks for it comes back by itself, on a real kernel: the card, its addresses and its routes.</summary>
[Collection(LabDemo.Name)]
public sealed class LabRollback(LabDemo host) : LabTest(host)
{
    const string Connect = "ip link set eth1 up; ip addr add 10.0.2.15/24 dev eth1; ip route add default via 10.0.2.2 dev eth1 metric 5";
    const string Answers = "ip route | grep -q 'default via 10.0.2.2 dev eth1  *metric 5' && ping -c 2 -W 5 10.0.2.2";

    [Fact]
    public void Ones_own_card_comes_back_with_its_network_when_nobody_confirms()
    {
        Host.Run(Connect).Exits(0);
        Host.Run(Answers).Exits(0).Says(" 0% packet loss");
        FromSsh("hide --now eth1").Exits(1).Says("[ssh-session]", "--rollback-after 60s --accept ssh-session");
        FromSsh("hide --now eth1 --rollback-after 10s --accept ssh-session --accept in-use-network").Exits(0).Says("is hidden from the host", "pcipass confirm");
        Assert.Equal("pciback", Host.DriverOf(Card));
        Host.Run("until grep -q '^end ' $(ls /var/lib/pcipass/journal/* | tail -n 1); do usleep 200000; done").Exits(0);
        Assert.Equal("e1000e", Host.DriverOf(Card));
        Host.Run(Answers).Exits(0).Says(" 0% packet loss");
        Host.Run("dmesg").Says("was not confirmed in time and is undone");
        Host.Run("ip addr flush dev eth1; ip link set eth1 down; until ! pgrep pcipass; do usleep 100000; done").Exits(0);
    }

    [Fact]
    public void Confirmed_in_time_it_holds_and_killed_the_one_who_waits_is_not_needed()
    {
        Host.Run(Connect).Exits(0);
        FromSsh("attach eth1 web1 --rollback-after 60s --accept ssh-session --accept in-use-network").Exits(0).Says("web1 has 0000:09:00.0");
        Host.Pcipass("detach eth1 web1").Exits(1).Says("[busy]");
        Host.Pcipass("confirm").Exits(0).Says("web1 has 0000:09:00.0");
        Host.Run("until ! pgrep pcipass; do usleep 100000; done").Exits(0);
        Host.Pcipass("detach 09:00.0 web1").Exits(0);

        Host.Run(Connect).Exits(0);
        FromSsh("hide --now eth1 --rollback-after 5s --accept ssh-session --accept in-use-network").Exits(0);
        Host.Run("kill -9 $(pgrep pcipass); while [ $(($(date +%s) - $(date +%s -r $(ls /var/lib/pcipass/journal/* | tail -n 1)))) -lt 7 ]; do usleep 200000; done").Exits(0);
        Host.Pcipass("recover").Exits(0).Says("is undone");
        Host.Run(Answers).Exits(0).Says(" 0% packet loss");
        Host.Run("ip addr flush dev eth1; ip link set eth1 down").Exits(0);
    }

    PciPass.Lab.Result FromSsh(string arguments) => Host.Run($"SSH_CONNECTION='10.0.2.2 51234 10.0.2.15 22' sh -c 'pcipass {arguments}'");
}
