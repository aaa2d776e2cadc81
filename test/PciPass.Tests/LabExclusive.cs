using Xunit;

namespace PciPass.Tests;

/// <summary>A function has one owner at any time, and who else asks is told its name.</summary>
[Collection(LabDemo.Name)]
public sealed class LabExclusive(LabDemo host) : LabTest(host)
{
    [Fact]
    public void While_a_guest_has_a_function_nobody_else_gets_it()
    {
        Host.Pcipass("attach 09:00.0 web1").Exits(0);
        var domain = Host.DomainOf("web1");
        var held = Host.Picture();

        Host.Pcipass("attach 09:00.0 db1").Exits(1).Says($"{Card} cannot go to guest db1     [attached]", $"guest web1 (domain {domain}) has it, where it is 0000:00:00.0", "pcipass detach 0000:09:00.0 web1");
        Host.Pcipass("attach 09:00.0 web1").Exits(1).Says($"{Card} is already attached to web1     [attached]");
        Host.Pcipass("hide 09:00.0").Exits(1).Says("[attached]", "web1");
        Host.Pcipass("unhide 09:00.0").Exits(1).Says("[still-attached]", "web1");
        Host.Pcipass("detach 09:00.0 db1").Exits(1).Says("[not-attached]", $"guest web1 (domain {domain}) has it");
        // A second function in the same request does not go either.
        Host.Pcipass("attach 07:00.0 09:00.0 db1").Exits(1).Says("[attached]");
        Assert.Equal(held, Host.Picture());

        Host.Pcipass("detach 09:00.0 web1").Exits(0);
    }

    [Fact]
    public void Of_two_callers_at_the_same_moment_one_wins_and_the_other_is_told_who_did()
    {
        var both = Host.Run("""
            for guest in web1 db1; do
                { pcipass attach 09:00.0 $guest >/tmp/$guest.said 2>&1; echo "$guest $?"; } &
            done
            wait
            """).Exits(0);
        var codes = both.Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal).ToArray();
        Assert.True(codes is ["db1 0", "web1 1"] or ["db1 1", "web1 0"], both.ToString());
        var (winner, loser) = codes[0] == "db1 0" ? ("db1", "web1") : ("web1", "db1");

        Host.Run($"cat /tmp/{loser}.said").Says($"{Card} cannot go to guest {loser}     [attached]", $"guest {winner} (domain");
        Assert.Equal($"d{Host.DomainOf(winner)}", Host.OwnerOf(Card));
        Host.RunIn(winner, "show-pci").Says("8086:10d3");
        Host.RunIn(loser, "show-pci").SaysNot(":");
        Host.Pcipass($"detach 09:00.0 {winner}").Exits(0);
    }

    [Fact]
    public void A_function_that_the_file_of_a_stopped_guest_names_is_refused_unless_that_is_accepted()
    {
        Host.Run("""
            cat >/etc/xen/mail1.cfg <<'END'
            name = "mail1"
            # pci = [ '08:00.0' ]
            pci = [ '07:00.0', # the disk
                    '09:00.0,permissive=1' ]
            END
            """).Exits(0);
        try
        {
            Host.Pcipass("attach 09:00.0 web1").Exits(1).Says($"{Card} cannot go to guest web1     [claimed]", "/etc/xen/mail1.cfg gives it to guest mail1", "--accept claimed");
            Host.Pcipass("attach 07:00.0 web1 --dry-run").Exits(1).Says("[claimed]");
            Host.Pcipass("attach 08:00.0 web1 --dry-run").Exits(0);
            Host.Pcipass("attach 09:00.0 mail1 --live").Exits(1).Says("guest mail1 is not running     [guest-unknown]", "xl create /etc/xen/mail1.cfg").SaysNot("[claimed]");
            Host.Pcipass("attach 09:00.0 web1 --accept claimed").Exits(0).Says("accepted:");
            Host.Pcipass("detach 09:00.0 web1").Exits(0);
        }
        finally
        {
            Host.Run("rm /etc/xen/mail1.cfg");
        }
    }

    [Fact]
    public void A_function_that_xl_attached_by_hand_is_refused_and_can_be_taken_back()
    {
        Host.Run("xl pci-assignable-add 09:00.0 && xl pci-attach db1 09:00.0").Exits(0);
        Host.Pcipass("attach 09:00.0 web1").Exits(1).Says("[attached]", "guest db1 (domain");

        // xl's own second try makes xl forget who has it; pcipass asks the backend.
        Host.Run("xl pci-attach db1 09:00.0").Exits(1);
        Host.Run("xl pci-assignable-list").Exits(0).Says(Card);
        Host.Pcipass("attach 09:00.0 web1").Exits(1).Says("[attached]", "guest db1 (domain");
        Host.Pcipass("status").Exits(0).Says($"{Card}  attached  db1    0000:00:00.0  unknown        others");

        // It was hidden by somebody else, so it stays so until somebody says otherwise.
        Host.Pcipass("detach 09:00.0 db1").Exits(0).Says($"{Card} is hidden from the host");
        Host.Pcipass("unhide 09:00.0").Exits(0).Says($"the host has {Card}, with driver e1000e");
    }

    [Fact]
    public void What_is_left_in_xenstore_of_a_guest_that_is_gone_owns_nothing()
    {
        const string Backend = "/local/domain/0/backend/pci/99/0";
        Host.Run($"xenstore-write {Backend}/num_devs 1 {Backend}/dev-0 {Card} {Backend}/state-0 5 {Backend}/state 6").Exits(0);
        Host.Pcipass("attach 09:00.0 web1").Exits(0);
        Host.Pcipass("status").Exits(0).Says($"{Card}  attached  web1");
        Host.Pcipass("detach 09:00.0 web1").Exits(0);
        Host.Run("xenstore-rm /local/domain/0/backend/pci/99").Exits(0);
    }
}
