using System.Text.Json;
using PciPass.Lab;
using Xunit;

namespace PciPass.Tests;

/// <summary>The main job: a running guest gets a function, uses it, and gives it back.</summary>
[Collection(LabDemo.Name)]
public sealed class LabAttach(LabDemo host) : LabTest(host)
{
    [Fact]
    public void The_guest_gets_a_card_that_works_and_the_host_gets_one_back_that_works()
    {
        var attached = Host.Pcipass($"attach 09:00.0 web1").Exits(0);

        var domain = Host.DomainOf("web1");
        var slot = Host.Store($"/local/domain/0/backend/pci/{domain}/0/vdev-0");
        Assert.Equal("0000:00:00.00", slot);
        attached.Says($"web1 has {Card} as 0000:00:00.0 ");
        Host.Pcipass("status").Exits(0).Says($"{Card}  attached  web1   0000:00:00.0");
        Assert.Equal($"d{domain}", Host.OwnerOf(Card));
        Host.RunIn("web1", "show-pci").Exits(0).Says("0000:00:00.0 8086:10d3 020000 e1000e eth0");
        Host.RunIn("web1", "net-check eth0").Exits(0).Says(", 0% packet loss");
        Host.RunIn("db1", "show-pci").Exits(0).SaysNot(":");

        Host.Pcipass("detach 09:00.0 web1").Exits(0).Says($"the host has {Card}, with driver e1000e (eth1)");

        Host.RunIn("web1", "show-pci").Exits(0).SaysNot(":");
        Assert.Equal(("e1000e", "(null)", "d0"), (Host.DriverOf(Card), Host.OverrideOf(Card), Host.OwnerOf(Card)));
        Host.Run("net-check eth1").Exits(0).Says(", 0% packet loss");
    }

    [Fact]
    public void A_stopped_guest_finds_the_card_that_its_file_was_given_and_what_is_done_by_hand_is_told()
    {
        Host.Run("sed -e 's/web1/shop1/' /etc/xen/web1.cfg >/etc/xen/shop1.cfg && chmod 640 /etc/xen/shop1.cfg && cp -p /etc/xen/shop1.cfg /tmp/before").Exits(0);
        try
        {
            Host.Pcipass("attach 09:00.0 shop1").Exits(0).Says("hidden until the host's next start", $"{Card} is hidden from the host, for the next start of shop1 (/etc/xen/shop1.cfg)");
            Host.Run("tail -n 1 /etc/xen/shop1.cfg; stat -c %a /etc/xen/shop1.cfg").Exits(0).Says(Card, "640");
            Host.Run("xl create /etc/xen/shop1.cfg").Exits(0);
            Host.RunIn("shop1", "show-pci").Exits(0).Says("8086:10d3 020000 e1000e eth0");
            Host.Pcipass("guests").Exits(0).Says("shop1", Card).SaysNot("does not");

            // By hand, in either direction, and back by pcipass.
            Host.Run($"xl pci-detach shop1 {Card}").Exits(0);
            Host.Pcipass("status").Exits(0).Says($"/etc/xen/shop1.cfg names {Card}, and shop1 does not have it now");
            Host.Pcipass("detach 09:00.0 shop1").Exits(0).Says($"the host has {Card}, with driver e1000e");
            Host.Run("cmp /etc/xen/shop1.cfg /tmp/before").Exits(0);
            Host.Run($"xl pci-assignable-add {Card} && xl pci-attach shop1 {Card}").Exits(0);
            Host.RunIn("shop1", "show-pci").Exits(0).Says("8086:10d3");
            Host.Pcipass("guests").Exits(0).Says($"shop1 has {Card}, and /etc/xen/shop1.cfg does not name it");
            Host.Pcipass("attach 09:00.0 shop1").Exits(0);
            Host.Pcipass("detach 09:00.0 shop1").Exits(0).Says($"{Card} is hidden from the host");
            Host.Run("cmp /etc/xen/shop1.cfg /tmp/before").Exits(0);
            Host.Pcipass("unhide 09:00.0").Exits(0);
        }
        finally
        {
            Host.Run("xl destroy shop1; rm -f /etc/xen/shop1.cfg /tmp/before");
        }
    }

    [Fact]
    public void What_was_hidden_before_stays_hidden_after_detach()
    {
        Host.Pcipass("hide 09:00.0").Exits(0).Says($"{Card} is hidden from the host");
        Assert.Equal(("pciback", "pciback", "DomIO"), (Host.DriverOf(Card), Host.OverrideOf(Card), Host.OwnerOf(Card)));
        var hidden = Host.Picture();
        Host.Pcipass("attach 09:00.0 web1").Exits(0);
        Host.Pcipass("detach 09:00.0 web1").Exits(0).Says($"{Card} is hidden from the host");
        Assert.Equal(hidden, Host.Picture());
        Host.Pcipass("status").Exits(0).Says($"{Card}  hidden");
        Host.Pcipass("unhide 09:00.0").Exits(0).Says("with driver e1000e");
    }

    [Fact]
    public void A_driver_override_that_stood_before_comes_back()
    {
        Host.Run($"echo e1000e >/sys/bus/pci/devices/{Card}/driver_override").Exits(0);
        Host.Pcipass("attach 09:00.0 web1").Exits(0);
        Assert.Equal("pciback", Host.OverrideOf(Card));
        Host.Pcipass("detach 09:00.0 web1").Exits(0);
        Assert.Equal(("e1000e", "e1000e"), (Host.DriverOf(Card), Host.OverrideOf(Card)));
        Host.Run($"echo >/sys/bus/pci/devices/{Card}/driver_override").Exits(0);
    }

    [Fact]
    public void A_driver_override_for_another_driver_than_the_one_bound_comes_back_too()
    {
        // Somebody may have set it for the next probe.
        Host.Run($"echo vfio-pci >/sys/bus/pci/devices/{Card}/driver_override").Exits(0);
        Host.Pcipass("attach 09:00.0 web1").Exits(0);
        Host.Pcipass("detach 09:00.0 web1").Exits(0);
        Assert.Equal(("e1000e", "vfio-pci"), (Host.DriverOf(Card), Host.OverrideOf(Card)));
        Host.Run($"echo >/sys/bus/pci/devices/{Card}/driver_override").Exits(0);
    }

    [Fact]
    public void A_function_without_a_driver_comes_back_without_one()
    {
        Host.Run($"echo {Disk} >/sys/bus/pci/drivers/nvme/unbind").Exits(0);
        Host.Pcipass("attach 07:00.0 web1").Exits(0);
        Host.Pcipass("detach 07:00.0 web1").Exits(0).Says($"the host has {Disk}, without a driver");
        Assert.Equal(("-", "(null)", "d0"), (Host.DriverOf(Disk), Host.OverrideOf(Disk), Host.OwnerOf(Disk)));
        Host.Run($"echo {Disk} >/sys/bus/pci/drivers/nvme/bind").Exits(0);
    }

    [Fact]
    public void Each_command_takes_the_names_that_people_know_a_function_by()
    {
        Host.Pcipass("show eth1").Exits(0).Says($"function:            {Card}", "known as:            eth1", "driver:              e1000e");
        Host.Pcipass("attach eth1 web1").Exits(0).Says($"web1 has {Card}");
        Host.Pcipass("detach pci_0000_09_00_0 web1").Exits(0).Says($"the host has {Card}");
        Host.Pcipass("attach nvme0n1 web1").Exits(0).Says($"web1 has {Disk}");
        Host.Pcipass("detach 0000:07:00.0 web1").Exits(0).Says($"the host has {Disk}, with driver nvme (nvme0"); // the disk itself appears a moment after its controller
    }

    [Fact]
    public void A_name_that_went_away_with_its_driver_still_means_the_function_at_detach()
    {
        Host.Pcipass("attach eth1 web1").Exits(0);
        Host.Pcipass("detach eth1 web1").Exits(0).Says($"the host has {Card}");
    }

    [Fact]
    public void The_dry_run_prints_exactly_the_steps_that_then_run_and_changes_nothing()
    {
        var before = Host.Picture();
        var steps = Steps(Host.Pcipass("attach 09:00.0 07:00.0 web1 --dry-run --json").Exits(0));
        Assert.Equal(before, Host.Picture());
        Assert.NotEmpty(steps);
        Host.Pcipass("attach 09:00.0 07:00.0 web1").Exits(0);
        Assert.Equal(steps, JournalledSteps());

        steps = Steps(Host.Pcipass("detach 09:00.0 07:00.0 web1 --dry-run --json").Exits(0));
        Host.Pcipass("detach 09:00.0 07:00.0 web1").Exits(0);
        Assert.Equal(steps, JournalledSteps());

        static string[] Steps(Result plan) => [.. Parse(plan).GetProperty("steps").EnumerateArray().Select(step => step.GetString()!)];

        string[] JournalledSteps() => [.. Host.Run("cd /var/lib/pcipass/journal; sed -n 's/^step //p' $(ls | tail -n 1)").Exits(0)
            .Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries)];
    }

    [Fact]
    public void Of_two_functions_each_has_its_own_slot_and_one_stays_when_the_other_goes()
    {
        Host.Pcipass("attach 09:00.0 07:00.0 web1").Exits(0).Says($"web1 has {Card} as 0000:00:00.0 ", $"web1 has {Disk} as 0000:00:01.0 ");
        // xl says 00.0 of both; the guest knows better.
        var listed = Host.Run("xl pci-list web1").Exits(0).Stdout;
        Assert.Equal(2, listed.Split('\n').Count(line => line.StartsWith("00.0 ", StringComparison.Ordinal)));
        Host.RunIn("web1", "show-pci").Exits(0).Says("0000:00:00.0 8086:10d3", "0000:00:01.0 1b36:0010");

        Host.Pcipass("detach 09:00.0 web1").Exits(0);
        Host.RunIn("web1", "show-pci").Exits(0).Says("0000:00:01.0 1b36:0010").SaysNot("8086:10d3");
        Host.Pcipass("status").Exits(0).Says($"{Disk}  attached  web1   0000:00:01.0").SaysNot(Card);
        Host.Pcipass("detach 07:00.0 web1").Exits(0);
    }

    [Fact]
    public void Json_tells_the_same_and_the_exit_code_stays()
    {
        var attached = Parse(Host.Pcipass("attach 09:00.0 web1 --json").Exits(0));
        Assert.Equal("done", attached.GetProperty("result").GetString());
        var attachment = Assert.Single(attached.GetProperty("attachments").EnumerateArray());
        Assert.Equal((Card, "web1", "0000:00:00.0"),
            (attachment.GetProperty("address").GetString(), attachment.GetProperty("guest").GetString(), attachment.GetProperty("slot_in_guest").GetString()));

        var refused = Parse(Host.Pcipass("attach 09:00.0 db1 --json").Exits(1));
        Assert.True(refused.GetProperty("refused").GetBoolean());
        Assert.Empty(refused.GetProperty("steps").EnumerateArray());
        Assert.Equal("attached", Assert.Single(refused.GetProperty("findings").EnumerateArray(), finding => finding.GetProperty("severity").GetString() == "refuse").GetProperty("code").GetString());

        var away = Assert.Single(Parse(Host.Pcipass("status --json").Exits(0)).GetProperty("away").EnumerateArray());
        Assert.Equal(("attached", "web1", "e1000e"),
            (away.GetProperty("state").GetString(), away.GetProperty("guest").GetString(), away.GetProperty("taken").GetProperty("driver_before").GetString()));

        Assert.Equal("done", Parse(Host.Pcipass("detach 09:00.0 web1 --json").Exits(0)).GetProperty("result").GetString());
        Assert.Equal(16, Parse(Host.Pcipass("list --json").Exits(0)).GetProperty("functions").GetArrayLength());
        Assert.Equal(["attach", "detach"], Parse(Host.Pcipass("history 09:00.0 --json").Exits(0)).GetProperty("operations").EnumerateArray().TakeLast(2)
            .Select(operation => operation.GetProperty("verb").GetString()!));
    }

    [Fact]
    public void A_wrong_command_line_exits_with_2()
    {
        Host.Pcipass("attach 09:00.0").Exits(2);
        Host.Pcipass("attach eth7 web1").Exits(2).Says("\"eth7\"");
        Host.Pcipass("attach 9:0.0 web1").Exits(2).Says("\"9:0.0\"");
        Host.Pcipass("attach 09:00.0 web1 --accept everything").Exits(2).Says("\"everything\"");
        Host.Pcipass("attach 09:00.0 ../web1").Exits(2).Says("\"../web1\"");
    }

    [Fact]
    public void After_its_guest_was_destroyed_a_function_stays_hidden_and_detach_gives_it_back()
    {
        Host.StartGuest("late1");
        Host.Pcipass("attach 09:00.0 late1").Exits(0);
        Host.Run("xl destroy late1").Exits(0);
        Assert.Equal(("pciback", "DomIO"), (Host.DriverOf(Card), Host.OwnerOf(Card)));
        Host.Pcipass("status").Exits(0).Says($"{Card}  hidden");
        // Another guest can have it, and gives it back to the host as the first one would have.
        Host.Pcipass("attach 09:00.0 web1").Exits(0);
        Host.Pcipass("detach 09:00.0 late1").Exits(1).Says("web1");
        Host.Pcipass("detach 09:00.0 web1").Exits(0).Says($"the host has {Card}, with driver e1000e");
    }

    static JsonElement Parse(Result result)
    {
        using var document = JsonDocument.Parse(result.Output);
        return document.RootElement.Clone();
    }
}
