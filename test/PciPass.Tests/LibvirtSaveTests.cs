using PciPass.Core;
using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>Saving libvirt's guests of QEMU and starting them again, on the simulated host.</summary>
public class LibvirtSaveTests
{
    const string Image = "/var/lib/libvirt/qemu/save/web1";

    static SimHost Host(params string[] commands)
    {
        var host = Machines.Make("libvirt");
        foreach (var command in commands)
            Told.By(host, command).Says(0);
        return host;
    }

    static SimQemu? Guest(SimHost host) => host.Qemus.SingleOrDefault();

    [Fact]
    public void The_record_is_there_before_the_guest_ends()
    {
        var told = Told.By(Host("attach 09:00.0 07:00.0 web1"), $"save web1 {Image} --dry-run");
        Assert.Collection(told.Says(0).TrimEnd('\n').Split('\n').Select(line => line.Trim()),
            line => Assert.StartsWith("1. plug 0000:07:00.0 libvirt:web1/", line, StringComparison.Ordinal),
            line => Assert.StartsWith("2. plug 0000:09:00.0 libvirt:web1/", line, StringComparison.Ordinal),
            line => Assert.StartsWith($"3. edit {Image}.pcipass - -> ", line, StringComparison.Ordinal),
            line => Assert.StartsWith($"4. shelve {Image} - -> libvirt:web1/", line, StringComparison.Ordinal));
    }

    [Fact]
    public void The_steps_are_read_back_as_they_were_written()
    {
        foreach (var text in (string[])["shelve /a/b - -> libvirt:web1/7.9", "shelve /a/b libvirt:web1/7.9 -> -", "start libvirt:web1 /a/b"])
            Assert.Equal(text, Step.Parse(text).Text);
        Assert.Equal("shelve /a/b libvirt:web1/7.9 -> -", Step.Parse("shelve /a/b - -> libvirt:web1/7.9").Reverse()!.Text);
        foreach (var text in (string[])["shelve /a/b - -> web1/7.9", "shelve /a/b - -> qemu:web1/7.9", "shelve a - -> libvirt:web1/7.9", "start qemu:web1 /a/b"])
            Assert.Throws<FormatException>(() => Step.Parse(text));
    }

    [Fact]
    public void A_guest_comes_back_with_its_functions()
    {
        var host = Host("attach 09:00.0 07:00.0 web1");
        var had = Guest(host)!.Functions.ToArray();
        Assert.Contains($"done: guest web1 is saved in {Image}", Told.By(host, $"save web1 {Image}").Says(0), StringComparison.Ordinal);
        Assert.Null(Guest(host));
        Assert.Equal("vfio-pci", host.Function("09:00.0").Driver);
        var restored = Told.By(host, $"restore {Image}").Says(0);
        Assert.Contains("done: guest web1 runs again", restored, StringComparison.Ordinal);
        Assert.Contains("done: web1 has 0000:09:00.0", restored, StringComparison.Ordinal);
        Assert.Equal(had, Guest(host)!.Functions);
        Assert.Equal("nothing to do: guest web1 runs, and has what it had\n", Told.By(host, $"restore {Image}").Says(0));
        Told.By(host, "detach 09:00.0 07:00.0 web1").Says(0);
        Assert.Equal("e1000e", host.Function("09:00.0").Driver);
    }

    [Fact]
    public void What_libvirt_refuses_leaves_the_guest_with_its_functions()
    {
        var host = Host("attach 09:00.0 web1");
        host.Libvirt!.SaveRefusal = "State blocked by non-migratable device '0000:00:04.0/ivshmem'";
        var text = host.ToText();
        Assert.Contains("ivshmem", Told.By(host, $"save web1 {Image}").Says(3), StringComparison.Ordinal);
        Assert.Equal(text, host.ToText());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_guest_that_does_not_let_go_is_waited_for_and_keeps_its_function(bool libvirts)
    {
        var host = SimHost.Linux().WithCardsOfTheContract().WithLibvirt("web1").WithQemu(new QemuPlan("web1") { IsLibvirts = libvirts, Unplug = UnplugAnswer.Nothing }).Boot();
        Told.By(host, "attach 09:00.0 web1").Says(0);
        var text = host.ToText();
        Assert.Equal(libvirts ? 5 : 1, Told.By(host, $"save web1 {Image}").ExitCode);
        Assert.Equal(text, host.ToText());
        if (!libvirts)
            return;
        Assert.Contains("has neither let go nor refused", Told.By(host, "recover").Says(5), StringComparison.Ordinal);
        // It restarts inside, and lets go then.
        Guest(host)!.Reset();
        Assert.Empty(Guest(host)!.Functions);
        Told.By(host, "recover").Says(0);
        Assert.Equal(text, host.ToText());
    }

    [Fact]
    public void What_libvirt_would_give_to_the_host_at_once_is_refused()
    {
        var host = Host();
        host.Libvirt!.AttachByHand("web1", Core.Formats.DomainXml.Element(PciAddress.Parse("09:00.0"), managed: true));
        var text = host.ToText();
        Assert.Contains("[cannot-come-back]", Told.By(host, $"save web1 {Image}").Says(1), StringComparison.Ordinal);
        Assert.Equal(text, host.ToText());
    }

    [Fact]
    public void Half_an_image_and_one_of_Xens_start_nothing()
    {
        var host = Host("attach 09:00.0 web1", $"save web1 {Image}");
        var whole = host.Files.ReadAll(Image)!;
        Put(host, [.. "LibvirtQemudPart"u8, .. whole.AsSpan(16)]);
        Assert.Contains("is not whole", Told.By(host, $"restore {Image}").Says(1), StringComparison.Ordinal);
        var xen = Machines.Make("pinless");
        Told.By(xen, "save web1 /var/lib/xen/save/web1").Says(0);
        Put(host, xen.Files.ReadAll("/var/lib/xen/save/web1")!);
        Assert.Contains("is of a guest of Xen, and this host runs no Xen", Told.By(host, $"restore {Image}").Says(1), StringComparison.Ordinal);
    }

    static void Put(SimHost host, byte[] image)
    {
        host.Files.RemoveFile(Image);
        host.Files.CreateFile(Image, image);
    }

    // ---- crashes ------------------------------------------------------------------------------------------------------------------

    public static TheoryData<string> Before { get; } = ["", "attach 09:00.0 web1", "attach 09:00.0 07:00.0 web1"];

    [Theory]
    [MemberData(nameof(Before))]
    public void After_a_crash_in_a_save_the_guest_goes_on_with_its_functions_or_is_saved(string first) =>
        Assert.InRange(new Shape("libvirt", first, $"save web1 {Image}").AssertEveryTwoCrashes(), 9, int.MaxValue);

    /// <summary>It was being taken back when libvirt came to its end after all.</summary>
    [Fact]
    public void A_guest_that_was_saved_while_that_was_being_undone_is_saved()
    {
        var shape = new Shape("libvirt", "attach 09:00.0 web1", $"save web1 {Image}");
        var host = Enumerable.Range(0, shape.Changes).Select(n => shape.CrashAfter(n)!).First(crashed => crashed.Trace[^1].StartsWith("libvirt save", StringComparison.Ordinal));
        host.Files.Append("/var/lib/pcipass/journal/00000002", "undoing 3\n"u8.ToArray(), flush: true);
        Told.By(host, "recover").Says(0);
        shape.AssertAfter(host, "libvirt came to its end");
    }

    [Fact]
    public void Without_libvirt_a_save_that_was_interrupted_stays_open_and_hinders_nothing_else()
    {
        var shape = new Shape("libvirt", "attach 09:00.0 web1", $"save web1 {Image}");
        var host = Enumerable.Range(0, shape.Changes).Select(n => shape.CrashAfter(n)!).First(crashed => crashed.Trace[^1].StartsWith("libvirt save", StringComparison.Ordinal));
        host.Faults.Fail("/run/libvirt/libvirt-sock", 111);
        Assert.Contains("could not see what is still at work", Told.By(host, "hide 0a:00.0").Says(0), StringComparison.Ordinal);
        Told.By(host, "unhide 0a:00.0").Says(0);
        Told.By(host, "recover").Says(4);
        host.Faults.Clear();
        Told.By(host, "recover").Says(0);
        shape.AssertAfter(host, "libvirt is there again");
    }

    [Fact]
    public void After_a_crash_at_any_read_of_a_save_the_guest_goes_on_with_its_function_or_is_saved() =>
        Assert.InRange(new Shape("libvirt", "attach 09:00.0 web1", $"save web1 {Image}").AssertEveryCrashAtAnOperation(), 201, int.MaxValue);

    [Fact]
    public void With_a_full_disk_at_any_write_of_the_journal_the_guest_goes_on_with_its_function_or_is_saved()
    {
        var shape = new Shape("libvirt", "attach 09:00.0 web1", $"save web1 {Image}");
        int saved = 0, wentOn = 0;
        for (var k = 1; ; k++)
        {
            var host = shape.Start();
            var disk = new FailingDisk(host, "/var/lib/pcipass/journal") { FailsFrom = k, Errno = Errno.ENOSPC, WrittenAllTheSame = 3 };
            host.StartProcess();
            var told = Told.Run(disk, $"save web1 {Image}");
            if (disk.Failures == 0)
                break;
            _ = Guest(host) is null ? saved++ : wentOn++;
            Assert.True(told.Errors.Contains("no space left on device", StringComparison.Ordinal), $"write {k} fails: {told}");
            told = Told.By(host, "recover");
            Assert.True(told.ExitCode == 0, $"write {k} fails: {told}");
            shape.AssertBeforeOrAfter(host, $"write {k} fails");
        }
        Assert.True(saved >= 2 && wentOn >= 5, $"saved {saved}, went on {wentOn}");
    }

    [Fact]
    public void When_the_power_goes_in_a_save_the_image_is_whole_with_its_record_or_neither_is_there()
    {
        var shape = new Shape("libvirt", "attach 09:00.0 web1", $"save web1 {Image}");
        int saved = 0, lost = 0;
        for (var n = 0; shape.CrashAfter(n) is not null; n++)
        {
            for (var torn = -1; torn <= 4; torn += torn < 0 ? 1 : 4)
            {
                var host = shape.CrashAfter(n)!;
                // libvirt goes on for a while.
                host.Clock.Advance(TimeSpan.FromSeconds(n % 2 * 2));
                if (torn < 0)
                    host.Reboot();
                else
                    host.PowerLoss(torn);
                // The host starts a guest of that name by itself: whatever recover does, it must not touch that one.
                var told = Told.By(host, "recover");
                Assert.True(told.ExitCode == 0, $"power gone after {n}, {torn} bytes torn: {told}");
                Assert.NotNull(Guest(host));
                Assert.All(new Journal(host).ReadAll(), operation => Assert.NotEqual(Ending.None, operation.Ending));
                Assert.Equal(host.Files.Exists(Image), host.Files.Exists($"{Image}.pcipass"));
                if (!host.Files.Exists(Image))
                {
                    lost++;
                    continue;
                }
                host.EndQemu("web1");
                told = Told.By(host, $"restore {Image}");
                Assert.True(told.ExitCode == 0, $"power gone after {n}, {torn} bytes torn: {told}");
                Assert.Single(Guest(host)!.Functions);
                saved++;
            }
        }
        Assert.True(saved > 2 && lost > 10, $"{saved} saved, {lost} not");
    }

    [Theory]
    [InlineData("attach 09:00.0 07:00.0 web1", "")]
    [InlineData("attach 09:00.0 07:00.0 web1", "unhide 09:00.0")]
    public void After_a_crash_in_a_restore_the_same_command_comes_to_the_same_end(string first, string between)
    {
        string[] before = [first, $"save web1 {Image}", .. between.Length == 0 ? (string[])[] : [between]];
        var finished = Host(before);
        Told.By(finished, $"restore {Image}").Says(0);
        var after = finished.ToText();
        var n = 0;
        for (; Crashed(n) is SimHost host; n++)
        {
            var told = Told.By(host, "recover");
            Assert.True(told.ExitCode == 0, $"crash after {n}: {told}");
            told = Told.By(host, $"restore {Image}");
            Assert.True(told.ExitCode == 0, $"crash after {n}: {told}");
            Assert.Equal(after, host.ToText());
            Assert.All(new Journal(host).ReadAll(), operation => Assert.NotEqual(Ending.None, operation.Ending));
        }
        Assert.True(n > 8, $"{n} crashes");

        SimHost? Crashed(int changes)
        {
            var host = Host(before);
            return Told.Dies(host, $"restore {Image}", changes) ? host : null;
        }
    }
}
