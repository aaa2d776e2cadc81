using Xunit;

namespace PciPass.Tests;

/// <summary>Guests that are saved and started again: exit codes prove nothing here, so it is looked at what the guest does.</summary>
public sealed partial class LabRich
{
    const string Memory = "0000:00:10.0", PinCard = "0000:3b:00.0";

    /// <summary>A small guest that counts.</summary>
    void StartCounting(string guest)
    {
        Host.Run($"sed -e 's/web1/{guest}/; s/^memory = .*/memory = 128/' /etc/xen/web1.cfg >/tmp/{guest}.cfg && xl create /tmp/{guest}.cfg").Exits(0);
        CountingGuest.Start(Host, guest);
    }

    [Fact]
    public void A_guest_with_a_function_without_interrupt_pin_is_saved_and_goes_on_where_it_was_and_its_function_works()
    {
        const string Bar = "a=$(sed -n 3p /sys/bus/pci/devices/0000:00:00.0/resource); a=${a%% *}; printf '\\002\\000' | dd of=/sys/bus/pci/devices/0000:00:00.0/config bs=1 seek=4 conv=notrunc 2>/dev/null; ";
        StartCounting("save1");
        Host.Pcipass("attach 00:10.0 save1").Exits(0);
        Host.RunIn("save1", Bar + "devmem $a 32 0x5afe1234").Exits(0);
        Host.Pcipass("can-save save1").Exits(0).Says($"guest save1 can be saved; {Memory} would go out before");

        // Without room for its memory it is refused before it loses anything.
        Host.Run("mkdir /tmp/small && mount -t tmpfs -o size=16m small /tmp/small").Exits(0);
        Host.Pcipass("save save1 /tmp/small/save1").Exits(1).Says("[image-room]", "it has 128 MiB of memory, and the file system has room for 16 MiB");
        Host.RunIn("save1", Bar + "devmem $a 32").Exits(0).Says("0x5AFE1234");
        Host.Run("umount /tmp/small && rmdir /tmp/small").Exits(0);

        // Killed while xl writes the image: the guest goes on, with its function.
        var counted = CountingGuest.Counted(Host, "save1").Count;
        Host.Run("pcipass save save1 /tmp/killed & victim=$!; until [ -s /tmp/killed ]; do kill -0 $victim || break; usleep 50000; done; kill -9 $victim; wait $victim; [ ! -e /tmp/killed.pcipass ]").Exits(0);
        Host.Pcipass("recover").Exits(0).Says("(save) was interrupted", "is undone");
        Host.Run("ls /tmp/killed").Exits(1);
        Host.RunIn("save1", Bar + "devmem $a 32").Exits(0).Says("0x5AFE1234");
        Assert.True(CountingGuest.Counted(Host, "save1").Count > counted);

        counted = CountingGuest.Counted(Host, "save1").Count;
        Host.Pcipass("save save1 /tmp/save1").Exits(0).Says("done: guest save1 is saved in /tmp/save1");
        Host.Run("xl domid save1").Exits(1);
        Assert.Equal("600", Host.Run("stat -c %a /tmp/save1").Stdout.Trim());
        Assert.Equal("pciback", Host.DriverOf(Memory));
        Host.Pcipass("restore /tmp/save1").Exits(0).Says($"done: save1 has {Memory} as 0000:00:00.0");
        CountingGuest.WasReady(Host, "save1");
        Assert.True(CountingGuest.Counted(Host, "save1").Count > counted);
        Host.RunIn("save1", Bar + "devmem $a 32").Exits(0).Says("0x5AFE1234");
        Host.Pcipass("detach 00:10.0 save1").Exits(0);
        Host.Run("xl destroy save1; rm /tmp/save1 /tmp/save1.pcipass").Exits(0);
    }

    [Fact]
    public void A_guest_that_has_had_an_interrupt_pin_is_not_saved_since_it_would_die_as_it_resumes()
    {
        StartCounting("save2");
        Host.Pcipass("attach 3b:00.0 save2").Exits(0);
        Host.Pcipass("detach 3b:00.0 save2").Exits(0);
        Host.Pcipass("can-save save2").Exits(1).Says("[had-interrupt-pin]", $"it has had {PinCard} since it was started");
        Host.Pcipass("save save2 /tmp/save2").Exits(1).Says("[had-interrupt-pin]");
        Host.Pcipass("can-migrate save2").Exits(1).Says("[had-interrupt-pin]");
        var counted = CountingGuest.Counted(Host, "save2").Count;

        // A checkpoint, which resumes nothing, it survives; what starts from the image does not.
        Host.Run("xl save -c save2 /tmp/save2 2>/dev/null").Exits(0);
        Assert.True(CountingGuest.Counted(Host, "save2").Count > counted);
        Host.Run("xl destroy save2 && xl restore /tmp/save2 2>/dev/null").Exits(0);
        Host.Run("for i in $(seq 60); do grep -q 'xen_irq_resume' /var/log/xen/guest-save2.log && exit 0; sleep 1; done; tail -n 5 /var/log/xen/guest-save2.log; exit 1").Exits(0);
        Host.Run("xl destroy save2; rm /tmp/save2").Exits(0);
    }

    /// <summary>libxl starts its helper before it touches the guest, and goes by what that says: xl's commands then fail, and the guest has lost nothing.</summary>
    [Fact]
    public void With_the_guard_xl_refuses_what_would_break_a_guest_which_goes_on_with_its_function_and_saves_the_others()
    {
        const string Bar = "a=$(sed -n 3p /sys/bus/pci/devices/0000:00:00.0/resource); a=${a%% *}; printf '\\002\\000' | dd of=/sys/bus/pci/devices/0000:00:00.0/config bs=1 seek=4 conv=notrunc 2>/dev/null; ";
        const string Migrate = "printf '#!/bin/sh\\nshift\\nexec sh -c \"$*\"\\n' >/tmp/here; chmod +x /tmp/here; xl migrate -s /tmp/here guard1 localhost";
        Host.Pcipass("guard install").Exits(0).Says("done: the guard stands before /usr/lib/xen-4.17/bin/libxl-save-helper");
        try
        {
            StartCounting("guard1");
            Host.Pcipass("attach 00:10.0 guard1").Exits(0);
            Host.RunIn("guard1", Bar + "devmem $a 32 0x5afe1234").Exits(0);
            foreach (var command in (string[])["xl save guard1 /tmp/guard1", "xl save -c guard1 /tmp/guard1", Migrate])
            {
                Host.Run(command).Exits(1).Says("error: guest guard1 is not saved or moved; it runs on as it was     [plain-save]", $"a plain xl save would leave guard1 hanging, and end with 0: it has {Memory}", "do:    instead:  pcipass save guard1 FILE");
                Host.RunIn("guard1", Bar + "devmem $a 32").Exits(0).Says("0x5AFE1234");
                Assert.True(CountingGuest.Counted(Host, "guard1").Count > 0);
            }
            Host.Pcipass("guests").Exits(0).Says("refused by the guard: a plain xl save would leave guard1 hanging");

            // pcipass' own goes through it, and so does xl's, once the function is out.
            var counted = CountingGuest.Counted(Host, "guard1").Count;
            Host.Run("rm -f /tmp/guard1").Exits(0);
            Host.Pcipass("save guard1 /tmp/guard1").Exits(0);
            Host.Pcipass("restore /tmp/guard1").Exits(0).Says($"done: guard1 has {Memory}");
            CountingGuest.WasReady(Host, "guard1");
            Host.RunIn("guard1", Bar + "devmem $a 32").Exits(0).Says("0x5AFE1234");
            Host.Pcipass("detach 00:10.0 guard1").Exits(0);
            Host.Run("rm -f /tmp/guard1 /tmp/guard1.pcipass; xl save guard1 /tmp/guard1 && xl restore /tmp/guard1").Exits(0);
            CountingGuest.WasReady(Host, "guard1");
            Assert.True(CountingGuest.Counted(Host, "guard1").Count > counted);

            // What has had a pin dies of it: not by xl any more, unless somebody says so.
            Host.Pcipass("attach 3b:00.0 guard1").Exits(0);
            Host.Pcipass("detach 3b:00.0 guard1").Exits(0);
            Host.Run("rm -f /tmp/guard1; xl save guard1 /tmp/guard1").Exits(1).Says("a plain xl save would kill guard1");
            Assert.True(CountingGuest.Counted(Host, "guard1").Count > counted);
            Host.Run("rm -f /tmp/guard1; PCIPASS_ACCEPT=plain-save xl save guard1 /tmp/guard1").Exits(0);
        }
        finally
        {
            Host.Run("xl destroy guard1; rm -f /tmp/guard1 /tmp/guard1.pcipass /tmp/here");
            Host.Pcipass("guard uninstall").Exits(0).Says("/usr/lib/xen-4.17/bin/libxl-save-helper is Xen's own again");
        }
        Host.Run("ls /usr/lib/xen-4.17/bin/libxl-save-helper.pcipass-kept").Exits(1);
    }
}
