using System.Collections.Immutable;
using System.Globalization;
using PciPass.Core;
using PciPass.Core.Formats;

namespace PciPass.Host;

/// <summary>Reads the host into a snapshot: each part by a reader of its own, each file once.</summary>
public static class HostReader
{
    /// <param name="host">The host.</param>
    /// <param name="journal">pcipass' own journal, for what it took and what has not ended.</param>
    /// <param name="detail">How much of each function.</param>
    public static HostSnapshot Read(HostSystem host, Journal journal, Detail detail = Detail.All)
    {
        var files = host.Files;
        var isJudged = detail != Detail.Owner;
        var names = KernelNames.Read(files);
        var unread = ImmutableArray.CreateBuilder<string>();
        var hypervisor = XenReader.ReadHypervisor(files);
        var bootId = files.ReadText("/proc/sys/kernel/random/boot_id") ?? (host.IsRecorded ? "recorded" : null) ?? throw new HostFailure("open", "/proc/sys/kernel/random/boot_id", Errno.ENOENT);
        var operations = Try(host, journal.ReadAll, "the journal", unread, []);
        var unfinished = Ledger.Unfinished(operations);
        var functions = FunctionReader.Read(files, names, unfinished.Select(each => each.Address).ToHashSet(), detail);
        var taken = Ledger.Taken(operations, bootId);
        var settings = Settings.Parse(files.ReadText(Settings.Path));
        unread.AddRange(settings.Errors);
        var formerNames = taken.SelectMany(each => each.Names.Select(name => KeyValuePair.Create(name, each.Address))).Where(name => !names.All.ContainsKey(name.Key));
        var snapshot = new HostSnapshot
        {
            BootId = bootId,
            Hypervisor = hypervisor,
            PcibackLoaded = files.Exists("/sys/bus/pci/drivers/pciback"),
            PcibackSlots = [.. XenReader.ReadSlots(files)],
            Drivers = [.. files.List("/sys/bus/pci/drivers")],
            Functions = functions,
            Ranges = isJudged ? IsolationReader.ReadRanges(files) : [],
            GroupsAreOverridden = (files.ReadText("/proc/cmdline") ?? "").Contains("pcie_acs_override", StringComparison.Ordinal),
            // What the running host uses is nothing to a system that does not run.
            Uses = host.Root is not null || !isJudged ? [] : Try(host, () => UseReader.Read(host, names, functions), "what the host uses", unread, []),
            Names = names.All.SetItems(formerNames),
            Devices = DeviceListFile.Read(files),
            Taken = host.Root is not null ? [] : taken,
            Accepted = Ledger.Accepted(operations, bootId),
            Unfinished = unfinished,
            Settings = settings,
        };
        var isInDom0 = hypervisor == Hypervisor.XenDom0 && host.Root is null;
        if (isInDom0)
        {
            snapshot = Try(host, () => XenReader.ReadGuests(host, snapshot), "the guests", unread, snapshot);
            snapshot = Try(host, () => WithGuestFiles(snapshot, GuestFileReader.Read(files, snapshot.NamesForGuests)), "the guests' configurations", unread, snapshot);
            snapshot = LibvirtReader.Read(host, LibvirtReader.Marked(files, snapshot)) with { SavesAtShutdown = isJudged ? XendomainsReader.Read(host) : null };
        }
        else if (hypervisor == Hypervisor.None && host.Root is null)
        {
            if (host.Caller.UserId != 0 && !host.IsRecorded)
                unread.Add("only root can see which guests of QEMU run and what they have");
            else
                snapshot = Try(host, () => LibvirtReader.Read(host, QemuReader.Read(host, snapshot)), "the guests", unread, snapshot);
        }
        if (isJudged)
        {
            snapshot = isInDom0 ? XenReader.ReadIommu(host, snapshot) : IsolationReader.ReadIommu(files, snapshot);
            if (host.Root is null)
                snapshot = snapshot with { Hotplugs = ReadHotplugs(host, operations, snapshot) };
            snapshot = Try(host, () => IsolationReader.ReadFirmware(files, snapshot), "the firmware's tables", unread, snapshot);
            if (functions.Values.Any(function => function.IsHeaderOnly))
                unread.Add("only root can read the capabilities of the configuration spaces: whether functions are isolated is not judged");
        }
        return snapshot with { Unread = unread.ToImmutable() };
    }

    static HostSnapshot WithGuestFiles(HostSnapshot snapshot, ImmutableArray<GuestFile> files) => snapshot with
    {
        GuestFiles = files,
        Claims = [.. files.SelectMany(file => file.Config.Functions.Select(function => new ConfiguredClaim(function, file.Guest, file.Path))).DistinctBy(claim => (claim.Address, claim.Guest)), .. snapshot.Definitions.SelectMany(definition => definition.Claims)],
    };

    /// <summary>Adds a guest's configuration file that lies elsewhere; it stands for all others of that guest.</summary>
    public static HostSnapshot WithGuestFile(HostSnapshot snapshot, GuestFile file) =>
        WithGuestFiles(snapshot, [.. snapshot.GuestFiles.Where(other => other.Guest != file.Guest && other.Path != file.Path), file]);

    static ImmutableArray<HotplugCount> ReadHotplugs(HostSystem host, IEnumerable<Operation> operations, HostSnapshot snapshot)
    {
        var window = snapshot.Settings.HotplugWindow;
        // The log's times count from the kernel's start. Where that is not known, all of the log counts.
        var since = double.TryParse((host.Files.ReadText("/proc/uptime") ?? "").Split(' ')[0], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var uptime)
            && uptime - window.TotalSeconds is > 0 and < int.MaxValue and var seconds ? TimeSpan.FromSeconds(seconds) : TimeSpan.Zero;
        return HotplugCount.Of(operations, snapshot.BootId, host.Clock.GetUtcNow() - window, snapshot.Hypervisor == Hypervisor.XenDom0 ? PcibackLog.Parse(host.ReadKernelLog(), since) : [], snapshot.Attachments);
    }

    /// <summary>An ordinary user can list; what only root can read is then told as missing, and never taken for absent.</summary>
    static T Try<T>(HostSystem host, Func<T> read, string what, ImmutableArray<string>.Builder unread, T otherwise)
    {
        try
        {
            return read();
        }
        catch (HostFailure failure) when (host.IsRecorded)
        {
            unread.Add($"{what} are not in the record: {failure.Message}");
            return otherwise;
        }
        catch (HostFailure failure) when (failure.ErrorNumber is Errno.EACCES or Errno.EPERM)
        {
            unread.Add($"{what} could not be read: {failure.Message}");
            return otherwise;
        }
    }
}
