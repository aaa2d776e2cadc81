using PciPass.Sim;

namespace PciPass.Tests;

/// <summary>Small machines for tests, by a few words.</summary>
static class Machines
{
    /// <summary>
    /// Network cards at 08:00.0 and 09:00.0, an NVMe disk at 07:00.0, a SATA controller without a driver at 00:1f.2, the guests web1, db1
    /// and hvm1. Words: <c>override</c> (09:00.0's own driver as its override), <c>other-override</c> (another's), <c>slot</c> (09:00.0
    /// stands in pciback's slots but lost to its own driver), <c>boot-hidden</c> (07:00.0 and 09:00.0), <c>agent</c> (a guest web2 with an agent), <c>no-iommu</c>, <c>vfio</c> (vfio-pci is loaded), <c>pinless</c>
    /// (two functions without an interrupt pin, 05:00.0 and 06:00.0), <c>two-functions</c> (a card with two at 0a:00). <c>libvirt</c> alone: Linux
    /// with the contract's cards, and libvirt with a guest web1 that runs; <c>qemu</c>: one that was started by hand.
    /// </summary>
    public static SimHost Make(string words)
    {
        if (words == "qemu")
            return SimHost.Linux().WithCardsOfTheContract().WithQemu(new QemuPlan("web1")).Boot();
        if (words == "libvirt")
            return SimHost.Linux().WithCardsOfTheContract().WithLibvirt("web1").WithQemu(new QemuPlan("web1") { IsLibvirts = true }).Boot();
        var host = SimHost.Xen().WithDrivers("e1000e", "nvme")
            .With("00:1f.2", "8086:2922", "010601", pin: 1)
            .WithRootPort("00:04.0", 7).WithRootPort("00:04.1", 8).WithRootPort("00:04.2", 9)
            .WithNvme("07:00.0").WithNetworkCard("08:00.0", "52:54:00:08:00:00").WithNetworkCard("09:00.0", "52:54:00:09:00:00")
            .WithGuest(new GuestPlan("web1")).WithGuest(new GuestPlan("db1")).WithGuest(new GuestPlan("hvm1") { Type = Core.GuestType.Hvm });
        var all = words.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (all.Contains("agent"))
            host.WithGuest(new GuestPlan("web2") { Agent = AgentHabit.Prompt });
        if (all.Contains("pinless"))
            host.WithRootPort("00:04.3", 5).WithRootPort("00:04.4", 6).With("05:00.0", "1af4:1110", "050000").With("06:00.0", "1af4:1110", "050000");
        if (all.Contains("two-functions"))
            host.WithRootPort("00:04.5", 10).WithNetworkCard("0a:00.0", "52:54:00:0a:00:00").WithNetworkCard("0a:00.1", "52:54:00:0a:00:01");
        if (all.Contains("vfio"))
            host.WithDrivers("vfio-pci");
        if (all.Contains("no-iommu"))
            host.WithIommu(false);
        if (all.Contains("slot"))
            host.WithHiddenAtBoot("(0000:09:00.0)", first: false);
        if (all.Contains("boot-hidden"))
            host.WithHiddenAtBoot("(0000:07:00.0)(0000:09:00.0)");
        host.Boot();
        if (all.Contains("override"))
            host.Files.WriteAttribute("/sys/bus/pci/devices/0000:09:00.0/driver_override", "e1000e", TimeSpan.FromSeconds(1));
        if (all.Contains("other-override"))
            host.Files.WriteAttribute("/sys/bus/pci/devices/0000:09:00.0/driver_override", "vfio-pci", TimeSpan.FromSeconds(1));
        return host;
    }
}
