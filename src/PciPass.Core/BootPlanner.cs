using System.Collections.Immutable;
using PciPass.Core.Formats;

namespace PciPass.Core;

/// <summary>Which files change, and how, so that functions are hidden from the next start on, or no longer.</summary>
static class BootPlanner
{
    /// <summary>The edits, or why a file of others cannot be changed.</summary>
    public static (ImmutableArray<Step> Steps, ImmutableArray<BootProblem> Problems) Plan(HostSnapshot host, Request request)
    {
        List<BootProblem> problems = [];
        var (devices, files) = (host.Devices, host.BootFiles);
        foreach (var address in request.Functions)
        {
            if (request.Verb == Verb.Hide && host.Devices.Find(address) is null && host.Find(address) is PciFunction function)
            {
                // What holds it is a matter of what is below the kernel, and decided once: a line says what was meant.
                var driver = host.Hypervisor == Hypervisor.XenDom0 ? DriverName.Pciback : DriverName.VfioPci;
                var kept = new KeptFunction(address, function.Identity, driver, request.IfMoved, request.Method);
                devices = DeviceList.Parse(devices.With(kept, request.NamesForPeople.GetValueOrDefault(address, "")));
                // The driver before counts, also when it is hidden already.
                var native = host.Taken.FirstOrDefault(taken => taken.Address == address)?.Driver ?? function.Driver;
                files = Hide(files, kept, function with { Driver = native }, problems);
            }
            else if (request.Verb == Verb.Unhide)
            {
                devices = DeviceList.Parse(host.Devices.Find(address) is null ? devices.Content : devices.Without(address));
                // Also out of a list that somebody wrote by hand: what is asked for is that it is no longer hidden.
                if (ModprobeWay.Lists(files, address))
                    files = ModprobeWay.Unhide(files, address, problems);
                if (CmdlineWay.Lists(files, address))
                    files = CmdlineWay.Unhide(files, address, problems);
            }
        }
        var steps = ImmutableArray.CreateBuilder<Step>();
        foreach (var path in host.BootFiles.Contents.Keys.Union(files.Contents.Keys, StringComparer.Ordinal).Order(StringComparer.Ordinal))
            Edit(path, host.BootFiles.Contents.GetValueOrDefault(path), files.Contents.GetValueOrDefault(path));
        Edit(DeviceList.Path, host.Devices.Content, devices.Content);
        return (steps.ToImmutable(), [.. problems.Distinct()]);

        void Edit(string path, FileContent? before, FileContent? after)
        {
            if (before != after)
                steps.Add(new EditFile(path, before, after));
        }
    }

    /// <summary>Whether a list of the kernel's hides a function, whoever wrote it.</summary>
    public static bool IsListed(BootFiles files, PciAddress address) => ModprobeWay.Lists(files, address) || CmdlineWay.Lists(files, address);

    static BootFiles Hide(BootFiles files, KeptFunction kept, PciFunction function, List<BootProblem> problems)
    {
        if (kept.Method == HideMethod.Initramfs)
            return files;
        if (kept.Driver == DriverName.VfioPci)
        {
            problems.Add(new BootProblem("vfio-pci's own list goes by ids, and takes every card of the same kind", "leave out --method: pcipass' part of the initramfs goes by identity"));
            return files;
        }
        return kept.Method == HideMethod.Modprobe ? ModprobeWay.Hide(files, function, problems) : CmdlineWay.Hide(files, function, problems);
    }
}
